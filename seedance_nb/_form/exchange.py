"""A form's values as curl, Python or a preset file, without the key; and read from a preset, JSON text or a curl command."""

import codecs
import json
import keyword
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from pprint import pformat
from typing import Any
from urllib.parse import quote

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.values import ABSENT, find, json_text, read_json, shorten, to_pointer
from seedance_nb._check.check import build_body, masked, only_value
from seedance_nb._document import load
from seedance_nb._document.operations import FORMS, is_json
from seedance_nb._document.reader import packaged
from seedance_nb._document.spec import Spec, named_fields, plain_of, values_in
from seedance_nb._form.labels import plain
from seedance_nb._web.regular_files import write

FILLS = "\0"  # mark before and after a part that a shell would replace, such as `$HOME`
_OPTIONS = packaged("_curl")
_PATTERNS: dict[str, re.Pattern[str]] = {name: re.compile(text) for name, text in _OPTIONS["patterns"].items()}
_STARTS = {"label": (".", "."), "matrix": (";", ";"), "simple": ("", ",")}  # of a parameter, and between its parts
WIDTH = 88
PARAMETERS = frozenset({"timeout", "take", "extra", "preflight", "budget", "progress", "api_key", "base_url", "simulate"})  # fmt: skip
"""The parameters of `sd.generate`: a field with such a name goes into `extra`."""
MOST_BYTES = 50_000_000


def read_values(text: str) -> Any:
    """The value in a JSON text or a curl command's body. *pure*: no shell runs, no file is read. Raises: ValueError with the reason."""
    # No line of JSON can start with a command: inside strings a new line is escaped.
    command = _PATTERNS["command"].search(text)
    try:
        return _of_curl(text[command.end(1) :]) if command else read_json(text)
    except ValueError as error:
        raise (error if command else ValueError(f"neither JSON nor a curl command: {error}")) from None


def _of_curl(text: str) -> Any:
    if _PATTERNS["windows"].search(_PATTERNS["quoted"].sub("", text)):
        raise ValueError("this looks like a Windows cmd command; use 'Copy as cURL (bash)' in the browser")
    options = list(_options(words_of(text)))
    if other := next((name for name, _ in options if name in _OPTIONS["other_bodies"]), None):
        raise ValueError(f"curl's {other} {_OPTIONS['other_bodies'][other]}")
    pieces = [(name, word) for name, word in options if name in _OPTIONS["data"]]
    for name, word in pieces:
        if filled := _PATTERNS["filled"].search(word):
            part = f"the body has {filled[1][:60]}, which a shell would replace"
            raise ValueError(f"{part}; write the value itself, or put the body in single quotes")
        if word.startswith("@") and name != "--data-raw":
            source = "standard input" if word == "@-" else f"the file {word[1:]!r}"
            raise ValueError(f"this command's body is {source}, which is not read here; paste its text instead")
    if not pieces:
        raise ValueError("this curl command sends no body; add it with --data, -d or --json")
    body = ("" if all(name == "--json" for name, _ in pieces) else "&").join(word for _, word in pieces)
    try:
        return read_json(body)
    except ValueError as error:
        several = f" ({len(pieces)} data options, joined as curl joins them)" if len(pieces) > 1 else ""
        raise ValueError(f"the body of this curl command is not JSON ({error}): {shorten(body)}{several}") from None


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """The long name and value of every option; combined short options are separated."""
    rest = iter(words)
    for word in rest:
        if word == "curl":
            raise ValueError("this is more than one curl command; paste one of them")
        if word.startswith("--"):
            has_value = word in {*_OPTIONS["data"], *_OPTIONS["other_bodies"], *_OPTIONS["long_with_value"]} - {"--get"}
            yield word, next(rest, "") if has_value else ""
        elif word.startswith("-"):
            for end, letter in enumerate(word[1:], 2):
                takes = letter in _OPTIONS["short_with_value"]
                yield _OPTIONS["short"].get(letter, f"-{letter}"), (word[end:] or next(rest, "")) if takes else ""
                if takes:
                    break


def words_of(text: str) -> list[str]:
    """The words of a shell's first command; a new line does not end it: web pages drop the backslash. *pure*. Raises: ValueError."""
    # Not shlex, whose time grows with the square of a word's length: 30 s for 1.6 MB, and a body may hold an image.
    pieces = groupby(_PATTERNS["piece"].finditer(text.replace(FILLS, "")), lambda piece: piece.lastgroup == "space")
    return ["".join(map(_piece_text, word)) for is_space, word in pieces if not is_space]


def _piece_text(piece: re.Match[str]) -> str:
    text = piece[piece.lastgroup or 0]
    match piece.lastgroup:
        case "open":
            raise ValueError(f"the quote {text[-1]} is never closed")
        case "joined" | "fills":
            return _marked(piece)
        case "double":
            return _PATTERNS["in_double"].sub(lambda one: one["sign"] or _marked(one), text)
        case "ansi":
            # Browsers write characters above U+FFFF as two surrogates.
            halves = _PATTERNS["escape"].sub(_character, text).encode("utf-16-le", "surrogatepass")
            return halves.decode("utf-16-le", "surrogatepass")
    return text


def _marked(piece: re.Match[str]) -> str:
    return f"{FILLS}{piece['fills']}{FILLS}" if piece["fills"] else ""


def _character(escape: re.Match[str]) -> str:
    text = codecs.decode(escape[0], "unicode_escape")
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:  # no bytes; and Firefox writes é as \xe9
        return text


def to_curl(spec: Spec, body: dict[str, Any]) -> str:
    """A curl command for a POSIX shell that sends exactly this body; the shell fills in the key, and `$BASE_URL` if the schema has no URL. *pure*. Raises: ValueError for values that JSON does not allow."""
    json_text(body).encode()  # raises for half of a surrogate pair, which a shell cannot represent
    fields = spec.body.get("properties", {}) if isinstance(body, dict) else {}
    given = {name: child for name, child in fields.items() if name in body and find(child, "/x-in") is not ABSENT}
    at: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    for name, child in given.items():
        at[child["x-in"]][child["x-name"]] = _parameter(child["x-name"], body[name], child)
    body = {name: value for name, value in body.items() if name not in given} if given else body
    options = [f"--header {_quoted(f'{name}: {text}')}" for name, text in at["header"].items()]
    options += [f"--cookie {_quoted(text)}" for text in at["cookie"].values()]
    path = re.sub(r"\{([^{}]*)\}", lambda name: at["path"].get(name[1], name[0]), spec.path)
    query = "&".join(filter(None, at["query"].values()))
    path += f"?{query}" if query else ""
    base = f'"${spec.base_env or "BASE_URL"}"'
    url = _quoted(spec.server + path) if spec.server else base + (_quoted(path) if path else "")
    lines = [f"curl --request {_quoted(spec.method.upper(), bare=True)} {url}"]
    lines += ["--globoff"] * bool(re.search(r"[\[{]", spec.server + path))
    if spec.auth is not None:
        head = f"{spec.auth.header}: {spec.auth.prefix}"
        variable = f"${spec.key_env or 'API_KEY'}"
        quoted = f'"{head}{variable}"' if _PATTERNS["unquoted"].fullmatch(head) else f'{_quoted(head)}"{variable}"'
        lines.append(f"--header {quoted}")
    return " \\\n  ".join([*lines, *options, *_body_options(spec, body)])


def _parameter(name: str, value: Any, schema: dict[str, Any]) -> str:
    """A parameter as it stands in a request, in the styles of OpenAPI 3."""
    style, is_apart = schema["x-style"], schema["x-explode"]
    encode = partial(quote, safe="") if schema["x-in"] in ("path", "query") else str
    comma = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}.get(style, ",")
    items = value if isinstance(value, list) and style != "json" else [value]
    pairs = [(name, encode(plain(one))) for one in items]
    if is_object := isinstance(value, dict) and style != "json":
        pairs = [(f"{name}[{key}]" if style == "deepObject" else key, encode(plain(one))) for key, one in value.items()]
    if not is_apart and style != "deepObject":
        pairs = [(name, comma.join(f"{encode(key)}{comma}{text}" if is_object else text for key, text in pairs))]
    start, between = _STARTS.get(style, ("", "&"))
    is_named = (style not in ("simple", "label") and schema["x-in"] != "header") or (is_object and is_apart)
    return start + between.join(f"{encode(key)}={text}" if is_named else text for key, text in pairs)


def _body_options(spec: Spec, body: Any) -> Iterator[str]:
    """The options of curl for a body of the request's media type. Raises: ValueError for one that has none."""
    kind = spec.content_type.partition(";")[0].strip().lower()
    if is_json(kind) or (isinstance(body, str) and kind not in FORMS):
        yield f"--header {_quoted('Content-Type: ' + ('application/json' if '*' in kind else kind))}"
        is_file = not is_json(kind) and spec.body.get("format") == "binary"
        text = json_text(body) if is_json(kind) else body
        yield f"--data-binary {_quoted(f'@{text}')}" if is_file else f"--data-raw {_quoted(text)}"
    elif kind in FORMS and isinstance(body, dict):
        views = [(path, plain_of(schema, spec.body.get("$defs", {}))) for path, schema in values_in(spec.body)]
        files = {path[0] for path, view in views if view.get("format") == "binary" and path[1:] in ((), ("*",))}
        for name, value in body.items():
            for one in map(plain, value if isinstance(value, list) else [value]):
                is_file = kind == FORMS[0] and name in files and not re.match("https?://|data:", one)
                text = json.dumps(one, ensure_ascii=False) if is_file and re.search('[,;"]', one) else one
                option = "--data-urlencode" if kind == FORMS[1] else "--form" if is_file else "--form-string"
                yield f"{option} {_quoted(f'{name}=' + '@' * is_file + text)}"
    elif kind:
        raise ValueError(f"a body of {kind} cannot be written here: only JSON, forms and text")


def to_python(spec: Spec, body: dict[str, Any]) -> str:
    """Python code that calls `sd.generate` with exactly this request, or `sd.check` without an `x-task` table. *reads files*. Raises: ValueError for values that JSON does not allow."""
    if not isinstance(body, dict):
        raise ValueError("only a request that is an object can be written as Python")  # noqa: TRY004 - the documented one
    json_text(body)  # raises
    options = [_arguments(spec, body, inner=inner) for inner in (True, False)]
    fields, extra = next((one for one in options if build_body(spec, *one) == body), options[1])
    name = spec.name if spec.name in load.model_names() and load.spec(spec.name) is spec else spec.file
    comments = [] if name else ["# document: the dict or the text that the form was created from"]
    plain = {one: fields[one] for one in fields if _PATTERNS["name"].fullmatch(one) and not keyword.iskeyword(one)}
    rest = {name: value for name, value in fields.items() if name not in plain}
    source, here = repr(name) if name else "document", (spec.method, spec.path)
    choice = f", operation={f'{spec.method.upper()} {spec.path}'!r}" if len(spec.operations) > 1 else ""
    if any(spec.content_type != one.content_type for one in spec.operations if (one.method, one.path) == here):
        choice += f", media_type={spec.content_type!r}"
    arguments = [f"sd.spec({source}{choice})" if choice else source]
    arguments += [f"{key}={_value(value, len(key) + 5)}" for key, value in plain.items()]
    arguments += [f"extra={_value(extra, 10)}"] if extra else []
    arguments += [f"**{_value(rest, 6)}"] if rest else []
    call = "video = sd.generate" if spec.task else "problems = sd.check"
    line = f"{call}({', '.join(arguments)})"
    if len(line) > WIDTH or "\n" in line:
        line = "\n".join([f"{call}(", *(f"    {argument}," for argument in arguments), ")"])
    if spec.task and spec.key_env:
        comments.append(f"# The key is read from {spec.key_env}; without one this runs on the simulator.")
    return "\n".join(["import seedance_nb as sd", "", *comments, line])


def _arguments(spec: Spec, body: dict[str, Any], *, inner: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields to pass by name, and the `extra` ones by JSON Pointer: undefined fields and those named like a parameter."""
    fields, extra = dict[str, Any](), dict[str, Any]()
    known = dict(named_fields(spec))
    counts = Counter(path[-1] for path in known)
    ambiguous = {path[:-1] for path in known if counts[path[-1]] > 1}
    for name, value in body.items():
        schema = known.get((name,))
        if schema is None or name in PARAMETERS:
            extra[to_pointer((name,))] = value
        elif only_value(schema) is not ABSENT and only_value(schema) == value and name in spec.body.get("required", ()):
            continue
        elif inner and isinstance(value, dict) and not set(value) & PARAMETERS and (name,) not in ambiguous:
            if value or not (isinstance(schema, dict) and "x-inputs" in schema):
                fields |= value or {name: value}
        else:
            fields[name] = value
    return fields, extra


def _quoted(text: str, *, bare: bool = False) -> str:
    return text if bare and text.isalpha() else "'" + text.replace("'", "'\\''") + "'"


def _value(value: Any, used: int) -> str:
    """A literal for a line of which `used` characters are not available, over several lines if it is long."""
    return pformat(value, width=WIDTH - used, sort_dicts=False).replace("\n", "\n" + " " * used)


def save_preset(path: str | Path, spec: Spec, values: dict[str, Any]) -> Path:
    """The path of the file with the values as JSON, but without secrets. *writes files*: the whole preset, or nothing. Raises: SeedanceError if it cannot be written or would replace another file."""
    file = Path(path).expanduser()
    if not isinstance(values, dict):
        raise SeedanceError("Only a request that is an object can be saved as a preset.")
    try:
        json_text(values).encode()
        preset = {"document": spec.name, "values": masked(spec.body, values, ABSENT)}
        if file.exists():
            _read_preset(file)
        write(file, (json.dumps(preset, ensure_ascii=False, indent=2) + "\n").encode())
    except (ValueError, TypeError) as error:
        problem = f"These values cannot be saved: {error}."
    except SeedanceError:
        problem = f"{file} exists and is not a preset, so it was not replaced."
    except OSError as error:
        problem = f"The preset {file} could not be written ({error.strerror})."
    else:
        return file
    raise SeedanceError(problem, next_step="save it under another name", charged=None)


def load_preset(path: str | Path, spec: Spec) -> dict[str, Any]:
    """The values of a preset. *reads files*. Raises: SeedanceError if it cannot be read, is no preset, or is for another model."""
    file = Path(path).expanduser()
    name, values = _read_preset(file)
    if name != spec.name:
        problem = f"The preset {file} is for {name}, but this form is for {spec.name}."
        next_step = f"load it into sd.form({name!r}), or set the values that fit here with form.values"
        raise SeedanceError(problem, next_step=next_step, charged=None)
    return values


def _read_preset(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        is_large = file.stat().st_size > MOST_BYTES
        match None if is_large else read_json(file.read_bytes().decode("utf-8-sig")):
            case {"document": str(name), "values": dict(values), **rest} if not rest:
                return name, values
        problem = f"has more than {MOST_BYTES:,} bytes" if is_large else 'is not {"document": name, "values": {…}}'
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except ValueError as error:
        problem = f"is not JSON in UTF-8 ({error})"
    next_step = "load a file that form.save(path) wrote"
    raise SeedanceError(f"{file} is not a preset: it {problem}.", next_step=next_step, charged=None)
