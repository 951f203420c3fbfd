"""Where a search keeps its trials: a journal in the run folder, or a database for many workers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.errors import MissingPackageError, RunError, StorageError, UsageError
from edgedigits.files import writing

JOURNAL = "journal.log"
DIRECTIONS = ("minimize", "maximize")  # bytes, accuracy
CONNECT_SECONDS = 10
ATTEMPTS = 5  # to make the tables of a new database
SECONDS_OF_WAITING = 60  # before a trial whose worker gave no sign of life is taken over


@dataclass(frozen=True)
class Heartbeat:
    """Signs of life of a worker, in whole seconds: one each ``every``, lost after ``grace``."""

    every: int = 10
    grace: int = SECONDS_OF_WAITING


def load_optuna() -> Any:
    """Optuna, saying nothing by itself. Raises MissingPackageError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise MissingPackageError("shrinking", "train", "optuna") from None
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


@contextlib.contextmanager
def open_study(
    name: str, folder: Path, url: str | None, heartbeat: Heartbeat = Heartbeat()
) -> Iterator[Any]:
    """The study of that name, as an ``optuna.Study``; made where it is not there.

    Args:
        folder: where the journal lies.
        url: of a database, as SQLAlchemy takes it; None: the journal.
        heartbeat: of workers on a database.

    Raises:
        StorageError: the database cannot be reached or used, now or later.
        RunError: another process works with the journal, or it is damaged.
        UsageError: the address is none. MissingPackageError: its driver is not installed.
    """
    optuna = load_optuna()
    if url is None:
        with _journal(folder) as path:
            yield _study_in_journal(optuna, name, path)
        return
    with _saying_where(url):
        yield _study(optuna, name, _new_or_not(lambda: _database(optuna, url, heartbeat)))


def _study(optuna: Any, name: str, storage: Any) -> Any:
    return optuna.create_study(
        study_name=name, storage=storage, directions=DIRECTIONS, load_if_exists=True
    )


def _study_in_journal(optuna: Any, name: str, path: Path) -> Any:
    journal = optuna.storages.journal
    try:
        storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(path)))
        return _study(optuna, name, storage)
    except Exception as error:  # whatever a line that is none of its own leads it to
        raise RunError(
            f"{path}: cannot be read as a search's journal ({_one_line(error)}); move it away to "
            "begin anew"
        ) from error


@contextlib.contextmanager
def _journal(folder: Path) -> Iterator[Path]:
    """The journal, for this process alone: what it finds running has been left by another one."""
    path = folder / JOURNAL
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        handle = path.with_suffix(".lock").open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"{path}: another 'edgedigits shrink' works on this run; wait for it, or give "
                "both a --storage to share"
            ) from None
        with writing(path):
            path.with_name(path.name + ".lock").unlink(missing_ok=True)  # of a killed process
            _cut_unfinished_line(path)
        yield path


def _cut_unfinished_line(path: Path) -> None:
    """What a killed process began to write; the next line would be appended to it."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _new_or_not(connect: Callable[[], Any]) -> Any:
    """Connect; of workers that make the tables at the same moment all but one look again."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return connect()
        except (IntegrityError, ProgrammingError, OperationalError) as error:
            # SQLite and MySQL report a table that is there as they report a server that is not.
            other = isinstance(error, OperationalError) and "already exists" not in str(error)
            if other or attempt == ATTEMPTS:
                raise
            time.sleep(attempt * random.uniform(0.2, 1.0))
    return None


def _database(optuna: Any, url: str, heartbeat: Heartbeat) -> Any:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        address = make_url(url)
        if address.drivername in ("postgres", "postgresql"):
            address = address.set(drivername="postgresql+psycopg")
        options: dict[str, Any] = {"pool_pre_ping": True}
        if address.drivername == "postgresql+psycopg":
            options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
        return optuna.storages.RDBStorage(
            address.render_as_string(hide_password=False),
            engine_kwargs=options,
            heartbeat_interval=heartbeat.every,
            grace_period=heartbeat.grace,
        )
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise UsageError(
            "--storage: is no address of a database; write "
            "postgresql+psycopg://USER@HOST:PORT/DATABASE"
        ) from None
    except ImportError as error:
        module = getattr(error.__cause__ or error, "name", None) or "its driver"
        raise MissingPackageError("this --storage", "storage", str(module)) from None


@contextlib.contextmanager
def _saying_where(url: str) -> Iterator[None]:
    """Turn what goes wrong with a database into one line, without its password."""
    try:
        yield
    except Exception as error:
        if not _is_of_database(error):
            raise
        raise StorageError(
            f"--storage {shown(url)}: cannot be reached or used: {_reason(error, url)}"
        ) from None


def _is_of_database(error: BaseException) -> bool:
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, (SQLAlchemyError, StorageInternalError))


def shown(url: str) -> str:
    """An address as it may be shown: without its password."""
    from sqlalchemy.engine import make_url

    return str(make_url(url).set(query={}).render_as_string(hide_password=True))


def _reason(error: BaseException, url: str) -> str:
    from sqlalchemy.engine import make_url

    while error.__cause__ is not None or getattr(error, "orig", None) is not None:
        error = getattr(error, "orig", None) or error.__cause__  # type: ignore[assignment]
    text = _one_line(error)
    password = make_url(url).password
    return text.replace(str(password), "***") if password else text


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
