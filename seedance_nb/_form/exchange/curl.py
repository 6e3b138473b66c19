"""Read a request body from JSON text, or from a curl command copied from API docs or a browser. Everything is pure."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from seedance_nb._base.text import shorten
from seedance_nb._base.values import read_json

FILLS = "\0"  # mark before and after a part that a shell would replace, such as `$HOME`
_CURL = re.compile(r"^[ \t]*(?:[$%][ \t]+)?(curl(?:\.exe)?)(?=\s|\^|\\)", re.MULTILINE)
_APART = re.compile(r"\\.|'[^']*'", re.DOTALL)
_WINDOWS = re.compile(r'\^(?:"|[ \t]*\r?\n)')
_FILLED = re.compile(f"{FILLS}(.+?){FILLS}", re.DOTALL)
_DATA = ("--data", "--data-ascii", "--data-binary", "--data-raw", "--json")
_OTHER_BODIES = {
    "--data-urlencode": "uses the encoding of web forms, not JSON", "--form": "sends a multipart form, not JSON",
    "--form-string": "sends a multipart form, not JSON", "--upload-file": "sends a file, which is not read here",
    "--get": "puts the data into the URL and sends no body",
}  # fmt: skip
_LONG = {"d": "--data", "F": "--form", "T": "--upload-file", "G": "--get"}
_WITH_VALUE = "AbcCdDeEFhHKmoPQrtTuUwxXyYz"  # curl's short options with a value
_LONG_WITH_VALUE = frozenset({
    "--request", "--header", "--url", "--user", "--user-agent", "--referer", "--cookie", "--output", "--proxy", "--max-time",
    "--connect-timeout", "--retry", "--cacert", "--cert", "--key", "--write-out", "--resolve", "--config", "--oauth2-bearer",
})  # fmt: skip
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


def read_values(text: str) -> dict[str, Any]:
    """The object in a JSON text or a curl command's body. *pure*: no shell runs, no file is read. Raises: ValueError with the reason."""
    # No line of JSON can start with a command: inside strings a new line is escaped.
    command = _CURL.search(text)
    try:
        value = _of_curl(text[command.end(1) :]) if command else read_json(text)
    except ValueError as error:
        raise (error if command else ValueError(f"neither JSON nor a curl command: {error}")) from None
    if not isinstance(value, dict):
        raise ValueError("values must be an object: a request body, or fields by their names")  # noqa: TRY004 - as for text
    return value


def _of_curl(text: str) -> Any:
    if _WINDOWS.search(_APART.sub("", text)):
        raise ValueError("this looks like a Windows cmd command; use 'Copy as cURL (bash)' in the browser")
    options = list(_options(words_of(text)))
    for name, _ in options:
        if name in _OTHER_BODIES:
            raise ValueError(f"curl's {name} {_OTHER_BODIES[name]}")
    pieces = [_literal(name, word) for name, word in options if name in _DATA]
    if not pieces:
        raise ValueError("this curl command sends no body; add it with --data, -d or --json")
    body = ("" if all(name == "--json" for name, _ in options if name in _DATA) else "&").join(pieces)
    try:
        return read_json(body)
    except ValueError as error:
        several = f" ({len(pieces)} data options, joined as curl joins them)" if len(pieces) > 1 else ""
        raise ValueError(f"the body of this curl command is not JSON ({error}): {shorten(body)}{several}") from None


def _literal(name: str, word: str) -> str:
    if substitution := _FILLED.search(word):
        raise ValueError(
            f"the body has {substitution[1][:60]}, which a shell would replace; write the value itself, or put the body in single quotes"
        )
    if word.startswith("@") and name != "--data-raw":
        source = "standard input" if word == "@-" else f"the file {word[1:]!r}"
        raise ValueError(f"the body of this curl command is {source}, which is not read here; paste its text instead")
    return word


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """The long name and value of every option; combined short options are separated."""
    rest = iter(words)
    for word in rest:
        if word == "curl":
            raise ValueError("this is more than one curl command; paste one of them")
        if word.startswith("--"):
            has_value = word in _DATA or (word in _OTHER_BODIES and word != "--get") or word in _LONG_WITH_VALUE
            yield word, next(rest, "") if has_value else ""
        elif word.startswith("-"):
            for end, letter in enumerate(word[1:], 2):
                takes = letter in _WITH_VALUE
                yield _LONG.get(letter, f"-{letter}"), (word[end:] or next(rest, "")) if takes else ""
                if takes:
                    break


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
