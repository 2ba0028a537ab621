"""Paths that try to leave where they belong, in every name and path that any command takes: generated from the tree of commands.

Each ends in one clear error or is a legitimate use (``hdfs cp`` may name any local file of the user); nothing else is touched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from azdata_like_cli.main import main
from azdata_like_cli.tree import root
from controller.substrates.local.layout import ClusterHome
from tests.cluster.life import connect, home_of, until, workloads
from tests.interrupts import heeded
from tests.services.cluster import Stage
from tests.watching import outside, touched

pytestmark = pytest.mark.service
CANARY = "canary-of-another-folder"
HOSTILE = ("../../outside/canary", "/etc/passwd", "a/../../b", "%2e%2e%2foutside", "..\\..\\outside", "a\0b", "x" * 5000, "..")
FEW = HOSTILE[:2]
"""For options that every command shares, and for programs that take a while to start."""

COSTLY = {"config", "create", "debug", "backup", "restore"}
"""Commands that take a while where a path is legitimate: two hostile values are enough."""

NO_NAMES = {"query", "accept_eula", "text", "old_text", "data", "permission", "old_permission"}
"""Parameters that name nothing: expressions, SQL, content, modes."""

SHARED = {"context", "login_database", "login_user"}
SHARING = {"status", "logs", "user list", "sql query", "table list", "source describe", "data list", "hdfs ls", "spark jobs"}
"""Commands with which what all of them share is tried: the same code takes it for every command."""

LOCAL_FILES = {
    ("create", "spec"), ("create", "profile"), ("create", "values"),
    ("plan", "file"), ("apply", "file"), ("debug copy-logs", "target_folder"), ("backup", "file"), ("restore", "file"),
    ("config init", "file"), ("config init", "path"), ("config init", "source"),
    ("config show", "file"), ("config show", "old_file"),
    ("config set", "path"), ("config set", "words"), ("config validate", "file"), ("config validate", "old_file"),
    ("sql query", "file"), ("sql explain", "file"),
    ("data import", "place"), ("spark submit", "file"), ("spark submit", "jars"), ("spark submit", "py_files"),
    ("hdfs cp", "paths"), ("hdfs cp", "from_path"), ("hdfs cp", "to_path"),
}  # fmt: skip
"""(command, parameter): files of the user's own, wherever they lie."""

FILLED = {
    "workload": "master-0", "cluster": "nowhere", "name": "paths-nobody", "identifier": "1", "remote_schema": "public",
    "local_schema": "public", "source": "hdfs", "location": "/nowhere.csv", "path": "/nowhere", "target": "/nowhere-else",
    "permission": "755", "place": "/nowhere.csv", "file": "spec.yaml", "field": "spec", "text": "SELECT 1", "role": "admin",
    "shards": "2", "version": "v1", "percent": "10",
}  # fmt: skip
"""What stands in the other arguments: names of nothing, so that no command does anything by itself."""

WORDS = {
    "hdfs cp": (["{}", "hdfs:/nowhere/x"], ["hdfs:/nowhere", "{}"]),
    "hdfs chown": (["{}", "/nowhere"], ["admin", "{}"]),
    "config set": (["{}", "spec.pools.compute.replicas", "2"], ["spec.yaml", "{}", "2"]),
}
"""Arguments of several words: each place in turn."""

EXTRA = {"hdfs cp": ("--from-path=hdfs:/nowhere", "--to-path=there"), "source create": ("--location=hdfs://127.0.0.1:1",)}
MORE = ("--yes", "--password-stdin")


def leaves(command: click.Command, context: click.Context, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, context, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(leaves(root(), click.Context(root())))


def names_something(parameter: click.Parameter) -> bool:
    kind = not isinstance(parameter.type, (click.Choice, click.IntRange, click.FloatRange)) and parameter.type not in (
        click.INT,
        click.FLOAT,
    )
    return kind and not getattr(parameter, "is_flag", False) and parameter.name not in NO_NAMES


def filling(command: str, other: click.Parameter) -> str:
    if isinstance(other.type, click.Choice):
        return str(other.type.choices[0])
    if isinstance(other.type, click.IntRange):
        return "1"
    return "{taken}" if command == "create" else FILLED.get(str(other.name), "nowhere")


def lines_of(name: str, command: click.Command, parameter: click.Parameter) -> Iterator[list[str]]:
    """Command lines with ``{}`` where the hostile value goes."""
    flags = [option for one in command.params for option in one.opts if option in MORE]
    others = [one for one in command.params if isinstance(one, click.Option) and one.required and one is not parameter]
    filled = [f"{one.opts[0]}={FILLED[str(one.name)]}" for one in others]
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    if isinstance(parameter, click.Argument):
        if parameter.nargs == -1:
            for words in WORDS.get(name, [["nowhere", "{}"]]):
                yield [*name.split(), *flags, *filled, "--", *words]
            return
        filled += [word for word in EXTRA.get(name, ()) if not any(one in word for one in ("--from", "--to"))]
        words = ["{}" if one is parameter else filling(name, one) for one in arguments]
        yield [*name.split(), *flags, *filled, "--", *words]
        return
    option = next((one for one in parameter.opts if one.startswith("--")), parameter.opts[0])
    filled += [word for word in EXTRA.get(name, ()) if not word.startswith(option)]
    stands_for = str(parameter.name).removeprefix("old_") if str(parameter.name).startswith("old_") else None
    words = [] if name == "hdfs cp" else [filling(name, one) for one in arguments if one.nargs == 1 and one.name != stands_for]
    yield [*name.split(), *flags, *filled, f"{option}={{}}", "--", *words]


@pytest.fixture
def place(cluster: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands run; ``../../outside`` is what they must leave alone."""
    inner = tmp_path / "deep" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary").write_text(CANARY)
    (inner / "spec.yaml").write_text(home_of(cluster).spec.read_text())
    monkeypatch.chdir(inner)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BDC_NEW_PASSWORD", "Some-password-1")
    monkeypatch.setenv("BDC_NO_LOGIN", "1")
    return tmp_path


def tree(*folders: Path) -> set[str]:
    """Names of what is there."""
    return {str(entry) for folder in folders for entry in folder.iterdir()}


def values_for(name: str, parameter: click.Parameter, place: Path) -> tuple[str, ...]:
    if parameter.name in SHARED:
        return FEW
    if not parameter.expose_value:
        return FEW[:1]  # an option of former times, which nothing hears
    if (name, parameter.name) in LOCAL_FILES:  # may be read, or be written to: none of the machine's own
        own = tuple(value for value in HOSTILE if value != "/etc/passwd")
        few = own[:1] if name == "backup" else own[:2]  # the second one is a good place: tests/cluster/test_life.py backs up to it
        return (*(few if name.split()[0] in COSTLY else own), str(place / "outside" / "canary"))
    return FEW if name.startswith("config") else HOSTILE


@pytest.mark.parametrize("name", COMMANDS)
def test_no_argument_leaves_its_place(cluster: Stage, place: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    home, command = home_of(cluster), COMMANDS[name]
    before = tree(place / "outside", home.path, home.path.parent, cluster.folder)
    wrong = []
    for parameter in filter(names_something, command.params):
        if parameter.name in SHARED and name not in SHARING:
            continue
        legitimate = (name, parameter.name) in LOCAL_FILES
        for line in lines_of(name, command, parameter):
            for value in values_for(name, parameter, place):
                words = [word.replace("{}", value).replace("{taken}", cluster.cluster) for word in line]
                with touched() as paths:
                    code = heeded(main(words))
                out, err = capfd.readouterr()
                problem = judged(
                    code, out, err, outside(paths, place / "deep", cluster.folder, Path(os.environ["BDC_ARTIFACTS"])), legitimate
                )
                wrong += [f"{parameter.name}={value[:40]!r}: {problem}\n{words}\n{out[-300:]}{err[-600:]}"] if problem else []
    assert not wrong, "\n\n".join(wrong)
    assert (place / "outside" / "canary").read_text() == CANARY
    left = tree(place / "outside", home.path, home.path.parent, cluster.folder) - before
    assert left <= {str(place / "outside" / "bdc.yaml")}, left


def judged(code: int, out: str, err: str, paths: set[str], legitimate: bool) -> str | None:
    """What is wrong with an outcome; None when nothing is."""
    if "Traceback" in err or "internal error" in err or code == 5:
        return f"no clear error: {code}"
    if code not in (0, 1, 2, 3, 4):
        return f"exit code {code}"
    if code != 0 and err.count("error:") != 1 and not legitimate and (code, out) != (1, "false\n"):  # what hdfs exists says
        return f"{err.count('error:')} errors"
    if "root:" in out + err or (CANARY in out + err and not legitimate):
        return "shows a file"
    if paths and not legitimate:
        return f"touched {sorted(paths)}"
    return None


def well(home: ClusterHome) -> bool:
    """Every service is ready, no job runs; jobs of programs that are none have failed."""
    states = {name: entry["state"] for name, entry in workloads(home).items()}
    services = {state for name, state in states.items() if not name.startswith("spark-job-")}
    return bool(services) and services <= {"ready", "done"} and set(states.values()) <= {"ready", "done", "failed"}


@pytest.fixture(scope="module", autouse=True)
def cluster_is_well_afterwards(cluster: Stage) -> Iterator[None]:
    yield
    what = "all is well, and jobs of Spark with strange names have ended (where Spark is installed, each is a JVM)"
    until(lambda: well(home_of(cluster)), what, 300)
    with connect(cluster) as master:
        names = [str(name) for (name,) in master.execute("SELECT name FROM bdc.data_sources").fetchall()]
        for name in set(names) & set(HOSTILE):  # SQL names may hold anything
            master.execute("CALL bdc.drop_data_source(%s)", [name])
    with contextlib.suppress(RuntimeError):  # /etc/passwd is a good path of HDFS
        cluster.bdc("hdfs", "rm", "-r", "hdfs:/etc", output=None)
