"""Data sets as text, as JSON and as pictures: what there is, what is in one, what was written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgedigits.data.csv_writing import CsvExport
from edgedigits.data.dataset import DataSet
from edgedigits.data.look import SAMPLES, DataLook, PartLook
from edgedigits.data.registry import SourceRow
from edgedigits.report.rows import NOTHING, Column, Table, count, number, percent
from edgedigits.report.style import BLUE, new_figure, save, settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Group
    from rich.text import Text

    from edgedigits.reader_data import ReaderData

BAR = 24  # characters of the longest bar
SHOWN_CLASSES = 50  # rows of the picture of samples
LABELS_PICTURE = "labels.png"
SAMPLES_PICTURE = "samples.png"


def source_rows(rows: tuple[SourceRow, ...]) -> Table:
    """The named data sets, and where they lie."""
    columns = (
        Column("data", right=False),
        Column("train"),
        Column("test"),
        Column("classes"),
        Column("what it is", right=False),
        Column("where", right=False),
    )
    cells = tuple(
        (row.name, count(row.train), count(row.test), count(row.classes), row.what, _where(row))
        for row in rows
    )
    return Table("data sets", columns, cells)


def _where(row: SourceRow) -> str:
    if row.where is not None:
        return row.where
    return f"not here: would be downloaded ({row.download_bytes / 1e6:.0f} MB) to {row.download_to}"


def csv_view(export: CsvExport) -> Group:
    """The CSV files written, a row a file, and what the reader should know. For a rich console."""
    from rich.console import Group
    from rich.text import Text

    columns = (
        Column("file", right=False),
        Column("rows"),
        Column("columns"),
        Column("bytes"),
        Column("sha256", right=False),
    )
    cells = tuple(
        (str(made.file), count(made.rows), count(made.columns), count(made.bytes), made.sha256[:12])
        for made in export.files
    )
    notes = list(export.notes)
    if any(name != str(number) for number, name in enumerate(export.class_names)):
        named = ", ".join(f"{number} {name}" for number, name in enumerate(export.class_names))
        notes.append(f"labels are written as numbers: {named}")
    lines = [Text(f"note: {note}") for note in notes]
    return Group(Table(f"{export.data} as CSV", columns, cells), *lines)


def csv_json(export: CsvExport) -> dict[str, Any]:
    """The CSV files written as plain values; ``class_names`` says what each label means."""
    return asdict(export) | {
        "folder": str(export.folder),
        "files": [asdict(made) | {"file": str(made.file)} for made in export.files],
    }


def reader_data_json(written: ReaderData) -> dict[str, Any]:
    """The reader's data as plain values."""
    return asdict(written) | {"file": str(written.file)}


def reader_data_view(written: ReaderData) -> Text:
    """What a terminal says of the reader's data."""
    from rich.text import Text

    return Text(
        f"training part: {written.digits:,} digits, {written.negatives:,} that are none; "
        f"{written.from_scenes:,} of them from frames\n"
        f"test part: {written.test_digits:,} digits, {written.test_negatives:,} that are none\n"
        f"{written.file}: train with 'edgedigits train digit-reader --data {written.file}'"
    )


def render_text(look: DataLook) -> Group:
    """What a terminal shows: statistics, label distribution, notes. For a rich console."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Table | Text] = [statistics_rows(look), Text("")]
    if any(part.class_counts for part in look.parts):
        parts += [distribution_rows(look), Text("")]
    if look.duplicates_between is not None:
        parts.append(Text(f"test pictures that also occur in train: {look.duplicates_between:,}"))
    parts += [Text(f"note: {note}") for note in look.notes]
    parts.append(Text(f"digest: {look.digest}"))
    return Group(*parts)


def statistics_rows(look: DataLook) -> Table:
    """Shape, type and pixel statistics, a row a part."""
    columns = (
        Column("part", right=False),
        Column("pictures"),
        Column("pixels"),
        Column("type"),
        Column("mean", "Mean of all pixels, of 255."),
        Column("std", "Standard deviation of all pixels, of 255."),
        Column("min"),
        Column("max"),
        Column("zero, %", "Share of the pixels that are 0: background."),
        Column("repeated", "Pictures that repeat an earlier one pixel for pixel."),
    )
    rows = tuple(
        (
            part.part,
            count(part.shape[0]),
            "×".join(map(str, part.shape[1:])),
            part.dtype,
            number(part.mean, 4),
            number(part.std, 4),
            str(part.minimum),
            str(part.maximum),
            percent(part.zero_share, 1),
            count(part.duplicates),
        )
        for part in look.parts
    )
    return Table(look.name, columns, rows)


def distribution_rows(look: DataLook) -> Table:
    """Pictures of each class, with a bar, a row a class."""
    columns = [Column("class", right=False)]
    cells: list[list[str]] = [[name] for name in look.class_names]
    for part in look.parts:
        columns += [Column(part.part), Column("%"), Column("", right=False)]
        for row, new in zip(cells, _distribution(part, len(cells)), strict=True):
            row += new
    return Table("labels", tuple(columns), tuple(map(tuple, cells)))


def _distribution(part: PartLook, classes: int) -> list[list[str]]:
    if part.class_counts is None:
        return [[NOTHING, NOTHING, ""]] * classes
    total, most = sum(part.class_counts), max(part.class_counts)
    return [
        [count(n), percent(n / total, 1), "█" * round(BAR * n / most)] for n in part.class_counts
    ]


def to_json(look: DataLook) -> dict[str, Any]:
    """A look as plain values; ``mean`` and ``std`` are shares of 255."""
    return asdict(look)


def write_pictures(look: DataLook, dataset: DataSet, folder: Path) -> tuple[Path, ...]:
    """Draw the label distribution (where there are labels) and samples as PNG files.

    Args:
        look: what to draw.
        dataset: the data set it was made from.
        folder: where ``labels.png`` and ``samples.png`` are written; made if need be.

    Returns:
        The files written.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the folder cannot be written.
    """
    with settings():
        figures = {SAMPLES_PICTURE: _draw_samples(look, dataset)}
        if look.parts[0].class_counts:
            figures[LABELS_PICTURE] = _draw_labels(look)
        return tuple(save(figure, folder / name) for name, figure in sorted(figures.items()))


def draw_labels(look: DataLook, path: Path) -> Path:
    """Draw the label distribution of the parts that have labels.

    Raises:
        MissingPackageError: matplotlib is not installed.
        RunError: the picture cannot be written.
    """
    with settings():
        return save(_draw_labels(look), path)


def _draw_labels(look: DataLook) -> Figure:
    classes = len(look.class_names)
    labelled = {part: part.class_counts for part in look.parts if part.class_counts}
    figure = new_figure(min(20.0, max(6.0, 0.25 * classes)), 2.6 * len(labelled))
    axes = figure.subplots(len(labelled), 1, squeeze=False, sharex=True)[:, 0]
    for axis, (part, counts) in zip(axes, labelled.items(), strict=True):
        axis.bar(range(classes), counts, color=BLUE)
        axis.set_ylabel("pictures")
        axis.set_title(f"{look.name}, {part.part}: {part.shape[0]:,} pictures")
    step = -(-classes // SHOWN_CLASSES)  # more names than that would run into each other
    names = look.class_names[::step]
    upright = max(map(len, names)) * len(names) > 60
    axes[-1].set_xticks(range(0, classes, step), names, rotation=90 if upright else 0)
    return figure


def _draw_samples(look: DataLook, dataset: DataSet) -> Figure:
    part = look.parts[0]
    if part.class_counts is None:
        indices = part.sample_indices[0]
        lines = [indices[i : i + SAMPLES] for i in range(0, len(indices), SAMPLES)]
        names = [""] * len(lines)
    else:
        lines = list(part.sample_indices[:SHOWN_CLASSES])
        names = list(look.class_names[:SHOWN_CLASSES])
    sheet = _sheet(dataset.train.images, lines)
    figure = new_figure(6.0, 0.8 + 0.5 * len(lines))
    axis = figure.subplots()
    axis.imshow(sheet, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    step = sheet.shape[0] / len(lines)
    axis.set_yticks([step * (i + 0.5) for i in range(len(lines))], names)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    shown = f", the first {len(lines)} classes" if len(look.class_names) > len(lines) else ""
    axis.set_title(f"{look.name}, {part.part}: samples{shown}")
    return figure


def _sheet(images: NDArray[np.uint8], lines: list[tuple[int, ...]]) -> NDArray[np.uint8]:
    """Samples side by side with a gap of 4 pixels, uint8 ``[32·lines, 32·SAMPLES]``."""
    cell = images.shape[1] + 4
    sheet = np.zeros((cell * len(lines), cell * SAMPLES), dtype=np.uint8)
    for row, indices in enumerate(lines):
        for column, index in enumerate(indices):
            top, left = row * cell + 2, column * cell + 2
            sheet[top : top + cell - 4, left : left + cell - 4] = images[index]
    return sheet
