"""A provider's refusal, taken apart into the fields that it names. Everything here is pure."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from seedance_nb._check import only_value
from seedance_nb._errors import Refused
from seedance_nb._spec import Spec, named
from seedance_nb._values import ABSENT, Path, Problem, find, join

_HEAD = re.compile(r"^(?:Value error, )?(?:Invalid input for model [^\s:]+: )?")
_PART = r"[A-Za-z_$][\w$-]*"
_NEXT = r"(?:\.[\w$-]+|\[(?:\d+|'[^']+'|\"[^\"]+\")\]|/[\w$~-]+| ?(?:->|→|›|>) ?[\w$-]+)"
_LOCATOR = rf"(?P<quote>['\"`]?)(?P<where>/?{_PART}{_NEXT}*)(?P=quote)"
_NOUN = r"(?:(?:field|parameter|param|property|argument|key)\s+)?"
_VERB = r"(?:is|are|was|must|should|shall|cannot|can't|can not|may|has|have|exceeds|does|needs|contains)\b"
_COLON = re.compile(rf"(?:{_NOUN}){_LOCATOR}\s*:\s+(?P<words>.+)", re.IGNORECASE | re.DOTALL)
_SPOKEN = re.compile(rf"(?:the\s+)?{_NOUN}{_LOCATOR}\s+(?P<words>{_VERB}.+)", re.IGNORECASE | re.DOTALL)
_LAST = re.compile(
    rf"(?P<words>(?:missing|invalid|unknown|unexpected|unsupported)\b[^:'\"`]*?\b(?:field|parameter|param|property|argument|key|value for))s?:?\s+{_LOCATOR}",
    re.IGNORECASE,
)
_ROOTS = ("body", "request", "json", "root", "$")


def faults(spec: Spec, body: dict[str, Any], error: Refused) -> tuple[Problem, ...]:
    """What a refusal says about single fields, each at its place in `body`, in the provider's words. *pure*.

    Only a refusal of the request itself is read, and only where it names exactly one field; all else stays in the error.
    """
    if type(error) is not Refused:
        return ()
    found: dict[tuple[str, str], Problem] = {}
    for where, words in _named(error.provider_message):
        path = _place(spec, body, where)
        if path is not None:
            pointer, said = join(path), words.strip().rstrip(".")
            found[pointer, said] = Problem(path=pointer, message=said, rule="server", value=find(body, pointer))
    return tuple(found.values())


def _named(message: str) -> Iterator[tuple[str, str]]:
    """Where something is wrong and what, for every clause of a refusal that says both."""
    lines = [line.removeprefix("- ").strip() for line in message.splitlines()]
    for number, line in enumerate(lines):
        if line.startswith("{"):
            yield from _as_dict(line)
            continue
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if below and re.fullmatch(_LOCATOR, line) and re.search(r"\.|->", line):
            yield line, below  # pydantic's own text: the place on a line of its own, the words below it
            continue
        where, words = "", ""
        for clause in re.split(r";\s+", line):
            plain = _HEAD.sub("", clause)
            # A head such as "The request is not valid: " stands before the first clause of a list.
            tries = (plain, plain.partition(": ")[2])
            told = next((match for text in tries for match in _clause(text)), None)
            if told is None:
                words += f"; {clause}"
                continue
            if where:
                yield where, words
            where, words = told["where"], told["words"]
        if where:
            yield where, words


def _clause(text: str) -> Iterator[re.Match[str]]:
    for pattern in (_COLON, _SPOKEN, _LAST):
        if match := pattern.fullmatch(text.strip()):
            yield match


def _as_dict(line: str) -> Iterator[tuple[str, str]]:
    """One of pydantic's errors, as `{'loc': […], 'msg': '…'}`."""
    try:
        told = ast.literal_eval(line)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return
    if isinstance(told, dict) and isinstance(told.get("loc"), list | tuple) and isinstance(told.get("msg"), str):
        yield ".".join(map(str, told["loc"])), told["msg"]


def _place(spec: Spec, body: dict[str, Any], where: str) -> Path | None:
    """The one field that a locator means, None for none or more than one."""
    parts = [part.strip("'\"") for part in re.split(r"\.|/|\[|\]|->|→|›|>| ", where) if part.strip("'\" ")]
    if len(parts) > 1 and parts[0] in _ROOTS:
        parts = parts[1:]
        rooted = True
    else:
        rooted = where.startswith("/")
    names, place = parts, ""
    if len(parts) > 1 and parts[-1].isdecimal():
        names, place = parts[:-1], parts[-1]
    known = [
        path for path, schema in named(spec) if only_value(schema) is ABSENT
    ]  # what has one value is nobody's fault
    exact = [path for path in known if list(path) == names]
    ending = [path for path in known if list(map(str, path[-len(names) :])) == names]
    chosen = exact if exact and (rooted or len(names) > 1) else ending
    if len(chosen) != 1:
        return None
    entry = (*chosen[0], int(place)) if place else chosen[0]
    return entry if place and find(body, join(entry)) is not ABSENT else chosen[0]
