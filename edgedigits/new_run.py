"""A new run folder: which paths are refused, and where a run goes that is in the way."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from edgedigits.errors import UsageError
from edgedigits.files import writing
from edgedigits.run import RunFolder, unfinished

PREVIOUS_SUFFIX = ".previous"  # where an overwritten run is kept


def check_new_run(
    path: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    sources: Sequence[tuple[str, Path]] = (),
) -> None:
    """Refuse a path that :func:`create_run` would refuse, before anything is done for it.

    Args:
        path: the run folder to make.
        overwrite: whether an existing run may be moved aside.
        resume: whether the command has --resume, which may be what the user is looking for.
        sources: what the new run is made from: as the user named it, and the file or folder.

    Raises:
        UsageError: the folder exists and ``overwrite`` is false, or is not a run; or what lies
            where it would be moved to is not; or a source would be moved with it; or it cannot be
            moved, as a link or the working folder.
    """
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file, not a folder; name another --run")
    if path.is_symlink() and not path.exists():
        raise UsageError(f"{path}: is a symbolic link that leads nowhere; name another --run")
    if not path.is_dir() or not any(path.iterdir()):
        return
    if not RunFolder(path).manifest_file.is_file():
        raise UsageError(f"{path}: holds files but is not a run; name another --run")
    if not overwrite:
        ways = "--resume, --overwrite" if resume and unfinished(path) else "--overwrite"
        raise UsageError(f"{path}: already holds a run; add {ways}, or name another --run")
    if path.is_symlink():
        raise UsageError(
            f"{path}: is a symbolic link to {path.resolve()}, and --overwrite would move the link "
            "only; name that folder, or another --run"
        )
    if path.name in ("", "..") or _stands_in(path):
        raise UsageError(
            f"{path}: is the folder you stand in, or one above it, which --overwrite cannot move; "
            "change to another folder first, or name another --run"
        )
    previous = _previous(path)
    if previous.is_symlink():
        raise UsageError(
            f"{previous}: is a symbolic link, and {path} would be moved there; name another --run"
        )
    if previous.exists() and not RunFolder(previous).manifest_file.is_file():
        raise UsageError(
            f"{previous}: is not a run, and {path} would be moved there; name another --run"
        )
    for name, source in sources:
        for folder, what in ((path, "moves"), (previous, "removes")):
            if source.resolve().is_relative_to(folder.resolve()):
                raise UsageError(
                    f"{name}: lies in {folder}, which --run {path} --overwrite {what}; "
                    "name another --run"
                )


def create_run(path: Path, *, overwrite: bool = False) -> RunFolder:
    """Make an empty run folder.

    An existing run is refused; with ``overwrite`` it is moved aside to ``NAME.previous``, so that
    nothing is lost before the new run has something to show. One that never had a model gives way
    to the one before it, which stays.

    Raises:
        UsageError: the folder exists and ``overwrite`` is false, or is not a run.
        RunError: the folder cannot be made.
    """
    check_new_run(path, overwrite=overwrite)
    if path.is_dir() and any(path.iterdir()):
        _move_aside(path)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return RunFolder(path)


def _previous(path: Path) -> Path:
    return path.with_name(path.name + PREVIOUS_SUFFIX)


def _stands_in(path: Path) -> bool:
    """Whether the working folder is this one or lies in it."""
    return Path.cwd().is_relative_to(path.resolve())


def _move_aside(path: Path) -> None:
    previous = _previous(path)
    with writing(path):
        if previous.exists():
            finished, before = (RunFolder(run).model_file().is_file() for run in (path, previous))
            if before and not finished:
                shutil.rmtree(path)
                return
            shutil.rmtree(previous)
        path.rename(previous)
