"""How the work of a function grows with its text: hostile shapes of doubling size, in processor time of this thread."""

import ast
import builtins
import functools
import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import httpx

import seedance_nb
from seedance_nb._web.addresses import BlockedURL

Text = Callable[[int], str]
"""Makes a text of about so many characters."""

_APART, _MOST = 8, 22
_TIMES_LEAST = 6
_CAREFUL = 48
UNITS = (
    "\\", "\\u0", "\\u006b", "&#0", "%25", "http://", "https://a?", "/", "a/", "[", "]", "(", ")", "{", "}", "${", "$(", "`", "*", "**a", "[a](", "'", '"', '\\"',
    " ", "\t", "\n", "\n ", "\r\n", " \\\n", "0", "1.", "-", " > ", ". A", "; a: b", "a: ", "a", "中", "\x00", "\ud800", "<", "field ", "missing field ", "^ ",
    "-d ", "{'loc':", '{"a":', "[(b'", '"task_id": "\\', "[Image1] ", "(?<",
)  # fmt: skip
_EXPECTED = (
    ValueError,
    seedance_nb.SeedanceError,
    BlockedURL,
    httpx.InvalidURL,
    RecursionError,
    MemoryError,
    SyntaxError,
)


def repeated(begin: str, unit: str, end: str = "") -> Text:
    """A text of one repeated piece between two others."""
    return lambda size: begin + unit * max(1, size // len(unit)) + end


def shapes() -> dict[str, Text]:
    """Each piece repeated, every other one with an end that fits nothing."""
    return {
        f"{unit!r} many times": repeated("", unit, "\x00!" if number % 2 else "") for number, unit in enumerate(UNITS)
    }


def growth(run: Callable[[str], object], make: Text, *, up_to: int = 16_000, from_s: float = 0.002) -> str:
    """How the work grows where that is more than linear, "" otherwise. Noise is tried again, growth stays.

    The text doubles until a call takes `from_s` seconds, and six times as long as a call with next to no text. Eight times
    the text takes 8 times the work if that is linear and 64 times if it is quadratic; the limit lies between.
    """
    for _ in range(8):
        if not (fault := _growth(run, make, up_to, from_s)):
            return ""
    return fault


def _growth(run: Callable[[str], object], make: Text, up_to: int, from_s: float) -> str:
    least = min(_seconds(run, make(1)) for _ in range(3))
    enough = max(from_s, _TIMES_LEAST * least)
    size = 12
    while (large := _seconds(run, make(size))) < enough and size < up_to:
        size += 4 if size < _CAREFUL else size  # in small steps first, because exponential work would not end
    if large < enough:
        return ""
    large = min(large, *(_seconds(run, make(size)) for _ in range(2)))
    small = min(_seconds(run, make(size // _APART)) for _ in range(3))
    times = (large - least) / max(small - least, 1e-6)
    return f"{_APART} times the text, {times:.0f} times the work ({large:.3f} s for {size:,})" if times > _MOST else ""


def _seconds(run: Callable[[str], object], text: str) -> float:
    begin = time.thread_time()
    with suppress(*_EXPECTED):
        run(text)
    return time.thread_time() - begin


Pattern = tuple[re.Pattern[Any], str]
"""A pattern, and the method that the package calls on it."""
_METHODS = frozenset({"search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split"})


def modules() -> Iterator[ModuleType]:
    """Every module of the package."""
    for found in pkgutil.walk_packages(seedance_nb.__path__, "seedance_nb."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


@functools.cache
def _sources() -> str:
    return "".join(map(inspect.getsource, modules()))


def patterns_of(module: ModuleType) -> dict[str, Pattern]:
    """Every regular expression of a module by its place: those in its variables, and those that its functions write out."""
    source = inspect.getsource(module)
    found: dict[str, Pattern] = {}
    for name, value in vars(module).items():
        keys = [*value] if isinstance(value, dict) else []
        for number, pattern in enumerate(_patterns_in(value)):
            used = re.findall(rf"\b{name}\.(\w+)\(", source)
            if len(keys) > number and value[keys[number]] is pattern:  # one of a table, which other modules use too
                used += re.findall(rf"\b{name}\[\"{keys[number]}\"\]\.(\w+)\(", _sources())
            used = used or re.findall(r"\bpattern\.(\w+)\(", source)
            for method in _METHODS.intersection(used) or {"sub"}:
                found[f"{module.__name__}:{name}[{number}].{method}"] = (pattern, method)
    tree = ast.parse(source)
    in_variables = {
        node for part in tree.body if isinstance(part, ast.Assign | ast.AnnAssign) for node in ast.walk(part)
    }
    for function in (node for node in tuple(in_variables) if isinstance(node, ast.Lambda)):
        in_variables -= {*ast.walk(function)}  # it is written there, and no variable
    for node in filter(_is_re_call, ast.walk(tree)):
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Attribute)
        if node not in in_variables:
            method = node.func.attr if node.func.attr in _METHODS else "match"
            pattern = _evaluated(node.args[0], module)
            found[f"{module.__name__}:{node.lineno}:{node.col_offset}.{method}"] = (re.compile(pattern), method)
    return found


def _patterns_in(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _patterns_in(item)


def _is_re_call(node: ast.AST) -> bool:
    if not (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {*_METHODS, "compile"}
    ):
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id == "re"


class _Names(dict[str, Any]):
    """Words in place of a function's own variables."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(vars(builtins) | vars(module))

    def __missing__(self, name: str) -> str:
        return "name"


def _evaluated(node: ast.expr, module: ModuleType) -> Any:
    return eval(compile(ast.Expression(node), module.__name__, "eval"), {}, _Names(module))  # noqa: S307 - our own source


def call(pattern: re.Pattern[Any], method: str, text: str) -> None:
    """Calls a method of a pattern and reads its whole result."""
    given: Any = text.encode("utf-8", "surrogatepass") if isinstance(pattern.pattern, bytes) else text
    result = getattr(pattern, method)(*([given[:0]] if method.startswith("sub") else []), given)
    if method == "finditer":
        list(result)


def pumped(pattern: re.Pattern[Any]) -> dict[str, Text]:
    """The worst texts for one pattern: what stands before a repetition, what it repeats, and an end that fits nothing."""
    parse: Any = importlib.import_module("re._parser").parse
    made = {}
    for before, unit in dict.fromkeys(_repetitions(parse(pattern.pattern, pattern.flags), "")):
        made[f"{before!r}, then {unit!r} many times"] = repeated(before, unit or "a", "\x00!")
        made[f"{before + unit!r} many times"] = repeated("", before + unit or "a", "\x00!")
        made[f"{before!r} many times"] = repeated("", before or "a")
    return made


def _repetitions(items: Iterable[tuple[Any, Any]], before: str) -> Iterator[tuple[str, str]]:
    for operation, value in items:
        name = str(operation)
        if name.endswith("REPEAT"):
            yield before, _sample(value[2])
        match name:
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                parts = [value[2]]
            case "SUBPATTERN":
                parts = [value[-1]]
            case "BRANCH":
                parts = value[1]
            case "ATOMIC_GROUP":
                parts = [value]
            case _:
                parts = []
        for part in parts:
            yield from _repetitions(part, before)
        before += _sample([(operation, value)])


def _sample(items: Iterable[tuple[Any, Any]]) -> str:
    """A text that these parts of a pattern match, about."""
    text = ""
    for operation, value in items:
        match str(operation):
            case "LITERAL":
                text += chr(value)
            case "ANY" | "NOT_LITERAL":
                text += "a"
            case "IN":
                text += _member(value)
            case "SUBPATTERN":
                text += _sample(value[-1])
            case "BRANCH":
                text += _sample(value[1][0])
            case "ATOMIC_GROUP":
                text += _sample(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                text += _sample(value[2]) * max(1, min(value[0], 40))
            case _:  # places, which have no characters
                pass
    return text


def _member(members: list[tuple[Any, Any]]) -> str:
    operation, value = members[0]
    match str(operation):
        case "NEGATE":
            return "a"
        case "LITERAL":
            return chr(value)
        case "RANGE":
            return chr(value[0])
        case _:
            return {"DIGIT": "0", "SPACE": " ", "WORD": "a"}.get(str(value).removeprefix("CATEGORY_"), "!")
