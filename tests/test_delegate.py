"""Delegates: real libraries compiled for the test that work, refuse, crash, hang or are missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgedigits.device.classifier import Classifier
from edgedigits.device.delegate import why_not
from edgedigits.zoo import reader_file

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler (cc) on this machine")

# The structure is TfLiteDelegate of tensorflow/lite/core/c/common.h.
SOURCE = """
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
typedef struct Delegate {
  void* data;
  int (*prepare)(void*, struct Delegate*);
  void *from_buffer, *to_buffer, *free_buffer;
  int64_t flags;
  void* opaque;
} Delegate;
static int prepare(void* context, Delegate* delegate) { return 0; }
static Delegate delegate = {0, prepare, 0, 0, 0, 0, 0};
Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t n,
                                        void (*report)(const char*)) { BODY }
void tflite_plugin_destroy_delegate(Delegate* delegate) {}
"""


def library(folder: Path, body: str) -> str:
    source = folder / "delegate.c"
    source.write_text(SOURCE.replace("BODY", body))
    target = folder / "libdelegate.so"
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
    return str(target)


def test_a_delegate_that_works_is_used(tmp_path: Path) -> None:
    made = library(tmp_path, "return &delegate;")
    assert why_not(made, reader_file()) is None
    said: list[str] = []
    with_it = Classifier(reader_file(), delegate=made, say=said.append)
    assert said == []
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    # It takes no part of the graph over, so that the answers are the processor's.
    np.testing.assert_array_equal(with_it.scores(images), Classifier(reader_file()).scores(images))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('report("no device"); return 0;', "found no device it can use"),
        ("abort();", "it crashed (SIGABRT)"),
        ("sleep(600); return 0;", "it did not answer within 3 s"),
    ],
)
def test_a_delegate_that_fails_is_loud_and_the_processor_is_used(
    body: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgedigits.device import delegate

    monkeypatch.setattr(delegate.why_not, "__kwdefaults__", {"time_limit": 3.0})
    made = library(tmp_path, body)
    said: list[str] = []
    classifier = Classifier(reader_file(), delegate=made, say=said.append)
    (line,) = said
    assert line.startswith(f"WARNING: delegate {made}: ")
    assert expected in line
    assert line.endswith("The processor is used instead.")
    assert classifier.scores(np.zeros((1, 28, 28), np.uint8)).shape == (1, 12)


def test_a_missing_library_is_named() -> None:
    reason = why_not("libnowhere.so.1", reader_file())
    assert reason is not None
    assert reason.startswith("the library cannot be loaded (libnowhere.so.1")
