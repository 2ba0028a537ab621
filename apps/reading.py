"""From the text of ``spec.yaml`` to ``AppSpec``: everything that is wrong is told at once, each with its line."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

from apps import fields, mlmodel
from apps.checking import check
from apps.errors import InputError, PackageError, Problem, SpecError
from apps.nodes import document, line_of, pairs, plain
from apps.runtimes import RUNTIMES
from apps.sample import SAMPLE, sample
from apps.spec import AppSpec

SPEC_FILE, REQUIREMENTS_FILE = "spec.yaml", "requirements.txt"
NEEDED = ("name", "version", "runtime", "src")
FIELDS = {"output": "outputs", "options": "prediction_log"}
MAX_REQUIREMENTS = 200
SETUP_SCRIPT = "pre-package-install.sh"


def read(text: str, filename: str = SPEC_FILE) -> AppSpec:
    """The spec. SpecError with all problems."""
    return _read(text, filename)[0]


def _read(text: str, filename: str) -> tuple[AppSpec, dict[str, int]]:
    """With the line of each field."""
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, line, node in pairs(document(text, filename)):
        if key in lines:
            problems.append(Problem(line, key, f"is given twice, first in line {lines[key]}"))
            continue
        lines[key] = line
        if key in fields.NOT_YET:
            problems.append(Problem(line, key, fields.NOT_YET[key]))
        elif key not in fields.READERS:
            problems.append(Problem(line, key, f"there is no such field; fields are: {', '.join(fields.READERS)}"))
        else:
            try:
                found[FIELDS.get(key, key)] = fields.READERS[key](plain(node))
            except (fields.FieldError, ValueError) as error:
                problems.append(Problem(line_of(node), key, str(error)))
    problems += [Problem(1, key, "is missing") for key in NEEDED if key not in lines]
    problems += _together(found, lines)
    if problems:
        raise SpecError(tuple(problems), filename)
    return AppSpec(**found), lines


def _together(found: dict[str, Any], lines: dict[str, int]) -> list[Problem]:
    """What can only be said of several fields."""
    problems = []
    runtime = RUNTIMES.get(found.get("runtime", ""))
    if runtime is not None and runtime.entrypoint and "entrypoint" not in lines:
        problems.append(Problem(lines["runtime"], "entrypoint", f"is missing: the runtime {found['runtime']} calls a function"))
    if runtime is not None and not runtime.entrypoint and "entrypoint" in found:
        problems.append(Problem(lines["entrypoint"], "entrypoint", f"the runtime {found['runtime']} has none"))
    if runtime is not None and not runtime.requirements and found.get("requirements"):
        problems.append(Problem(lines["requirements"], "requirements", f"the runtime {found['runtime']} takes none"))
    if runtime is not None and "outputs" in found and not found["outputs"]:
        problems.append(Problem(lines["output"], "output", "must name at least one output"))
    if runtime is not None and "output" not in lines and not runtime.signed:
        problems.append(Problem(1, "output", "is missing"))
    if twice := [name for name in found.get("secrets", ()) if name in found.get("env", {})]:
        problems.append(Problem(lines["secrets"], "secrets", f"{twice[0]} is in env too: there its value would be read by everybody"))
    if found.get("replicas", 1) * found.get("poolsize", 1) > fields.MAX_WORKERS:
        problems.append(Problem(lines["poolsize"], "poolsize", f"replicas × poolsize must be at most {fields.MAX_WORKERS}"))
    return problems


def load(folder: Path) -> tuple[AppSpec, tuple[str, ...]]:
    """The spec of a folder and its requirements, after a look at the files that it names: whether they are there, whether Python can read
    the source and finds the entrypoint, whether the sample is of the inputs' types. SpecError with all problems; PackageError where there
    is no spec."""
    try:
        text = (folder / SPEC_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PackageError(f"there is no {SPEC_FILE} in {folder.name}", where=SPEC_FILE, hint="bdc app init writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PackageError(f"{SPEC_FILE} can't be read: {error}", where=SPEC_FILE) from None
    spec, lines = _read(text, SPEC_FILE)
    problems: list[Problem] = []
    if (folder / SETUP_SCRIPT).exists():
        problems.append(Problem(1, "", f"{SETUP_SCRIPT} is not run here; name the packages in {REQUIREMENTS_FILE} and remove it"))
    if spec.runtime == "mlflow":
        return _of_model(folder, spec, lines, problems)
    if not (folder / spec.src).is_file():
        problems.append(Problem(lines["src"], "src", f"there is no file {spec.src}"))
    elif spec.runtime == "python":
        problems += _source(folder, spec, lines)
    requirements = _requirements(folder, spec, lines, problems)
    return _whole(folder, spec, lines, problems), requirements


def _of_model(folder: Path, spec: AppSpec, lines: dict[str, int], problems: list[Problem]) -> tuple[AppSpec, tuple[str, ...]]:
    """With the model's own inputs and outputs where the spec has none, and its own requirements."""
    try:
        model = mlmodel.read(folder / spec.src)
        spec, wrong = mlmodel.completed(spec, model)
    except fields.FieldError as error:
        raise SpecError((*problems, Problem(lines["src"], "src", str(error)))) from None
    problems += [Problem(lines.get(field, lines["src"]), field, words) for field, words in wrong]
    own = spec if spec.requirements is not None or model.onnx else replace(spec, requirements=f"{spec.src}/{mlmodel.REQUIREMENTS}")
    if own.requirements is None or (spec.requirements is None and not (folder / str(own.requirements)).is_file()):
        own = replace(spec, requirements=())
    requirements = mlmodel.packages(model, _requirements(folder, own, lines, problems))
    return _whole(folder, spec, lines, problems), requirements


def _whole(folder: Path, spec: AppSpec, lines: dict[str, int], problems: list[Problem]) -> AppSpec:
    """After what depends on the inputs. SpecError with all problems."""
    problems += _scheduled(spec, lines)
    try:
        sample(folder, spec.inputs)
    except InputError as error:
        problems.append(Problem(lines.get("inputs", 1), "", f"{SAMPLE}: {error.message}"))
    if problems:
        raise SpecError(tuple(problems))
    return spec


def _scheduled(spec: AppSpec, lines: dict[str, int]) -> list[Problem]:
    """A run by itself must have its inputs."""
    try:
        if spec.schedule is not None:
            check(spec.schedule.inputs, spec.inputs)
    except InputError as error:
        return [Problem(lines["schedule"], "schedule", f"inputs: {error.message}")]
    return []


def _source(folder: Path, spec: AppSpec, lines: dict[str, int]) -> list[Problem]:
    """Without running any of it."""
    if not spec.src.endswith(".py"):
        return [Problem(lines["src"], "src", "must be a .py file")]
    if (folder / "apps.py").exists() or (folder / "apps").is_dir():
        return [Problem(lines["src"], "src", "the folder holds a module 'apps', a name that the worker itself uses; rename it")]
    try:
        tree = ast.parse((folder / spec.src).read_bytes(), filename=spec.src)
    except SyntaxError as error:
        return [Problem(lines["src"], "src", f"{spec.src}, line {error.lineno}: {error.msg}")]
    except (ValueError, RecursionError, OSError) as error:
        return [Problem(lines["src"], "src", f"{spec.src}: {error}")]
    bound = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    dynamic = any(not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Expr) for node in tree.body)
    if spec.entrypoint not in bound and not dynamic:
        return [Problem(lines["entrypoint"], "entrypoint", f"{spec.src} defines no function {spec.entrypoint}")]
    return []


def _requirements(folder: Path, spec: AppSpec, lines: dict[str, int], problems: list[Problem]) -> tuple[str, ...]:
    """The spec's, or those of its file; empty lines and comments left out."""
    if isinstance(spec.requirements, tuple):
        return spec.requirements
    name, line = spec.requirements or REQUIREMENTS_FILE, lines.get("requirements", 1)
    if not RUNTIMES[spec.runtime].requirements:
        return ()
    try:
        rows = (folder / name).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        if spec.requirements is not None:
            problems.append(Problem(line, "requirements", f"there is no file {name}"))
        return ()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(line, "requirements", f"{name} can't be read: {error}"))
        return ()
    found = []
    for number, row in enumerate(rows, 1):
        wanted = row.split(" #")[0].strip()
        if wanted and not wanted.startswith("#"):
            try:
                found.append(fields.requirement(wanted))
            except fields.FieldError as error:
                problems.append(Problem(line, "requirements", f"{name}, line {number}: {error}"))
    if len(found) > MAX_REQUIREMENTS:
        problems.append(Problem(line, "requirements", f"more than {MAX_REQUIREMENTS} packages"))
    return tuple(found)
