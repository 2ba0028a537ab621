"""``python -m controller.config VERB``: how `bdc config`, which may not import this distribution, reaches specs and profiles.

    profiles                              names of the profiles
    init --profile P --name N [--file F] [--force]   a commented spec, to F or to standard output
    show FILE [PATH]                      the whole spec with its defaults, or one value
    set FILE PATH=VALUE …                 change values in place (comments stay); all or none
    validate FILE                         nothing when it is valid
    import BDC_JSON [--control CONTROL_JSON] [--profile P] [--name N]   a spec from the original's files, and what was left out
    schema | reference                    the structural schema; docs/reference/spec.md
    crd                                   the CustomResourceDefinition for Kubernetes, as YAML; docs/reference/crd.yaml

``--json`` makes every answer one JSON object: ``{"result": …}`` or ``{"error": {code, message, where, hint, category, problems?}}``.
FILE ``-`` is standard input (``set`` then prints the new text). Exit codes: 0 done, 1 an error of ours, 2 wrong usage or an invalid spec.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys
from typing import Any

import yaml

from controller.errors import ControllerError, RequestError, SpecError
from controller.profiles import profile_names, render_profile
from controller.spec import dump_spec, load_spec
from controller.spec.edit import get_value, set_value
from controller.store import write_atomic

SPEC_MODE = 0o640


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        result = options.run(options)
    except ControllerError as error:
        _print_error(error, options.json)
        return 2 if error.category == "user" else 1
    if options.json:
        _print(json.dumps({"result": result}, ensure_ascii=False))
    elif result is not None:
        _print(result if isinstance(result, str) else yaml.safe_dump(result, sort_keys=False, allow_unicode=True).removesuffix("...\n"))
    return 0


def _init(options: argparse.Namespace) -> Any:  # noqa: ANN401 (what is printed)
    text = render_profile(options.profile, options.name)
    load_spec(text, options.file or "bdc.yaml")
    if options.file is None:
        return text
    path = pathlib.Path(options.file)
    if path.exists() and not options.force:
        raise RequestError(f"{path} exists already", where=str(path), hint="choose another path, or --force to replace it")
    write_atomic(path, text.encode(), SPEC_MODE)
    return {"file": str(path)}


def _show(options: argparse.Namespace) -> Any:  # noqa: ANN401 (what is printed)
    spec = load_spec(_text(options.file), options.file)
    if options.path:
        return get_value(spec, options.path)
    return spec.model_dump(mode="json", by_alias=True) if options.json else dump_spec(spec)


def _set(options: argparse.Namespace) -> Any:  # noqa: ANN401 (what is printed)
    text = _text(options.file)
    for assignment in options.assignments:
        path, sign, value = assignment.partition("=")
        if not sign:
            raise RequestError(
                f"{assignment[:200]!r} is not PATH=VALUE", where="arguments", hint="for example spec.pools.compute.replicas=2"
            )
        text = set_value(text, path, value, options.file)
    if options.file == "-":
        return text
    path = pathlib.Path(options.file)
    write_atomic(path, text.encode(), path.stat().st_mode & 0o777)
    return {"file": options.file}


def _validate(options: argparse.Namespace) -> Any:  # noqa: ANN401 (what is printed)
    spec = load_spec(_text(options.file), options.file)
    return {"valid": True, "name": spec.name}


def _import(options: argparse.Namespace) -> Any:  # noqa: ANN401 (what is printed)
    from controller.spec.azdata import imported

    documents = [_json(file) for file in (options.file, options.control) if file is not None]
    return dataclasses.asdict(imported(documents[0], documents[1] if len(documents) > 1 else None, options.profile, options.name))


def _json(file: str) -> dict[str, Any]:
    try:
        content = json.loads(_text(file))
    except ValueError as error:
        raise RequestError(f"{file} is not JSON: {error}", where=file) from None
    if not isinstance(content, dict):
        raise RequestError(f"{file} holds no JSON object", where=file)
    return content


def _schema(_options: argparse.Namespace) -> Any:  # noqa: ANN401 (what is printed)
    from controller.spec.schema import structural_schema

    return structural_schema()


def _reference(_options: argparse.Namespace) -> str:
    from controller.spec.reference import reference_page

    return reference_page()


def _crd(_options: argparse.Namespace) -> Any:  # noqa: ANN401 (what is printed)
    from controller.spec.crd import definition

    return definition()


def _text(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return pathlib.Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"{file} is not a UTF-8 text", where=file) from None
    except OSError as error:
        raise RequestError(f"{file} can't be read: {error.strerror}", where=file, hint="make one with: bdc config init") from None


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true")
    parser = argparse.ArgumentParser(prog="python -m controller.config")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Any) -> argparse.ArgumentParser:  # noqa: ANN401 (a function of this module)
        found = verbs.add_parser(name, parents=[shared])
        found.set_defaults(run=run)
        return found

    verb("profiles", lambda _options: list(profile_names()))
    init = verb("init", _init)
    init.add_argument("--profile", default="local")
    init.add_argument("--name", default="demo")
    init.add_argument("--file")
    init.add_argument("--force", action="store_true")
    show = verb("show", _show)
    show.add_argument("file")
    show.add_argument("path", nargs="?")
    change = verb("set", _set)
    change.add_argument("file")
    change.add_argument("assignments", nargs="+", metavar="PATH=VALUE")
    verb("validate", _validate).add_argument("file")
    taken = verb("import", _import)
    taken.add_argument("file")
    taken.add_argument("--control")
    taken.add_argument("--profile", default="local")
    taken.add_argument("--name")
    verb("schema", _schema)
    verb("reference", _reference)
    verb("crd", _crd)
    return parser


def _print(text: str) -> None:
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def _print_error(error: ControllerError, as_json: bool) -> None:
    if not as_json:
        sys.stderr.write(f"{error.message}\n" + (f"{error.hint}\n" if error.hint else ""))
        return
    inner: dict[str, Any] = {**error.envelope(), "category": error.category}
    if isinstance(error, SpecError):
        inner["problems"] = [dataclasses.asdict(problem) for problem in error.problems]
    _print(json.dumps({"error": inner}, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
