"""``spec.yaml``: the original's as it is, the new fields, and every problem at once with its line."""

from __future__ import annotations

import pathlib
import re

import pytest

from apps.errors import PackageError, SpecError
from apps.reading import load, read
from apps.spec import Resources
from tests.apps.folders import SPEC, app, python


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(SpecError) as caught:
        read(text)
    return [(problem.line, problem.field) for problem in caught.value.problems]


def test_the_originals_sample_is_read_as_it_is() -> None:
    spec = read(SPEC)
    assert (spec.name, spec.version, spec.runtime, spec.src, spec.entrypoint) == ("add", "v1", "python", "add.py", "add")
    assert (dict(spec.inputs), dict(spec.outputs), spec.workers) == ({"x": "int", "y": "int"}, {"result": "int"}, 1)


def test_the_new_fields() -> None:
    spec = read(SPEC + "env: {MODE: fast}\nresources: {memory: 1G, threads: 2}\nrequirements: [numpy>=2]\ntimeout: 2.5\noptions: {}\n")
    assert (spec.traffic, spec.prediction_log) == (0, False)
    asked = read(SPEC + "traffic: 10\noptions: {prediction_log: true}\n")
    assert (asked.traffic, asked.prediction_log) == (10, True)
    assert (dict(spec.env), spec.resources, spec.requirements, spec.timeout) == ({"MODE": "fast"}, Resources(1024, 2), ("numpy>=2",), 2.5)


def test_every_problem_is_told_at_once_with_its_line() -> None:
    text = "name: Add\nversion: 1.0\nruntime: R\nsrc: ../add.py\npoolsize: 0\ninputs:\n  x: number\noutput: {}\nfoo: 1\n"
    assert problems(text) == [(1, "name"), (2, "version"), (3, "runtime"), (4, "src"), (5, "poolsize"), (7, "inputs"), (9, "foo")]


def test_a_type_is_one_word() -> None:
    assert problems("name: a\nversion: v1\nruntime: onnx\nsrc: a.onnx\ninputs: {x: {y: float}}\noutput: {z: [float]}\n") == [
        (5, "inputs"),
        (6, "output"),
    ]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("schedule: '*/1 * * *'", "schedule"),
        ("schedule: {cron: '0 0 * * *', timezone: Mars}", "schedule"),
        ("secrets: [password]", "secrets"),
        ("traffic: 101", "traffic"),
        ("traffic: true", "traffic"),
        ("traffic: 10 %", "traffic"),
        ("options: {prediction_log: 1}", "options"),
        ("options: {prediction_log: true, a: b}", "options"),
        ("options: {a: b}", "options"),
        ("bundleFileName: x.zip", "bundleFileName"),
        ("resources: {cpu: 2}", "resources"),
    ],
)
def test_what_can_not_act_is_refused(more: str, field: str) -> None:
    assert problems(f"{SPEC}{more}\n") == [(13, field)]


@pytest.mark.parametrize("runtime", ["R", "SSIS", "Mleap", "kms-plugin-python", "cobol"])
def test_runtimes_that_are_not_here(runtime: str) -> None:
    assert problems(SPEC.replace("Python", runtime)) == [(3, "runtime")]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "a: [", "a: &x {b: 1}\nc: *x", "x" * 70_000, "\t: 1", "name: \x00", "- a\n- b", "{" * 3000,
        "? [a]\n: b", "!!python/object:os.x {}",
    ],
)  # fmt: skip
def test_what_is_no_spec_is_one_clear_error(text: str) -> None:
    assert problems(text)


def test_a_field_that_comes_twice_names_both_lines() -> None:
    with pytest.raises(SpecError, match=r"spec\.yaml:13: name: is given twice, first in line 1"):
        read(SPEC + "name: other\n")


@pytest.mark.parametrize("requirement", ["--index-url=x", "-e .", "x @ file:///etc", "../x", "git+https://x", "a b"])
def test_a_requirement_stays_within_the_index(tmp_path: pathlib.Path, requirement: str) -> None:
    folder = app(tmp_path / "a", requirements_txt=f"# ours\nnumpy>=2\n{requirement}\n")
    with pytest.raises(SpecError, match=r"requirements.txt, line 3"):
        load(folder)


def test_requirements_beside_the_spec_are_taken(tmp_path: pathlib.Path) -> None:
    assert load(app(tmp_path / "a", requirements_txt="numpy>=2  # why\n\npandas[excel]==2.3; python_version>'3'\n"))[1] == (
        "numpy>=2",
        "pandas[excel]==2.3; python_version>'3'",
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [("def add(:\n", "line 1"), ("def other(): pass\n", "defines no function add"), ("x = '\x00'\n", "add.py")],
)
def test_the_source_is_looked_at_without_running_it(tmp_path: pathlib.Path, code: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load(app(tmp_path / "a", add_py=code))


def test_files_that_are_missing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PackageError, match=r"no spec.yaml"):
        load(tmp_path)
    folder = python(tmp_path / "a", "def run(): return 1", more="requirements: needs.txt")
    (folder / "app.py").unlink()
    (folder / "pre-package-install.sh").touch()
    with pytest.raises(SpecError) as caught:
        load(folder)
    assert [problem.field for problem in caught.value.problems] == ["", "src", "requirements"]


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ('{"x": 1}', "y (int) is missing"),
        ('{"x": 1, "y": "2"}', "y must be an integer"),
        ("[", "not valid JSON"),
        ("1", "must be an object"),
    ],
)
def test_a_sample_that_is_none(tmp_path: pathlib.Path, sample: str, said: str) -> None:
    with pytest.raises(SpecError, match=rf"spec.yaml:8: sample.json: .*{re.escape(said)}"):
        load(app(tmp_path / "a", sample_json=sample))
    assert load(app(tmp_path / "b", sample_json='{"x": 1, "y": 2}'))[0].name == "add"
