"""Split a command line into words as a POSIX shell does. Nothing is run or substituted. Everything is pure."""

import re
from itertools import groupby

FILLS = "\0"  # mark before and after a part that a shell would replace, such as `$HOME`
_LETTERS = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))
_ESCAPE = re.compile(
    r"(?P<bytes>(?:\\x[0-9a-fA-F]{1,2}|\\[0-7]{1,3})+)|\\u(?P<short>[0-9a-fA-F]{1,4})|\\U(?P<long>[0-9a-fA-F]{1,8})|\\(?P<letter>.)",
    re.DOTALL,
)
# What is never closed goes on to the end of the text: looking for an end again at each `${` would take quadratic time.
_FILLS = r"(?P<fills>\$(?:\w+|\{[^}]*+(?:\}|\Z)|\([^)]*+(?:\)|\Z)|[?@*#$!-])|`[^`]*`)"
_IN_DOUBLE = re.compile(rf'\\(?P<sign>[$`"\\])|\\\r?\n|{_FILLS}')
_PIECE = re.compile(
    rf"""(?P<space>(?:\A|\s)(?:\s|\\\r?\n)*(?:\#[^\n]*)? | [;|&<>].* | \\\Z) | (?P<joined>\\\r?\n) | \\(?P<sign>.) | {_FILLS}
    | '(?P<single>[^']*)' | \$'(?P<ansi>(?:[^'\\]|\\.)*+)' | "(?P<double>(?:[^"\\]|\\.)*+)" | (?P<open>\$'|['"]).*
    | (?P<plain>[^\s\\'"$`;|&<>]+ | .)""",
    re.DOTALL | re.VERBOSE,
)


def words_of(text: str) -> list[str]:
    """The words of a shell's first command; a new line does not end it: web pages drop the backslash. *pure*. Raises: ValueError."""
    # Not shlex, whose time grows with the square of a word's length: 30 s for 1.6 MB, and a body may hold an image.
    pieces = groupby(_PIECE.finditer(text.replace(FILLS, "")), lambda piece: piece.lastgroup == "space")
    return ["".join(map(_text, word)) for is_space, word in pieces if not is_space]


def _text(piece: re.Match[str]) -> str:
    text = piece[piece.lastgroup or 0]
    match piece.lastgroup:
        case "open":
            raise ValueError(f"the quote {text[-1]} is never closed")
        case "joined" | "fills":
            return _marked(piece)
        case "double":
            return _IN_DOUBLE.sub(lambda one: one["sign"] or _marked(one), text)
        case "ansi":
            # Browsers write characters above U+FFFF as two surrogates.
            halves = _ESCAPE.sub(_character, text).encode("utf-16-le", "surrogatepass")
            return halves.decode("utf-16-le", "surrogatepass")
    return text


def _marked(piece: re.Match[str]) -> str:
    return f"{FILLS}{piece['fills']}{FILLS}" if piece["fills"] else ""


def _character(escape: re.Match[str]) -> str:
    """The text of an escape within `$'…'`."""
    if escape["bytes"]:
        raw = bytes(int(one[1:], 16) if one[0] == "x" else int(one, 8) & 255 for one in escape["bytes"].split("\\")[1:])
        try:
            return raw.decode()
        except UnicodeDecodeError:  # Firefox writes é as \xe9
            return raw.decode("latin-1")
    if code := escape["short"] or escape["long"]:
        return chr(min(int(code, 16), 0x10FFFF))
    return _LETTERS.get(escape["letter"], escape[0])
