"""The documents are true: commands, options, links, procedures and fields that they name exist, and the README's tour runs."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from azdata_like_cli.spellings import modern
from azdata_like_cli.tree import root
from controller.spec.schema import structural_schema
from tests.services.cluster import Stage
from tests.services.postgresql import PostgresqlServer

ROOT = pathlib.Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
GUIDE = [page for page in PAGES if "reference" not in page.parts and "decisions" not in page.parts]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`(bdc [^`]+)`(?!`)")
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SHELL = ("sh", "console")
SEPARATORS = ("|", "||", "&&", ";", ">", "<", ">>", "2>&1", "&")
TOUR = re.compile(r"<!-- tour -->(.*?)<!-- /tour -->", re.DOTALL)


def names(pages: list[pathlib.Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def blocks(text: str, *languages: str) -> Iterator[str]:
    """The contents of fenced blocks."""
    yield from (found[2] for found in FENCE.finditer(text) if found[1] in languages)


def typed(block: str) -> Iterator[tuple[str, list[str]]]:
    """A console block's commands (after ``$ ``, going on after a backslash), each with the lines shown as its output."""
    command: str | None = None
    shown: list[str] = []
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            if command is not None:
                yield command, shown
            command, shown = line[2:], []
            while command.endswith("\\"):
                command = command[:-1] + next(lines).strip()
        else:
            shown.append(line)
    if command is not None:
        yield command, shown


def command_lines(text: str) -> Iterator[str]:
    """Everything in a page that a reader would type and that begins with ``bdc``."""
    for block in blocks(text, "console"):
        yield from (command for command, _ in typed(block))
    for block in blocks(text, "sh"):
        yield from block.replace("\\\n", " ").splitlines()
    yield from (found[1] for found in INLINE.finditer(FENCE.sub("", text)))


def calls(line: str) -> Iterator[list[str]]:
    """The words of each call of ``bdc`` in a line of shell, its redirections and neighbours cut off."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    current: list[str] | None = None
    for word in lexer:
        if current is None and word == "bdc":
            current = []
        elif word in SEPARATORS:
            if current is not None:
                yield current
            current = None
        elif current is not None:
            current.append(word)
    if current is not None:
        yield current


def problem(words: list[str]) -> str | None:
    """Why click would not know this command line; None: it does. Values are not checked, and a group alone is fine."""
    command: click.Command = root()
    context = click.Context(command, info_name="bdc")
    rest = modern(words)
    while rest and isinstance(command, click.Group) and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name in ("…", "..."):
            return None
        found = command.get_command(context, name)
        if found is None:
            return f"no command {name!r} in {command.name!r}"
        command = found
        context = click.Context(command, info_name=name, parent=context)
    options = {option for parameter in command.get_params(context) for option in (*parameter.opts, *parameter.secondary_opts)}
    wrong = [word for word in rest if re.match(r"--?[a-zA-Z]", word) and not _known(word.partition("=")[0], options)]
    return f"{command.name!r} has no option {', '.join(wrong)}" if wrong else None


def _known(word: str, options: set[str]) -> bool:
    return word in options or (not word.startswith("--") and word[:2] in options)


@pytest.mark.parametrize("page", names(PAGES))
def test_each_command_line_exists(page: str) -> None:
    wrong = [
        f"bdc {shlex.join(words)}: {found}"
        for line in command_lines((ROOT / page).read_text())
        for words in calls(line)
        if (found := problem(words)) is not None
    ]
    assert wrong == []


def test_a_wrong_command_line_would_be_found() -> None:
    assert problem(["source", "make", "x"]) == "no command 'make' in 'source'"
    assert problem(["bdc", "status", "show", "--al"]) == "'status' has no option --al"
    assert list(calls("A=1 bdc hdfs ls / | head; echo bdc status > x")) == [["hdfs", "ls", "/"], ["status"]]


def anchors(page: pathlib.Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", names(PAGES))
def test_each_link_leads_somewhere(page: str) -> None:
    source = ROOT / page
    for target in LINK.findall(CODE.sub("", FENCE.sub("", source.read_text()))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (source.parent / path).resolve() if path else source
        assert file.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(file), f"{page}: {target}"


@pytest.mark.parametrize("page", names(GUIDE))
def test_each_procedure_and_view_exists(page: str) -> None:
    """Whatever SQL in the pages says about schema ``bdc``."""
    extension = "\n".join(path.read_text() for path in (ROOT / "pools/master/extension").glob("*/*.sql"))
    known = set(re.findall(r"CREATE (?:FUNCTION|PROCEDURE|TABLE|VIEW|FOREIGN TABLE) bdc\.(\w+)", extension))
    assert {"create_virtual_table", "data_sources", "compute_request"} <= known
    text = (ROOT / page).read_text()
    statements = "\n".join([*blocks(text, "sql"), *blocks(text, "console"), *blocks(text, "sh")])
    named = set(re.findall(r"(?:CALL|FROM|INTO|SELECT|UPDATE) bdc\.(\w+)", statements + text))
    assert named <= known, sorted(named - known)


@pytest.mark.parametrize("page", names(GUIDE))
def test_each_field_of_the_spec_exists(page: str) -> None:
    def paths(node: dict[str, object], above: str) -> Iterator[str]:
        below = node.get("properties", {})
        assert isinstance(below, dict)
        for name, child in below.items():
            yield above + name
            yield from paths(child, f"{above}{name}.")

    known = set(paths(structural_schema(), ""))
    named = set(re.findall(r"`(spec\.(?!json|yaml)[A-Za-z.]*[A-Za-z])", (ROOT / page).read_text()))
    assert named <= known, sorted(named - known)


def test_each_decision_and_each_page_of_the_guide_is_in_its_index() -> None:
    for folder, index in (("decisions", "README.md"), ("guide", "index.md"), ("reference", "README.md")):
        text = (ROOT / "docs" / folder / index).read_text()
        pages = [page.name for page in (ROOT / "docs" / folder).glob("*.md") if page.name != index]
        assert [name for name in pages if f"]({name})" not in text] == [], folder


def test_no_page_names_a_place_of_one_machine() -> None:
    for page in GUIDE:
        found = re.search(r"/tmp/t\b|Some-pass", page.read_text())  # home folders: tests/test_repository.py, for every file
        assert found is None, f"{page}: {found}"


def test_what_the_install_page_names_brings_everything() -> None:
    """``pip install 'openbdc[local]'`` is all that a machine needs for `bdc create`."""
    wanted = importlib.metadata.metadata("openbdc").get_all("Requires-Dist") or []
    project = (ROOT / "distributions/client/pyproject.toml").read_text()
    assert 'local = ["openbdc-cluster[embedded]"]' in project
    assert any("openbdc-cluster" in line for line in wanted)


@pytest.fixture(scope="module")
def tour(cluster: Stage) -> Iterator[tuple[Stage, dict[str, str]]]:
    """The shell's environment of the tour: a database of its own; the demo's legacy system is stopped at the end."""
    with cluster.sql() as master:
        master.execute("CREATE DATABASE tour")
    # the spec's own databases have it from the start
    cluster.bdc("source", "create", "hdfs", "--connector", "hdfs", "-d", "tour", output=None)
    cluster.bdc("source", "create", "data_pool", "--connector", "datapool", "-d", "tour", output=None)
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**cluster.environment, "PATH": path, "PGDATABASE": "tour"}
    environment.pop("BDC_PASSWORD")  # as a reader who has logged in
    yield cluster, environment
    subprocess.run([sys.executable, str(ROOT / "examples/demo/legacy.py"), "stop"], env=environment, check=True)


def plain(line: str, stage: Stage) -> str:
    """Without what differs from run to run: name, ports, times, widths of columns."""
    line = line.replace(stage.cluster, "demo")
    line = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", line)
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d[.\d]*)?", "TIME", line)
    return " ".join(re.sub(r"-{3,}", "---", line).split())


@pytest.mark.timeout(600)  # where it is the first to ask for the cluster, that is made within its time
def test_the_tour_of_the_readme_runs(tour: tuple[Stage, dict[str, str]]) -> None:
    stage, environment = tour
    found = TOUR.search((ROOT / "README.md").read_text())
    assert found is not None
    steps = [step for block in blocks(found[1], "console") for step in typed(block)]
    script = "set -eu\n" + "".join(f"echo '@@ {number}'\n{command}\n" for number, (command, _) in enumerate(steps))
    shell = ["bash", "-c", "exec 2>&1\n" + script]
    done = subprocess.run(shell, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:]
    printed = re.split(r"^@@ \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(printed) == len(steps)
    for (command, shown), output in zip(steps, printed, strict=True):
        lines = {plain(line, stage) for line in output.splitlines()}
        for line in shown:
            if line.strip() not in ("", "…"):
                assert plain(line, stage) in lines, f"$ {command}\n{output}"


def test_the_example_of_the_library_page_runs(postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE library_page")
    with postgresql.connect("library_page") as shop:
        shop.execute("CREATE TABLE sales (neighbourhood_id integer, sold_on date, price numeric(12,2))")
        shop.execute("INSERT INTO sales SELECT 1 + i % 3, date '2025-11-30' + i % 2, i FROM generate_series(1, 90) AS i WHERE i % 3 < 2")
    place = f"postgresql://127.0.0.1:{postgresql.port}/library_page"
    given = {"SHOP_URL": place, "SHOP_USER": postgresql.user, "SHOP_PASSWORD": postgresql.password}
    code = next(blocks((ROOT / "docs/guide/virtualization.md").read_text(), "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    rows, _, plan = done.stdout.partition("\n")
    assert sorted(row["neighbourhood_id"] for row in ast.literal_eval(rows)) == [1, 2]
    assert plan.startswith("Whole query at one source  (actual rows=2 bytes=")
