"""A provider's refusal parsed into problems of the fields that it names. Everything here is pure."""

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from seedance_nb._base.errors import Refused
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, find, to_pointer
from seedance_nb._check.check import only_value
from seedance_nb._document.spec import Spec, named_fields

_HEAD = re.compile(r"^(?:Value error, )?(?:Invalid input for model [^\s:]+: )?")
# Each character of a locator matches in one way only, without backtracking, because the text is untrusted.
_PART = r"[\w$](?:[\w$]|-(?!>))*+"
_NEXT = rf"(?:\.{_PART}|\[(?:\d+|'[^'\]]+'|\"[^\"\]]+\")\]|/{_PART}| ?(?:->|→|›) ?{_PART}| > {_PART})"
_LOCATOR = rf"(?P<quote>['\"`]?)(?P<where>/?{_PART}{_NEXT}*+)(?P=quote)"
_NOUN = r"(?:(?:field|parameter|param|property|argument|key)\s+)?"
_VERB = r"(?:is|are|was|must|should|shall|cannot|can't|can not|may|has|have|exceeds|does|needs|contains)\b"
_COLON = re.compile(rf"(?:{_NOUN}){_LOCATOR}\s*:\s+(?P<words>.+)", re.IGNORECASE | re.DOTALL)
_SENTENCE = re.compile(rf"(?:the\s+)?{_NOUN}{_LOCATOR}\s+(?P<words>{_VERB}.+)", re.IGNORECASE | re.DOTALL)
_LAST = re.compile(
    rf"(?P<words>(?:missing|invalid|unknown|unexpected|unsupported)\b[^:'\"`]*?\b(?:field|parameter|param|property|argument|key|value for))s?:?\s+{_LOCATOR}",
    re.IGNORECASE,
)


def field_errors(spec: Spec, body: dict[str, Any], error: Refused) -> tuple[Problem, ...]:
    """What a refusal of the request says about single fields of `body`, in the provider's words, if clauses name just one. *pure*."""
    if type(error) is not Refused:
        return ()
    problems: dict[tuple[str, str], Problem] = {}
    for path, words in _faults(error.provider_message, lambda locator: _path_of(spec, body, locator)):
        pointer, text = to_pointer(path), words.strip().rstrip(".")
        problems[pointer, text] = Problem(path=pointer, message=text, rule="server", value=find(body, pointer))
    return tuple(problems.values())


def _faults(message: str, resolve: Callable[[str], JsonPath | None]) -> Iterator[tuple[JsonPath, str]]:
    """The path and words of every clause of a refusal that has both."""
    lines = [line.removeprefix("- ").strip() for line in message.splitlines()]
    for line, below in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        where, words = _as_dict(line)
        if below and re.search(r"\.|->", line) and re.fullmatch(_LOCATOR, line):
            where, words = line, below  # pydantic's own text: the locator on a line of its own, the words below it
        path = resolve(where) if where else None
        for clause in re.split(r";\s+", line) if not where else ():
            matches = list(_matches(_HEAD.sub("", clause)))
            if not matches:  # it continues the clause before
                words += f"; {clause}"
                continue
            if path is not None:
                yield path, words
            fields = ((field, match["words"]) for match in matches if (field := resolve(match["where"])) is not None)
            path, words = next(fields, (None, ""))
        if path is not None:
            yield path, words


def _matches(text: str) -> Iterator[re.Match[str]]:
    """The possible readings of a clause; a heading such as "The request is not valid: " may precede the field's name."""
    for _ in range(3):
        for pattern in (_COLON, _SENTENCE, _LAST):
            if match := pattern.fullmatch(text.strip()):
                yield match
        text = text.partition(": ")[2]


def _as_dict(line: str) -> tuple[str, str]:
    """Locator and words of a pydantic error written as `{'loc': […], 'msg': '…'}`; "" for another line."""
    try:
        error = ast.literal_eval(line) if line.startswith("{") else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        error = None
    if isinstance(error, dict) and isinstance(error.get("loc"), list | tuple) and isinstance(error.get("msg"), str):
        return ".".join(map(str, error["loc"])), error["msg"]
    return "", ""


def _path_of(spec: Spec, body: dict[str, Any], locator: str) -> JsonPath | None:
    """The path of the one field that a locator names, None for no field or several."""
    names = [part.strip("'\"") for part in re.split(r"\.|/|\[|\]|->|→|›|>| ", locator) if part.strip("'\" ")]
    is_rooted = locator.startswith("/")
    if len(names) > 1 and names[0] in ("body", "request", "json", "root", "$"):
        names, is_rooted = names[1:], True
    index = names.pop() if len(names) > 1 and names[-1].isdecimal() else ""
    # A field with only one value is never wrong, and one that only groups others has no control.
    paths = [path for path, schema in named_fields(spec) if only_value(schema) is ABSENT and "properties" not in schema]
    exact = [path for path in paths if list(path) == names]
    ending = [path for path in paths if list(map(str, path[-len(names) :])) == names]
    chosen = exact if exact and (is_rooted or len(names) > 1) else ending
    if len(chosen) != 1:
        return None
    entry = (*chosen[0], int(index)) if index else chosen[0]
    return chosen[0] if find(body, to_pointer(entry)) is ABSENT else entry
