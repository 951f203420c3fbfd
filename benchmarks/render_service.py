"""What hostile requests found, for ``docs/service.md``."""

from __future__ import annotations

from typing import Any

from render_ladder import measured_on

from edgedigits.reproduce.markdown import table

Document = dict[str, Any]


def hostile_requests(document: Document) -> str:
    """A sentence, and what each kind of request was answered."""
    cameras = document["cameras"]
    before, after = (
        max(camera[when]["resident_bytes"] for camera in cameras) / 1e6
        for when in ("before", "after")
    )
    ends = ", ".join(str(camera["exit_code"]) for camera in cameras)
    sites = f"{len(document['targets'])} sites ({'; '.join(document['targets'])})"
    sentence = (
        f"{document['requests']:,} requests, seed {document['seed']}, to {sites}: "
        f"**{len(document['failures'])}** were shown something they should not be, got no answer "
        "where they should have had one, or left something behind. In between "
        f"{document['proper_requests']} proper requests were answered. The longest answer took "
        f"{document['longest_answer_seconds']:.2f} s. The cameras went on, and ended with {ends} "
        f"when told to; {before:.0f} MB were resident before and {after:.0f} MB after."
    )
    rows = [
        [kind, ", ".join(f"{status}: {count:,}" for status, count in of.items())]
        for kind, of in document["answers"].items()
    ]
    answers = table(["requests", "answers"], rows)
    return "\n\n".join([sentence, answers, measured_on(document)])
