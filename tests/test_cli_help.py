"""Help of every command, the version, shell completion, and that the README knows every command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import RunCli
from helpers_commands import commands, is_group, leaves

from edgedigits import __version__

README = Path(__file__).parent.parent / "README.md"
ALL = commands()
LEAVES = leaves()
PROGRAM = str(Path(sys.executable).with_name("edgedigits"))  # as installed, under its own name
PATH = f"{Path(PROGRAM).parent}:/usr/bin:/bin"


def names(found: dict[tuple[str, ...], Any]) -> Any:
    return [pytest.param(words, id=" ".join(words) or "edgedigits") for words in found]


@pytest.mark.parametrize("words", names(LEAVES))
def test_help_ends_with_an_example_that_parses(words: tuple[str, ...]) -> None:
    result = subprocess.run(
        [PROGRAM, *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": PATH, "COLUMNS": "80"},
    )
    assert (result.returncode, result.stderr) == (0, "")
    out = result.stdout
    assert out.startswith(f"Usage: edgedigits {' '.join(words)}")

    *text, example = (LEAVES[words].help or "").strip().splitlines()
    assert len(text[0]) > 20
    assert text[0].endswith((".", "file."))
    assert example.startswith(f"Example: edgedigits {' '.join(words)}")
    assert f"  {example}" in out.splitlines(), "the example is wrapped: shorten it"

    arguments = shlex.split(example.removeprefix("Example: edgedigits"))[len(words) :]
    context = LEAVES[words].make_context(" ".join(words), list(arguments))
    assert context.args == []


@pytest.mark.parametrize("words", names(ALL))
def test_every_option_and_argument_says_what_it_is(words: tuple[str, ...]) -> None:
    for parameter in ALL[words].params:
        assert len(parameter.help or "") > 5, parameter.name
        if parameter.param_type_name == "argument":
            assert parameter.metavar, parameter.name


@pytest.mark.parametrize("words", names({w: c for w, c in ALL.items() if is_group(c)}))
def test_a_group_alone_lists_its_commands(words: tuple[str, ...], run_cli: RunCli) -> None:
    _, out, err = run_cli(*words)
    for name in ALL[words].commands:
        assert re.search(rf"^  {name}\s", out + err, re.MULTILINE), name


def test_version(run_cli: RunCli) -> None:
    assert run_cli("--version") == (0, f"edgedigits {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["evalute", "x.tflite"], "evalute"),
        (["evaluate"], "FILE"),
        (["bench", "x.tflite", "--rouns", "3"], "--rouns"),
        (["train", "tiny-cnn", "--run", "x", "--epochs", "many"], "--epochs"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], named: str, run_cli: RunCli
) -> None:
    code, out, err = run_cli(*arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("edgedigits: ")
    assert named in line


def test_bash_completion_is_printed_and_completes(tmp_path: Path) -> None:
    script = subprocess.run(
        [PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": PATH, "_EDGEDIGITS_COMPLETE": "source_bash"},
    )
    assert script.returncode == 0
    assert re.search(r"^complete .*-F _edgedigits_completion edgedigits$", script.stdout, re.M)

    # The script itself, in the shell it is for.
    file = tmp_path / "completion.bash"
    file.write_text(script.stdout)
    words = {"ev": ["evaluate"], "in": ["inspect"], "data l": ["list", "look"]}
    for typed, expected in words.items():
        ask = (
            f"source {file}; COMP_WORDS=(edgedigits {typed}); COMP_CWORD={len(typed.split())}; "
            '_edgedigits_completion edgedigits; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        answer = subprocess.run(
            ["bash", "--norc", "-c", ask],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": PATH},
        )
        assert answer.stderr == ""
        assert sorted(answer.stdout.split()) == expected


def test_completion_is_installed_for_bash(tmp_path: Path) -> None:
    environment = {
        "PATH": PATH,
        "HOME": str(tmp_path),
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    result = subprocess.run(
        [PROGRAM, "--install-completion", "bash"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    installed = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any("_edgedigits_completion" in file.read_text() for file in installed)
    assert "edgedigits" in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize("words", names(LEAVES))
def test_the_readme_documents_every_command(words: tuple[str, ...]) -> None:
    rows = [line for line in README.read_text().splitlines() if line.startswith("| `edgedigits ")]
    command = re.escape(" ".join(words))
    (row,) = [line for line in rows if re.match(rf"\| `edgedigits {command}[` ]", line)]
    (metavars,) = re.findall(rf"`edgedigits {command}([^`]*)`", row)
    arguments = [p for p in LEAVES[words].params if p.param_type_name == "argument"]
    assert [name.removesuffix("...") for name in metavars.split()] == [
        argument.metavar for argument in arguments
    ]


def test_the_readme_names_no_command_that_does_not_exist() -> None:
    rows = re.findall(r"^\| `edgedigits ([^`]+)` \|", README.read_text(), re.MULTILINE)
    documented = {tuple(word for word in row.split() if word.islower()) for row in rows}
    assert documented == set(LEAVES)


def test_the_commands_in_the_readme_parse() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", README.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    calls = [
        shlex.split(line, comments=True)[1:] for line in lines if line.startswith("edgedigits ")
    ]
    assert len(calls) > 8
    for call in calls:
        words = next(words for words in LEAVES if tuple(call[: len(words)]) == words)
        context = LEAVES[words].make_context(" ".join(words), call[len(words) :])
        assert context.args == []
