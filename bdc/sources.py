"""The source of a function of a notebook, with all that it needs, as one file: what ``session.apps.publish`` sends.

A package holds text. So a function can come with modules, other functions beside it and constants; it can't come with values of the
running session: a model, a frame, a connection, the variables of a function around it. Those are refused, and the error says what to do.
"""

from __future__ import annotations

import ast
import builtins
import dis
import importlib.metadata
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from bdc.errors import UserError

MAX_CONSTANT = 65_536
"""Characters of one constant; what is larger is data, and belongs into a file."""
CONSTANTS = (bool, int, float, complex, str, bytes, type(None))
ESCAPES = ("STORE_GLOBAL", "DELETE_GLOBAL")
FOLDER = "make a folder with spec.yaml, the code and this, then session.apps.create(folder)"


def source_of(function: Callable[..., object], requirements: Sequence[str] = ()) -> str:
    """A file that defines ``function``: its imports, constants and the functions that it calls before it. UserError names what can't come
    along. ``requirements``: packages that the file may import beside the standard library."""
    gathered = _Gathered({_canonical(re.split(r"[^A-Za-z0-9._-]", wanted.strip(), maxsplit=1)[0]) for wanted in requirements})
    gathered.function(_plain(function, getattr(function, "__name__", repr(function))), getattr(function, "__name__", ""))
    parts = ["from __future__ import annotations", "\n".join(sorted(gathered.imports)), "\n".join(gathered.constants)]
    return "\n\n\n".join(part for part in [*parts, *gathered.functions, "\n".join(gathered.aliases)] if part) + "\n"


class _Gathered:
    """What was found so far. ``names``: name in the file → the object that it means there."""

    def __init__(self, packages: set[str]) -> None:
        self.imports: set[str] = set()
        self.constants: list[str] = []
        self.functions: list[str] = []
        self.aliases: list[str] = []
        self._names: dict[str, object] = {}
        self._packages = packages

    def function(self, function: FunctionType, name: str) -> None:
        """Its own text, after what it needs."""
        if not self._claimed(function.__name__, function):
            text = _text(function)
            for module, where in _imported(text):
                self._importable(module, where, function.__name__)
            for needed in _globals(function):
                self._needed(needed, function)
            self.functions.append(text)
        if name != function.__name__ and not self._claimed(name, function):
            self.aliases.append(f"{name} = {function.__name__}")

    def _needed(self, name: str, function: FunctionType) -> None:
        if name not in function.__globals__:
            if hasattr(builtins, name):
                return
            raise UserError(f"{function.__name__} uses {name}, which is not defined", where=name, hint="define it, then publish again")
        value = function.__globals__[name]
        if isinstance(value, ModuleType):
            self._importable(value.__name__, name, function.__name__)
            if not self._claimed(name, value):
                self.imports.add(f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}"))
        elif (home := _home(value, function)) is not None:
            self._importable(home, name, function.__name__)
            if not self._claimed(name, value):
                self.imports.add(f"from {home} import {value.__name__}" + ("" if value.__name__ == name else f" as {name}"))
        elif isinstance(value, FunctionType):
            if value.__globals__ is not function.__globals__:
                raise UserError(f"{function.__name__} uses {name}, a function of the module {value.__module__}", where=name, hint=FOLDER)
            self.function(_plain(value, name), name)
        else:
            self._constant(name, value, function.__name__)

    def _constant(self, name: str, value: object, user: str) -> None:
        text = repr(value)
        if not _is_constant(value) or len(text) > MAX_CONSTANT:
            kind = type(value).__name__ if not isinstance(value, type) else f"class {value.__name__}"
            raise UserError(
                f"{user} uses {name}, which a package can't contain: {kind}",
                where=name,
                why="a package holds the function's text, and constants of up to 64 KB",
                hint=f"make it inside of the function; a model: bdc app init -t onnx; else write it into a file: {FOLDER}",
            )
        if not self._claimed(name, value):
            self.constants.append(f"{name} = {text}")

    def _claimed(self, name: str, value: object) -> bool:
        """Whether the file has it already. UserError where the name means something else there."""
        if name in self._names:
            if self._names[name] is not value:
                raise UserError(f"{name} means two things in what the function uses", where=name, hint="rename one of them")
            return True
        self._names[name] = value
        return False

    def _importable(self, module: str, where: str, user: str) -> None:
        """UserError unless the app's environment will have it."""
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        found = importlib.metadata.packages_distributions().get(top, [])
        if not found:
            raise UserError(f"{user} imports {top}, a module of yours that the package does not hold", where=where, hint=FOLDER)
        if not self._packages & {_canonical(name) for name in found}:
            wanted = f"{found[0]}=={importlib.metadata.version(found[0])}"
            raise UserError(f"{user} imports {top}, which the requirements don't name", where=where, hint=f"requirements=[{wanted!r}]")


def _plain(function: object, name: str) -> FunctionType:
    """UserError for what has no text of its own, or more than its text."""
    if not isinstance(function, FunctionType):
        raise UserError(
            f"{name} is no function that can be published: {type(function).__name__}",
            where=name,
            hint="write a function that begins with def, and publish that",
        )
    if function.__name__ == "<lambda>":
        raise UserError("a lambda can't be published", where=name, hint="write it as a function: def NAME(x: float) -> float: …")
    if function.__closure__:
        held = ", ".join(function.__code__.co_freevars)
        raise UserError(f"{function.__name__} keeps variables of the function around it: {held}", where=held, hint="make them inputs")
    if hasattr(function, "__wrapped__"):
        raise UserError(f"{function.__name__} is decorated", where=function.__name__, hint="publish it without the decorator")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UserError(f"{function.__name__} is async or a generator", where=function.__name__, hint="return the result by 'return'")
    return function


def _text(function: FunctionType) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        raise UserError(
            f"the source of {function.__name__} can't be read",
            where=function.__name__,
            hint="define it in a cell of a notebook or in a file, not at Python's prompt",
        ) from None
    if not isinstance(tree, ast.FunctionDef) or tree.name != function.__name__:
        raise UserError(f"the source of {function.__name__} is no def", where=function.__name__, hint="write it with def")
    if tree.decorator_list:
        raise UserError(f"{function.__name__} is decorated", where=function.__name__, hint="publish it without the decorator")
    for default in (*tree.args.defaults, *(one for one in tree.args.kw_defaults if one is not None)):
        try:
            ast.literal_eval(default)
        except ValueError:
            shown = ast.unparse(default)
            raise UserError(f"a default of {function.__name__} is no constant: {shown}", where=shown, hint="set it in the body") from None
    return text


def _imported(text: str) -> Iterator[tuple[str, str]]:
    """The modules that the function imports in its body."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((one.name, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or ".", node.module or ".")


def _globals(function: FunctionType) -> list[str]:
    """The names that its code takes from outside, in order, those of functions within it too. UserError where it sets one."""
    found: dict[str, None] = {}
    pending: list[CodeType] = [function.__code__]
    while pending:
        code = pending.pop()
        pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in ESCAPES:
                raise UserError(
                    f"{function.__name__} sets the global variable {step.argval}",
                    where=str(step.argval),
                    hint="return it; calls run in several workers, which share nothing",
                )
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                found[str(step.argval)] = None
    return list(found)


def _home(value: Any, function: FunctionType) -> str | None:  # noqa: ANN401 - whatever a global variable holds
    """The module from which ``value`` is imported by its name; None: it is of this session, or no such thing."""
    if not isinstance(value, FunctionType | BuiltinFunctionType | type) and not callable(value):
        return None
    home, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(home, str) or not isinstance(name, str) or home in ("__main__", function.__module__):
        return None
    installed = home.partition(".")[0] in sys.stdlib_module_names or home.partition(".")[0] in importlib.metadata.packages_distributions()
    return home if installed and getattr(sys.modules.get(home), name, None) is value else None


def _is_constant(value: object) -> bool:
    """Whether its repr says all of it."""
    if type(value) in (list, tuple, set, frozenset):
        return type(value) is not frozenset and bool(value or type(value) is not set) and all(map(_is_constant, value))  # type: ignore[call-overload]
    if type(value) is dict:
        return all(_is_constant(one) for pair in value.items() for one in pair)
    # NaN and infinity have no literal
    return type(value) in CONSTANTS and not (isinstance(value, float | complex) and re.search("nan|inf", repr(value)))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
