"""Standard streams that lack characters, are closed, or that nobody reads any more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunCli

PROGRAM = f"{sys.executable} -m edgedigits.cli.main"
ASCII = {"PYTHONIOENCODING": "ascii"}
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(command: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("edgedigits", PROGRAM)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("env", [ASCII, C_LOCALE], ids=["ascii", "C"])
def test_characters_that_the_encoding_lacks(env: dict[str, str], run_cli: RunCli) -> None:
    code, _, error = run_cli("camera", "--source", "none.avi", env=env)
    assert code == 2
    assert error.startswith("edgedigits: source none.avi: there is no such file; ")
    assert "http://\\u2026" in error
    code, out, error = run_cli("inspect", "mnist-8k", env=env)
    assert code == 0, error
    assert "\\u" in out


def test_a_document_stays_one(tmp_path: Path, run_cli: RunCli) -> None:
    code, _, error = run_cli(
        "export", "--from-zoo", "mnist-8k", "--out", "größe📖.tflite", cwd=tmp_path
    )
    assert code == 0, error
    arguments = ("inspect", "größe📖.tflite", "--json")
    whole, escaped = (run_cli(*arguments, cwd=tmp_path, env=env) for env in ({}, ASCII))
    assert (escaped[0], whole[0]) == (0, 0), escaped[2]
    assert "\\u00f6" in escaped[1]
    assert json.loads(escaped[1]) == json.loads(whole[1])


@pytest.mark.parametrize("command", ["models", "models --json", "--version"])
def test_a_closed_output_is_no_failure(command: str) -> None:
    assert shell(f"edgedigits {command} >&-") == (0, "", "")


def test_without_any_stream_there_is_still_a_code() -> None:
    assert shell("edgedigits models --nothing >&- 2>&- <&-") == (2, "", "")
    assert shell("edgedigits >&- 2>&- <&-") == (2, "", "")


@pytest.mark.parametrize("command", ["models", "models --json"])
def test_a_reader_that_has_left_is_no_failure(command: str) -> None:
    assert shell(f"edgedigits {command} | true") == (0, "", "")
