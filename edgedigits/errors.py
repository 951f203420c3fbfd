"""Every error that edgedigits raises on purpose.

::

    EdgedigitsError                 exit code 1
    ├── UsageError                  exit code 2: a name or option that does not exist or fit
    ├── MissingPackageError         the job needs an extra that is not installed
    ├── DataError                   a data set that cannot be read or does not fit
    │   └── DownloadError           a data set that could not be fetched, or has a wrong checksum
    ├── RunError                    a run folder that is missing something, or cannot be written
    ├── TrainingError               training or pruning cannot start or did not work
    ├── ModelFileError              a .keras or .tflite file that cannot be used
    ├── BundleError                 a bundle that is damaged, not signed as asked, or fails here
    ├── SourceError                 a camera, video or stream that gives no pictures
    ├── DeviceError                 a device that cannot be reached, or on which a step failed
    ├── StorageError                a database of a search that cannot be reached or used
    ├── ConversionError             a conversion failed, or made something other than what was asked
    └── QualityError                a variant lost more accuracy than was allowed

A message is one line: it names the file or option, says what was found, and what to do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class EdgedigitsError(Exception):
    """Base of all errors raised on purpose; the command line prints its text and exits with 1."""

    exit_code = 1


class UsageError(EdgedigitsError):
    """A name, option or path that does not exist or does not fit; exit code 2."""

    exit_code = 2


class MissingPackageError(EdgedigitsError):
    """A package of an extra is not installed.

    Args:
        job: what was asked for, for example ``"training"``.
        extra: the extra that brings the package, for example ``"train"``.
        package: the package that could not be imported.
    """

    def __init__(self, job: str, extra: str, package: str) -> None:
        super().__init__(
            f"{job} needs {package}, which is not installed: pip install 'edgedigits[{extra}]'"
        )


class DataError(EdgedigitsError):
    """A data set that cannot be read, or does not fit what it is used for."""


class DownloadError(DataError):
    """A data set that could not be fetched, or whose checksum is wrong."""


class RunError(EdgedigitsError):
    """A run folder that lacks a file, holds a damaged one, or cannot be written."""


class TrainingError(EdgedigitsError):
    """Training or pruning cannot be done as asked."""


class ModelFileError(EdgedigitsError):
    """A ``.keras`` or ``.tflite`` file that cannot be used."""


class BundleError(EdgedigitsError):
    """A bundle that is damaged or not signed as asked, or that this machine computes otherwise."""


class SourceError(EdgedigitsError):
    """A camera, video or stream that cannot be opened or read."""


class DeviceError(EdgedigitsError):
    """A device that cannot be reached, or on which a step failed; it runs what it ran before."""


class StorageError(EdgedigitsError):
    """A database of a search that cannot be reached or used."""


class ConversionError(EdgedigitsError):
    """A conversion failed, or its result is not what was asked for."""


class QualityError(EdgedigitsError):
    """A variant lost more accuracy than allowed."""


@contextlib.contextmanager
def called(temporary: object, name: object) -> Iterator[None]:
    """Errors about a temporary file speak of what the user knows it by.

    Args:
        temporary: the path that a message may hold. name: what stands there instead.
    """
    try:
        yield
    except EdgedigitsError as error:
        text = str(error)
        if str(temporary) not in text:
            raise
        raise type(error)(text.replace(str(temporary), str(name))) from error
