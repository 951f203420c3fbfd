"""``docs/reference-systems.md``, rendered from the documents of the reproductions alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgedigits.errors import RunError
from edgedigits.files import read_json
from edgedigits.report.rows import NOTHING, count, number, percent
from edgedigits.reproduce import markdown
from edgedigits.reproduce.rows import Document, macro, mean_and_spread, variant_row
from edgedigits.reproduce.systems import SYSTEMS, System

INTRODUCTION = """\
# The five reference systems

Five published classifiers of small pictures, rebuilt layer by layer, trained, quantised and
reported, so that edgedigits can be held against them. This page is rendered from
[benchmarks/results/reference](../benchmarks/results/reference) by `python benchmarks/render.py`;
no figure is typed by hand, and a test fails when page and files disagree.

```bash
edgedigits reproduce --all            # hours on two cores; Ctrl-C, and the same command goes on
edgedigits reproduce mnist-dense      # one of them
edgedigits reproduce --all --quick    # a fraction of the data, to see it work
```

*Published* is what the authors say. *Ours* is what the same layers gave here: mean ± standard
deviation over the seeds where there are several. The best epoch is chosen on 6,000 pictures held
back from the training part; the test part is for this page alone. The drop is against the float32
file of the same run, on the same pictures, in percentage points; its 95 % interval is for paired
answers, and over several seeds for their mean. Times are from one x86-64 machine; read the ratios.
Nothing here was measured on a Raspberry Pi or an Edge TPU.
"""


def load_documents(folder: Path) -> dict[str, Document]:
    """The document of each system that has one, by the system's name.

    Raises:
        RunError: a document is damaged, or of a quick reproduction.
    """
    documents = {}
    for system in SYSTEMS:
        path = folder / f"{system.name}.json"
        if path.is_file():
            documents[system.name] = read_json(path, "the results of a reproduction")
            if documents[system.name]["quick"]:
                raise RunError(f"{path}: of a quick reproduction; its figures mean nothing")
    return documents


def render_page(folder: Path, pictures: str) -> str:
    """The whole page.

    Args:
        folder: where the documents lie.
        pictures: the folder of their pictures as seen from the page.
    """
    documents = load_documents(folder)
    parts = [INTRODUCTION, _summary(documents)]
    for system in SYSTEMS:
        if system.name in documents:
            parts += _system(system, documents[system.name], pictures)
        else:
            parts += _not_run(system)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _summary(documents: dict[str, Document]) -> str:
    rows = []
    for system in SYSTEMS:
        link = f"[{system.key} `{system.name}`](#{system.key.lower()}-{system.name})"
        published = system.published.accuracy_text.partition(";")[0]
        if system.name not in documents:
            rows.append([link, NOTHING, published, "not run yet", *[NOTHING] * 3])
            continue
        for setting in documents[system.name]["settings"]:
            float32, int8 = (
                [row for seed in setting["seeds"] if (row := variant_row(seed, name)) is not None]
                for name in ("float32", "int8")
            )
            rows.append(
                [
                    link,
                    "theirs" if setting["name"] == "published" else "ours",
                    published,
                    mean_and_spread([100 * row["accuracy"] for row in float32], 2),
                    mean_and_spread([100 * row["accuracy"] for row in int8], 2),
                    mean_and_spread([row["drop"] for row in int8], 3),
                    f"{count(float32[0]['bytes'])} → {count(int8[0]['bytes'])}",
                ]
            )
    headings = [
        "system", "settings", "published accuracy", "float32 %", "int8 %", "drop, points", "bytes",
    ]  # fmt: skip
    return markdown.table(headings, rows, left=3)


def _not_run(system: System) -> Iterator[str]:
    yield f"## {system.key} {system.name}"
    yield (
        f"Not run yet. Published: {system.published.accuracy_text}, {system.published.settings}. "
        f"`edgedigits reproduce {system.name}` runs it; `--quick` shows that every step works."
    )


def _system(system: System, document: Document, pictures: str) -> Iterator[str]:
    published, best = system.published, document["settings"][-1]
    yield f"## {system.key} {system.name}"
    yield _facts(system, document)
    yield from _exploration(document, pictures)
    yield "### Layers"
    if not published.layers:
        yield "Its layers are not published; these are ours."
    yield markdown.layers_table(document, published)
    yield "### Accuracy"
    yield markdown.accuracy_table(document, published)
    for setting in document["settings"]:
        yield f"{_heading(setting)}: {setting['about']} {_plan(setting)}"
    yield from _their_form(system, document)
    yield "### Reports"
    yield (
        f"Of the float32 file, {_heading(best).lower()}, seed {best['seeds'][0]['seed']}, on the "
        f"{count(best['seeds'][0]['evaluation']['n'])} test pictures."
    )
    yield from _reports(best, system)
    for setting in document["settings"]:
        yield f"### {_heading(setting)}: pictures"
        yield from _pictures(setting, pictures)
    for setting in document["settings"]:
        yield f"### {_heading(setting)}: variants"
        yield markdown.variants_table(setting)
        yield from _refused(setting)
    yield from _shrinking(document)
    yield _provenance(document)


def _facts(system: System, document: Document) -> str:
    data = document["data"]
    form = ", read from CSV files in the authors' form" if data["form"] == "CSV" else ""
    return (
        f"Data: `{data['name']}`{form}: {count(data['train_pictures'])} training and "
        f"{count(data['test_pictures'])} test pictures (theirs: {system.published.evaluated_on}). "
        f"Their training: {system.published.settings}. {count(document['macs'])} multiplications "
        "with addition a picture."
    )


def _heading(setting: Document) -> str:
    return "Their settings" if setting["name"] == "published" else "Our settings"


def _plan(setting: Document) -> str:
    plan = setting["plan"]
    first = setting["before"]
    before = f"First {_words(first)}; then {_words(plan)}" if first else _words(plan)
    return f"({before}.{_teacher(setting.get('teacher'))})"


def _teacher(teacher: Document | None) -> str:
    if teacher is None:
        return ""
    plan, results = teacher["plan"], teacher["training"]
    return (
        f" Learns the answers of `{plan['model']}` beside the labels; that was trained here on the "
        f"same pictures ({_words(plan)}) and reaches {percent(results['test_accuracy'])} % "
        "on the test part."
    )


def _words(plan: Document) -> str:
    words = [
        f"{plan['epochs']} epochs",
        f"batch {plan['batch_size']}",
        f"Adam at {plan['learning_rate']:g}",
        "falling on a cosine" if plan["schedule"] == "cosine" else "constant",
    ]
    if plan["augment"]:
        strength = plan.get("augment_strength", 1.0)
        words.append("augmented" if strength == 1 else f"augmented at strength {strength:g}")
    if plan["early_stopping"]:
        words.append(f"early stopping after {plan['early_stopping']} epochs without a better one")
    if plan.get("normalise"):
        words.append("batch normalisation while training, folded into the convolutions")
    if plan["precision"] != "float32":
        words.append(f"inner arithmetic in {plan['precision']}")
    return ", ".join(words)


def _exploration(document: Document, pictures: str) -> Iterator[str]:
    exploration = document["exploration"]
    if exploration is None:
        return
    yield "### The data, explored"
    yield (
        f"`edgedigits data csv {document['data']['name']} --out FOLDER` writes the files, "
        "`edgedigits data look FOLDER` shows this and the picture."
    )
    yield markdown.exploration_table(exploration)
    yield _image("Label distribution of train.csv and test.csv", exploration["picture"], pictures)
    predictions = document["predictions"]
    counts = ", ".join(f"{label}: {count(n)}" for label, n in predictions["counts"].items())
    yield (
        f"The int8 file's predictions for `test-unlabelled.csv`, in the form `ImageId,Label` "
        f"({count(predictions['n'])} lines, SHA-256 `{predictions['sha256'][:16]}…`), by "
        f"`edgedigits predict FILE --data FOLDER/test-unlabelled.csv --out predictions.csv`. "
        f"Answers: {counts}."
    )


def _their_form(system: System, document: Document) -> Iterator[str]:
    published, settings = system.published, document["settings"]
    best = settings[-1]["seeds"][0]["evaluation"]
    if published.f1_by_class:
        yield "### F1 by class, as its authors report it"
        yield markdown.f1_table(best, published)
    if published.accuracy_by_epoch:
        yield "### Training accuracy by epoch, at their settings"
        yield markdown.epochs_table(settings[0], published)
    if published.confusion:
        yield "### Confusion matrix, as its authors report it"
        labels = [str(label) for label in range(len(published.confusion))]
        yield "Theirs; ours follows among the reports:"
        yield markdown.confusion_table(published.confusion, labels)
    if published.precision is not None:
        theirs = " / ".join(number(getattr(published, k), 4) for k in ("precision", "recall", "f1"))
        ours = " / ".join(number(macro(best, key), 4) for key in ("precision", "recall", "f1"))
        yield f"Overall precision / recall / F1: published {theirs}, ours {ours}."


def _reports(setting: Document, system: System) -> Iterator[str]:
    evaluation = setting["seeds"][0]["evaluation"]
    yield "Confusion matrix (rows: true class, columns: answer):"
    names = [str(row["class"]) for row in evaluation["per_class"]]
    yield markdown.confusion_table(evaluation["confusion"], names)
    yield "Classification report:"
    yield markdown.classification_table(evaluation)
    yield "By class:"
    yield markdown.per_class_table(evaluation, system.published)


def _pictures(setting: Document, folder: str) -> Iterator[str]:
    for name, words in (
        ("curves", "Accuracy and loss by epoch"),
        ("confusion", "Confusion matrix"),
        ("examples", "Example predictions"),
        ("mistakes", "The wrong answers that it was surest of"),
    ):
        yield _image(words, setting["pictures"][name], folder)


def _image(words: str, picture: Document, folder: str) -> str:
    return f"![{words}]({folder}/{picture['file']})"


def _refused(setting: Document) -> Iterator[str]:
    for variant, message in setting["seeds"][0]["refused"].items():
        yield f"Not made: `{variant}` ({message.removeprefix(f'{variant}: ')})."


def _shrinking(document: Document) -> Iterator[str]:
    shrinking = document["shrinking"]
    if shrinking is None:
        return
    yield "### The smallest file of the same architecture"
    shares = ", then ".join(f"{percent(share, 1)} %" for share in shrinking["sparsities"])
    yield (
        f"Filters and units go: {shares} of what each layer has left; each step is retrained. The "
        f"smallest file that loses at most {number(shrinking['max_drop'], 1)} points against the "
        "large float32 file, on validation and on test, is in bold."
    )
    yield markdown.shrinking_table(shrinking)
    chosen, confirmed = shrinking["chosen"], shrinking["confirmed"]
    if confirmed != chosen and chosen is not None:
        yield (
            f"The smallest by validation, {count(chosen['bytes'])} bytes, loses "
            f"{number(chosen['test']['drop'], 2)} points on the test part: a tenth of a point is "
            "six of 6,000 validation pictures, too few to tell."
        )
    if confirmed is None:
        yield "None of them loses so little on both parts."
        return
    yield (
        f"**{count(confirmed['bytes'])} bytes** instead of {count(shrinking['float32_bytes'])} is "
        f"the smallest within the limit on both parts: "
        f"{number(shrinking['float32_bytes'] / confirmed['bytes'], 0)} times smaller than float32 "
        f"and {number(shrinking['int8_bytes'] / confirmed['bytes'], 0)} times smaller than int8, "
        f"{number(shrinking['float32_us'] / confirmed['latency_us_p50'], 0)} and "
        f"{number(shrinking['int8_us'] / confirmed['latency_us_p50'], 0)} times faster, at "
        f"{percent(confirmed['test_accuracy'])} % on the test part."
    )


def _provenance(document: Document) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    codes = sorted(
        {
            str(seed["code"])[:12]
            for setting in document["settings"]
            for seed in setting["seeds"]
            if seed["code"]
        }
    )
    return (
        f"*`{document['command']}`, written {document['written'][:10]}; digests: data "
        f"`{document['data']['digest'][:12]}`, code that trained "
        f"{', '.join(f'`{code}`' for code in codes) or NOTHING}, code that wrote "
        f"`{document['code'][:12]}`; {document['host']['processor']}, Python "
        f"{document['host']['python']}, {versions}.*"
    )
