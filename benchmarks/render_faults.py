"""The tables of ``docs/faults.md``: the camera under faults, and programs that are killed."""

from __future__ import annotations

from typing import Any

from edgedigits.reproduce.markdown import table

Document = dict[str, Any]


def faults(document: Document) -> str:
    """Each fault with the longest recovery, and the memory over the frames."""
    rows = [
        [row["about"].rstrip("."), str(row["times"]), f"{row['longest']:.1f}"]
        for row in document["recovery_s"].values()
    ]
    after, grown = document["resident_after_first_cycle"], document["resident_growth"]
    return "\n\n".join(
        [
            f"`{document['command']}`: {document['frames']:,} frames, {document['faults']} faults, "
            f"{document['seconds'] / 60:.0f} minutes. The process did not end before it was "
            "interrupted.",
            table(["fault", "times", "longest recovery, s"], rows),
            f"Resident memory: {after / 1e6:.1f} MB after the first cycle, later at most "
            f"{grown / 1e6:.1f} MB more, {document['resident_at_end'] / 1e6:.1f} MB at the end; "
            f"never more than {document['resident_peak'] / 1e6:.1f} MB. Readings committed: "
            f"{document['readings']:,}; arrived: {document['readings_arrived']:,}, "
            f"{'all in order' if document['readings_in_order'] else 'NOT all, or not in order'}.",
            _measured_on(document),
        ]
    )


def queue_kills(document: Document) -> str:
    """What was lost and doubled."""
    rows = [
        ["kills, while starting and while working", f"{document['kills']}"],
        ["of them while the broker was away", f"{document['broker_went']}"],
        ["readings said by the killed programs", f"{document['said']:,}"],
        ["readings that arrived, also those killed before they were said",
         f"{document['arrived']:,}"],
        ["lost", f"**{document['lost']}**"],
        ["counted twice by a receiver that drops known ids", f"**{document['doubled']}**"],
        ["numbers missing", f"{document['numbers_missing']}"],
        ["out of order", f"{document['out_of_order']}"],
        ["sent again, with the same id", f"{document['again_with_the_same_id']}"],
    ]  # fmt: skip
    return _counts(document, rows)


def export_kills(document: Document) -> str:
    """What an export that was killed left in the file's place."""
    file = document["file"]
    rows = [
        ["kills while it was at work", f"{document['kills']}"],
        ["came after its end", f"{document['ended_before']}"],
        ["the file is the old one, whole", f"{file['old']}"],
        ["the file is the new one, whole", f"{file['new']}"],
        ["the file is damaged or gone", f"**{file['damaged']}**"],
        ["unfinished files left after the next export", f"{len(document['left_over'])}"],
    ]
    return _counts(document, rows)


def collect_kills(document: Document) -> str:
    """What became of crops whose collect was killed."""
    rows = [
        ["kills while it was at work", f"{document['kills']}"],
        ["came after its end", f"{document['ended_before']}"],
        ["crops", f"{document['crops']:,}"],
        ["lost", f"**{document['lost']}**"],
        ["at home twice, at any time", f"**{document['doubled']}**"],
        ["left on the device after the last collect", f"{document['left_there']}"],
        ["unfinished files left at home", f"{len(document['left_over'])}"],
    ]
    return _counts(document, rows)


def _counts(document: Document, rows: list[list[str]]) -> str:
    return "\n\n".join(
        [f"`{document['command']}`", table(["", "number"], rows), _measured_on(document)]
    )


def _measured_on(document: Document) -> str:
    host = document["host"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    line = f"Measured on {host['processor']}, {host['cpus']} processors, {versions}."
    if document.get("load", 0) > host["cpus"]:
        line += f" Other work ran at the same time; the load was {document['load']:.1f}."
    return line
