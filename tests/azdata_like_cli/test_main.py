"""Exit codes, messages, shared options, and that everything has help."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import click
import pytest

from azdata_like_cli import exits, reference
from azdata_like_cli.command import BdcCommand
from azdata_like_cli.tree import COMMANDS
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController
from tests.patience import PATIENCE

LEAVES = list(reference.commands())


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=[" ".join(words) for words, _ in LEAVES])
def test_every_command_has_help_and_an_example(words: tuple[str, ...], command: click.Command, bdc: Run) -> None:
    assert isinstance(command, BdcCommand)
    assert command.help and command.help.rstrip().endswith(".")
    assert command.examples
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, option.name
    outcome = bdc(*words[1:], "--help")
    assert outcome.code == 0
    assert command.examples[0] in outcome.out


def test_the_reference_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.render(), "run: python -m azdata_like_cli.reference"


def test_short_help_of_the_table_fits_the_commands(bdc: Run) -> None:
    out = bdc("--help").out
    for name in COMMANDS:
        assert f"  {name}" in out


HEAVY = ["rich", "httpx", "psycopg", "yaml", "jmespath", "cryptography", "asyncio"]


def heavy_modules(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a fresh Python and writes which of the heavy modules it imported to standard error."""
    script = (
        f"import sys; from azdata_like_cli.main import main; main({list(words)}); sys.stderr.write(str(set(sys.modules) & set(sys.argv)))"
    )
    return subprocess.run([sys.executable, "-c", script, *HEAVY, "ssl"], capture_output=True, text=True, check=True)


def test_help_imports_no_more_than_it_needs() -> None:
    assert heavy_modules("--help").stderr == "set()"


def test_status_imports_no_more_than_it_needs(logged_in: StandinController) -> None:
    done = heavy_modules("status")
    assert "Cluster: demo" in done.stdout
    assert done.stderr == "{'ssl'}"  # http.client brings it


@pytest.mark.parametrize(
    "words",
    [
        ("nope",),
        ("status", "--nope"),
        ("sql", "query"),
        ("sql",),
        ("hdfs", "cp", "a"),
        ("status", "-o", "xml"),
        ("hdfs", "cp", "a", "b"),
        ("delete",),
    ],
    ids=" ".join,
)
def test_usage_errors(bdc: Run, words: tuple[str, ...]) -> None:
    outcome = bdc(*words)
    assert (outcome.code, outcome.out) == (exits.USAGE, "")
    assert outcome.err


def test_a_defect_is_told_without_a_traceback(bdc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("azdata_like_cli.groups.lifecycle.machine.clusters", broken)
    outcome = bdc("list")
    assert outcome.code == exits.INTERNAL
    assert "ZeroDivisionError" in outcome.err
    assert "Traceback" not in outcome.err
    assert "Traceback" in bdc("list", "--debug").err


def test_ctrl_c_is_130(bdc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("azdata_like_cli.groups.lifecycle.machine.clusters", interrupted)
    outcome = bdc("list")
    assert outcome.code == exits.INTERRUPTED
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, exits.INTERRUPTED), (signal.SIGTERM, exits.TERMINATED)])
def test_signals_end_a_running_command(logged_in: StandinController, number: int, code: int) -> None:
    command = [sys.executable, "-m", "azdata_like_cli", "logs", "control", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline() == "first\n"
        running.send_signal(number)
        assert running.wait(PATIENCE) == code
        assert running.stderr.read().strip() == ""


def test_a_closed_pipe_is_silent(logged_in: StandinController) -> None:
    logged_in.log = ["line"] * 100_000
    command = f"{sys.executable} -W error -m azdata_like_cli logs control --lines 100000 | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["line", str(exits.BROKEN_PIPE)]
    assert done.stderr == ""


def test_closed_standard_input(logged_in: StandinController) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m azdata_like_cli user remove alice <&-"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == exits.USER_ERROR
    assert "Traceback" not in done.stderr
    assert "--yes" in done.stderr


def test_shared_options_work_before_and_after_the_command(bdc: Run, logged_in: StandinController) -> None:
    assert bdc("-o", "json", "status").json["name"] == "demo"
    assert bdc("status", "-o", "json").json["name"] == "demo"
    assert bdc("-o", "json", "status", "-q", "services[].name").json == ["sql", "hdfs"]
    assert bdc("status", "-o", "tsv", "-q", "state").out == "ready\n"


def test_a_wrong_jmespath_is_the_users_error(bdc: Run, logged_in: StandinController) -> None:
    outcome = bdc("status", "-q", "a[")
    assert outcome.code == exits.USER_ERROR
    assert "JMESPath" in outcome.err


def test_exit_codes_are_listed() -> None:
    numbers = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert numbers == set(exits.MEANINGS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(bdc: Run, shell: str) -> None:
    outcome = bdc("completion", shell)
    assert outcome.code == 0
    assert "_BDC_COMPLETE" in outcome.out


def test_completion_completes(process: Run) -> None:
    outcome = process(_BDC_COMPLETE="bash_complete", COMP_WORDS="bdc hdfs c", COMP_CWORD="2")
    assert {"plain,cat", "plain,cp", "plain,chmod"} <= set(outcome.out.split())


def test_version(bdc: Run) -> None:
    assert set(bdc("version", "-o", "json").json) == {"client", "cluster", "python"}


def test_an_unknown_command_names_what_is_like_it(bdc: Run) -> None:
    outcome = bdc("statsu")
    assert (outcome.code, outcome.out) == (2, "")
    assert "Did you mean" in outcome.err
    assert "'status'" in outcome.err


def test_a_wrong_option_points_to_its_command(bdc: Run) -> None:
    outcome = bdc("endpoint", "list", "-e")
    assert outcome.code == 2
    assert "bdc endpoint list --help" in outcome.err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_closed_streams_are_no_defect(closed: str) -> None:
    command = f"{sys.executable} -W error -m azdata_like_cli {{}} {closed}"
    assert subprocess.run(["sh", "-c", command.format("version")], capture_output=True, timeout=60, check=False).returncode == 0
    assert subprocess.run(["sh", "-c", command.format("nope")], capture_output=True, timeout=60, check=False).returncode == 2


def test_closed_standard_input_is_told(tmp_path: pathlib.Path) -> None:
    command = f"BDC_CONFIG={tmp_path} {sys.executable} -m azdata_like_cli config validate - <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "standard input is closed" in done.stderr
