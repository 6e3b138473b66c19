"""A provider's refusal, taken apart into the fields that it names. Everything here is pure."""

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from seedance_nb._base.errors import Refused
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, find, to_pointer
from seedance_nb._check.body import only_value
from seedance_nb._document.spec import Spec, named_fields

_HEAD = re.compile(r"^(?:Value error, )?(?:Invalid input for model [^\s:]+: )?")
# Each sign of a place can be read in one way only, and nothing is tried twice: the words come from outside.
_PART = r"[\w$](?:[\w$]|-(?!>))*+"
_NEXT = rf"(?:\.{_PART}|\[(?:\d+|'[^'\]]+'|\"[^\"\]]+\")\]|/{_PART}| ?(?:->|→|›) ?{_PART}| > {_PART})"
_LOCATOR = rf"(?P<quote>['\"`]?)(?P<where>/?{_PART}{_NEXT}*+)(?P=quote)"
_NOUN = r"(?:(?:field|parameter|param|property|argument|key)\s+)?"
_VERB = r"(?:is|are|was|must|should|shall|cannot|can't|can not|may|has|have|exceeds|does|needs|contains)\b"
_COLON = re.compile(rf"(?:{_NOUN}){_LOCATOR}\s*:\s+(?P<words>.+)", re.IGNORECASE | re.DOTALL)
_SPOKEN = re.compile(rf"(?:the\s+)?{_NOUN}{_LOCATOR}\s+(?P<words>{_VERB}.+)", re.IGNORECASE | re.DOTALL)
_LAST = re.compile(
    rf"(?P<words>(?:missing|invalid|unknown|unexpected|unsupported)\b[^:'\"`]*?\b(?:field|parameter|param|property|argument|key|value for))s?:?\s+{_LOCATOR}",
    re.IGNORECASE,
)
_ROOTS = ("body", "request", "json", "root", "$")


def field_errors(spec: Spec, body: dict[str, Any], error: Refused) -> tuple[Problem, ...]:
    """What a refusal says about single fields, each at its place in `body`, in the provider's words. *pure*.

    Only a refusal of the request itself is read, and only where it names exactly one field; all else stays in the error.
    """
    if type(error) is not Refused:
        return ()
    found: dict[tuple[str, str], Problem] = {}
    for path, words in _named(error.provider_message, lambda where: _place(spec, body, where)):
        pointer, said = to_pointer(path), words.strip().rstrip(".")
        found[pointer, said] = Problem(path=pointer, message=said, rule="server", value=find(body, pointer))
    return tuple(found.values())


def _named(message: str, means: Callable[[str], JsonPath | None]) -> Iterator[tuple[JsonPath, str]]:
    """Where something is wrong and what, for every clause of a refusal that says both."""
    lines = [line.removeprefix("- ").strip() for line in message.splitlines()]
    for line, below in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        where, words = _as_dict(line)
        if below and re.search(r"\.|->", line) and re.fullmatch(_LOCATOR, line):
            where, words = line, below  # pydantic's own text: the place on a line of its own, the words below it
        path = means(where) if where else None
        for clause in re.split(r";\s+", line) if not where else ():
            told = list(_clauses(_HEAD.sub("", clause)))
            if not told:  # it goes on with the clause before
                words += f"; {clause}"
                continue
            if path is not None:
                yield path, words
            known = ((place, match["words"]) for match in told if (place := means(match["where"])) is not None)
            path, words = next(known, (None, ""))
        if path is not None:
            yield path, words


def _clauses(text: str) -> Iterator[re.Match[str]]:
    """What a clause may say: a head such as "The request is not valid: " can stand before the field's name."""
    for _ in range(3):
        for pattern in (_COLON, _SPOKEN, _LAST):
            if match := pattern.fullmatch(text.strip()):
                yield match
        text = text.partition(": ")[2]


def _as_dict(line: str) -> tuple[str, str]:
    """Place and words of one of pydantic's errors, which is written as `{'loc': […], 'msg': '…'}`; "" for another line."""
    try:
        told = ast.literal_eval(line) if line.startswith("{") else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        told = None
    if isinstance(told, dict) and isinstance(told.get("loc"), list | tuple) and isinstance(told.get("msg"), str):
        return ".".join(map(str, told["loc"])), told["msg"]
    return "", ""


def _place(spec: Spec, body: dict[str, Any], where: str) -> JsonPath | None:
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
    # What has one value is nobody's fault, and what only holds other fields has no place of its own.
    known = [path for path, schema in named_fields(spec) if only_value(schema) is ABSENT and "properties" not in schema]
    exact = [path for path in known if list(path) == names]
    ending = [path for path in known if list(map(str, path[-len(names) :])) == names]
    chosen = exact if exact and (rooted or len(names) > 1) else ending
    if len(chosen) != 1:
        return None
    entry = (*chosen[0], int(place)) if place else chosen[0]
    return entry if place and find(body, to_pointer(entry)) is not ABSENT else chosen[0]
