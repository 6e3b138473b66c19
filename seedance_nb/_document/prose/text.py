"""A description as clauses at their places in the original, and the vocabulary of limits as patterns."""

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from seedance_nb._document.reader import packaged

MAX_LENGTH, MAX_CLAUSE = 20_000, 1_000
_LIKE = str.maketrans("、–—−〜∼×‘’“”「」【】•·…", ',~~-~~x\'\'""""[]--.')


class Clause(NamedTuple):
    """A sentence with spaces for its brackets, or the inside of a bracket with `outer`, what stands before it; `start` is its place."""

    start: int
    value: str
    outer: str = ""


def normalised(original: str) -> str:
    """The first 20,000 characters of a description, each at its place, without markup and with each sign in one form. *pure*."""
    marks = pattern("{marks}")
    plain = marks.sub(lambda match: ("\n" if match["tag"] else " ") * len(match[0]), original[:MAX_LENGTH])
    forms = ((sign, unicodedata.normalize("NFKC", sign)) for sign in plain.translate(_LIKE))
    return "".join(form if len(form) == 1 else sign for sign, form in forms).translate(_LIKE)


def clauses(text: str) -> Iterator[Clause]:
    """The clauses of a normalised text in order: each sentence, and after it its brackets. *pure*."""
    start, bracket = 0, pattern("{bracket}")
    for end, after in [*(match.span() for match in pattern("{sentence}").finditer(text)), (len(text), len(text))]:
        for begin in range(start, end, MAX_CLAUSE):
            sentence = text[begin : min(end, begin + MAX_CLAUSE)]
            yield Clause(begin, blank(bracket, sentence))
            for match in bracket.finditer(sentence):
                yield Clause(begin + match.start(1), match[1], sentence[: match.start()][-80:] or " ")
        start = after


def blank(found: re.Pattern[str], value: str) -> str:
    """A text with spaces in place of what a pattern finds. *pure*."""
    return found.sub(lambda match: " " * len(match[0]), value)


@functools.cache
def words(name: str) -> Any:
    """A list or table of the vocabulary. *reads files*."""
    return packaged("_prose")[name]


@functools.cache
def pattern(text: str) -> re.Pattern[str]:
    """A pattern with its {macros} and {lists of words} written out; only Latin letters are letters in it. *reads files*."""
    for name, macro in reversed(words("macros").items()):
        text = text.replace(f"{{{name}}}", macro if isinstance(macro, str) else f"(?:{'|'.join(macro)})")
    for name, group in packaged("_prose").items():
        if f"{{{name}}}" in text:
            listed = group if isinstance(group, list) else [word for one in group.values() for word in one]
            text = text.replace(f"{{{name}}}", "|".join(map(_word, sorted(listed, key=len, reverse=True))))
    return re.compile(text, re.IGNORECASE | re.ASCII)


def _word(word: str) -> str:
    """A word as a pattern: Latin letters as a whole word, a space as any run of them."""
    edges = enumerate((r"(?<![a-z])", r"(?![a-z\d])"))
    left, right = (edge if word[-at].isascii() and word[-at].isalpha() else "" for at, edge in edges)
    return left + re.escape(word).replace(r"\ ", " {1,4}") + right


def meaning(name: str, word: str) -> str:
    """The key of a table of the vocabulary for a word as it stands in a text, "" if it has none. *reads files*."""
    plain = " ".join(word.casefold().split())
    return next((key for key, group in words(name).items() if plain in group), "")
