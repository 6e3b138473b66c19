"""The vocabulary of limits in English and Chinese, and the text of a description in one form, clause by clause."""

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from seedance_nb._document.reader import packaged

WORDS: dict[str, Any] = packaged("_prose")
MAX_LENGTH, MAX_CLAUSE = 20_000, 1_000
_LIKE = str.maketrans("、–—−〜∼×‘’“”「」【】•●·…", ',~~-~~x\'\'""""[]---.')
QUOTES = "`\"' "


class Clause(NamedTuple):
    """A sentence with spaces for its brackets, or the inside of a bracket with `outer`, what stands before it; `start` is its place."""

    start: int
    value: str
    outer: str = ""


def normalised(original: str) -> tuple[str, list[int]]:
    """The first 20,000 characters of a description without markup and with each sign in one form, and where each stands. *pure*."""
    plain = pattern("{marks}").sub(
        lambda mark: WORDS["signs"].get(mark.lastgroup, "").ljust(len(mark[0]), "\0"), original[:MAX_LENGTH]
    )
    forms = ((sign, unicodedata.normalize("NFKC", sign)) for sign in plain.translate(_LIKE))
    same_length = (form if len(form) == 1 and sign.isdigit() == sign.isdecimal() else sign for sign, form in forms)
    signs = "".join(same_length).translate(_LIKE)
    places = [place for place, sign in enumerate(signs) if sign != "\0"]
    return pattern("{wrap}").sub(" ", "".join(signs[place] for place in places)), places


def clauses(text: str) -> Iterator[Clause]:
    """The clauses of a normalised text in order: each sentence, and after it its brackets. *pure*."""
    start = 0
    for end, after in [*(match.span() for match in pattern("{sentence}").finditer(text)), (len(text), len(text))]:
        for begin in range(start, end, MAX_CLAUSE):
            sentence = text[begin : min(end, begin + MAX_CLAUSE)]
            yield Clause(begin, pattern("{bracket}").sub(lambda match: " " * len(match[0]), sentence))
            for match in pattern("{bracket}").finditer(sentence):
                yield Clause(begin + match.start(1), match[1], sentence[: match.start()][-80:] or " ")
        start = after


@functools.cache
def pattern(text: str) -> re.Pattern[str]:
    """A pattern with its {macros} and {lists of words} written out; only Latin letters are letters in it. *pure*."""
    for name, macro in reversed(WORDS["macros"].items()):
        text = text.replace(f"{{{name}}}", macro if isinstance(macro, str) else f"(?:{'|'.join(macro)})")
    for name, group in WORDS.items():
        if f"{{{name}}}" in text:
            listed = group if isinstance(group, list) else [word for one in group.values() for word in one]
            text = text.replace(f"{{{name}}}", "|".join(map(_word, sorted(listed, key=len, reverse=True))))
    return re.compile(text, re.IGNORECASE | re.ASCII)


def _word(word: str) -> str:
    """A word as a pattern: Latin letters as a whole word, a space as any run of them."""
    left, right = (one.isascii() and one.isalpha() for one in (word[0], word[-1]))
    return r"(?<![a-z])(?<![a-z]_)" * left + re.escape(word).replace(r"\ ", " {1,4}") + r"(?![a-z\d])" * right


def meaning(name: str, word: str) -> str:
    """The key of a table of the vocabulary for a word as it stands in a text, "" if it has none. *pure*."""
    return next((key for key, group in WORDS[name].items() if " ".join(word.casefold().split()) in group), "")


def plain(value: str) -> str:
    """A value without its quotation marks, its unit and what stands in brackets behind it. *pure*."""
    inner = pattern(r" ?\([^()]*\)$").sub("", value).strip(QUOTES).rstrip(".,")
    return pattern(r"(?<=\d)[`\"']*\s?(?:s|sec|seconds|秒|fps|帧|px|ms)\.?$").sub("", inner)
