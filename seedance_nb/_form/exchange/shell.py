"""The words of a command line, as a POSIX shell or Windows' cmd reads them. Nothing is run or filled in. All is pure."""

import re
from typing import NamedTuple

_PLAIN_ESCAPES = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_ANSI = re.compile(r"\\(?:u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_FILLS = re.compile(r"\$(?:\w+|\{[^}]*\}|\([^)]*\)|[?@*#$!-])|`[^`]*`")
_JOINED = re.compile(r"\\\r?\n")
_NEW_LINE = re.compile(r"\r?\n")
_ANSI_INNER = re.compile(r"[^'\\]*(?:\\.[^'\\]*)*", re.DOTALL)
_ENDS = ";|&<>"


class Word(NamedTuple):
    """One word of a command; `fills` is what a shell would have put something in place of, "" if nothing."""

    text: str
    fills: str = ""


def words(text: str) -> list[Word]:
    """The words of the first command of a shell's text. *pure*.

    A new line does not end the command, because pages lose the signs that join lines. Raises: ValueError for an open quote.
    """
    found: list[Word] = []
    at = 0
    while at < len(text):
        sign = text[at]
        if joins := _JOINED.match(text, at):
            at = joins.end()
        elif sign.isspace():
            at += 1
        elif sign == "#":
            at = _upto(text, "\n", at)
        elif sign in _ENDS:
            break
        else:
            word, at = _word(text, at)
            found.append(word)
    return found


def windows_words(text: str) -> list[Word]:
    """The words of a command for Windows' cmd, whose sign before others is ^. *pure*. Raises: ValueError for an open quote."""
    plain, quoted, at = [], False, 0
    while at < len(text):
        sign = text[at]
        if sign == "^" and not quoted:
            at += 1
            if joins := _NEW_LINE.match(text, at):  # goes, and the sign after it stands for itself
                at = joins.end()
            plain.append(text[at : at + 1])
        else:
            quoted ^= sign == '"'
            plain.append(sign)
        at += 1
    return _c_words("".join(plain))


def _upto(text: str, sign: str, at: int) -> int:
    end = text.find(sign, at)
    return len(text) if end < 0 else end


def _closed(text: str, quote: str, at: int) -> int:
    end = text.find(quote, at)
    if end < 0:
        msg = f"a quote {quote} is opened and never closed"
        raise ValueError(msg)
    return end


def _word(text: str, at: int) -> tuple[Word, int]:
    made: list[str] = []
    fills = ""
    while at < len(text) and not text[at].isspace() and text[at] not in _ENDS:
        if text[at] == "'":
            end = _closed(text, "'", at + 1)
            made.append(text[at + 1 : end])
            at = end + 1
        elif text.startswith("$'", at):
            inner, at = _ansi(text, at + 2)
            made.append(inner)
        elif text[at] == '"':
            inner, filled, at = _double(text, at + 1)
            made.append(inner)
            fills = fills or filled
        elif joins := _JOINED.match(text, at):
            at = joins.end()
        elif text[at] == "\\":
            made.append(text[at + 1 : at + 2])
            at += 2
        elif variable := _FILLS.match(text, at):
            fills = fills or variable.group()
            made.append(variable.group())
            at = variable.end()
        else:
            made.append(text[at])
            at += 1
    return Word("".join(made), fills), at


def _double(text: str, at: int) -> tuple[str, str, int]:
    made: list[str] = []
    fills = ""
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and text[at + 1 : at + 2] in ("$", "`", '"', "\\"):
            made.append(text[at + 1])
            at += 2
        elif joined := _JOINED.match(text, at):
            at = joined.end()
        elif variable := _FILLS.match(text, at):
            fills = fills or variable.group()
            made.append(variable.group())
            at = variable.end()
        else:
            made.append(text[at])
            at += 1
    return "".join(made), fills, _closed(text, '"', at) + 1


def _ansi(text: str, at: int) -> tuple[str, int]:
    """What `$'…'` holds, without its quotes, and where it ends."""
    inner = _ANSI_INNER.match(text, at)
    end = _closed(text, "'", inner.end() if inner else at)
    made = b""
    last = at
    for escape in _ANSI.finditer(text, at, end):
        short, long, byte, octal, other = escape.groups()
        made += _bytes(text[last : escape.start()])
        if byte or octal:
            made += bytes([(int(byte, 16) if byte else int(octal, 8)) & 255])
        elif short or long:
            made += _bytes(chr(min(int(short or long, 16), 0x10FFFF)))
        else:
            made += _bytes(_PLAIN_ESCAPES.get(other, f"\\{other}"))
        last = escape.end()
    made += _bytes(text[last:end])
    # Browsers write a sign beyond the first 65,536 as two halves; together they are it.
    halves = made.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    return halves.decode("utf-16-le", "surrogatepass"), end + 1


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _c_words(text: str) -> list[Word]:
    """The words as a Windows program takes them apart: quotes group, and a backslash counts only before a quote."""
    found: list[Word] = []
    made: list[str] | None = None
    quoted = False
    for piece in re.findall(r'\\*"|\\+|\s|[^\\"\s]+', text):
        if piece.isspace() and not quoted:
            found += [Word("".join(made))] if made is not None else []
            made = None
            continue
        made = made if made is not None else []
        if piece.endswith('"'):
            slashes = len(piece) - 1
            made.append("\\" * (slashes // 2) + '"' * (slashes % 2))
            quoted ^= slashes % 2 == 0
        else:
            made.append(piece)
    if quoted:
        msg = 'a quote " is opened and never closed'
        raise ValueError(msg)
    return found + ([Word("".join(made))] if made is not None else [])
