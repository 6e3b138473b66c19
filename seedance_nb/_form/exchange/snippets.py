"""A request as code that a person can take away: a curl command, or a few lines of Python. No key is ever part of it."""

import json
import keyword
import re
from typing import Any

from seedance_nb._base.values import ABSENT, json_text, to_pointer
from seedance_nb._check.body import build_body, only_value
from seedance_nb._document.load import model_names
from seedance_nb._document.load import spec as document_named
from seedance_nb._document.spec import Spec, named_fields

WIDTH = 88
OWN_WORDS = frozenset({"timeout", "take", "extra", "preflight", "budget", "api_key", "base_url", "simulate"})
"""Words that `sd.generate` keeps for itself: a field of such a name goes into `extra`."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CALM = re.compile(r"[A-Za-z0-9 _.:,/=+-]*")
_BREAKS = re.compile(r"[^\n ]*(?:\n| +)|[^\n ]+")


def to_curl(spec: Spec, body: dict[str, Any]) -> str:
    """A command for a POSIX shell that sends exactly this body; the shell fills in the key from its variable. *pure*.

    What the document does not say is left to the shell too, as `$BASE_URL`. Raises: ValueError for what JSON cannot carry.
    """
    text = json_text(body)
    text.encode()  # half of a surrogate pair is no text that a shell could take
    url = _quoted(spec.server + spec.path)
    if not spec.server:
        url = f'"${_variable(spec.base_env, "BASE_URL")}"{_quoted(spec.path) if spec.path else ""}'
    lines = [f"curl --request {_quoted(spec.method.upper(), bare=True)} {url}"]
    if re.search(r"[\[{]", spec.server + spec.path):
        lines.append("--globoff")
    if spec.auth is not None:
        head = f"{spec.auth.header}: {spec.auth.prefix}"
        variable = f"${_variable(spec.key_env, 'API_KEY')}"
        lines.append(
            f'--header "{head}{variable}"' if _CALM.fullmatch(head) else f'--header {_quoted(head)}"{variable}"'
        )
    lines += ["--header 'Content-Type: application/json'", f"--data-raw {_quoted(text)}"]
    return " \\\n  ".join(lines)


def to_python(spec: Spec, body: dict[str, Any]) -> str:
    """Python that makes the very same request, its fields by their own names where they find their places. *reads files*.

    A document without an `x-task` table cannot be sent: there it is checked. Raises: ValueError for what JSON cannot carry.
    """
    if not isinstance(body, dict):
        msg = "only a request that is an object can be written as Python"
        raise ValueError(msg)  # noqa: TRY004 - the one error that this function names
    wanted = _canonical(body)
    tries = [_arguments(spec, body, inner=inner) for inner in (True, False)]
    fields, extra = next((one for one in tries if _canonical(build_body(spec, *one)) == wanted), tries[-1])
    document, told = _document(spec)
    plain = {name: value for name, value in fields.items() if _is_name(name)}
    rest = {name: value for name, value in fields.items() if name not in plain}
    given = [document, *(f"{name}={_value(value, 4, len(name) + 2)}" for name, value in plain.items())]
    given += [f"extra={_value(extra, 4, 7)}"] if extra else []
    given += [f"**{_value(rest, 4, 3)}"] if rest else []
    call = "video = sd.generate" if spec.task else "problems = sd.check"
    line = f"{call}({', '.join(given)})"
    if len(line) > WIDTH or "\n" in line:
        line = "\n".join([f"{call}(", *(f"    {argument}," for argument in given), ")"])
    return "\n".join(["import seedance_nb as sd", "", *told, *_about_key(spec), line])


def _arguments(spec: Spec, body: dict[str, Any], *, inner: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the call is given by name, and what only by its place: names of our own, and what the document has nowhere."""
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    known = spec.body.get("properties", {})
    for name, value in body.items():
        schema = known.get(name)
        if schema is None or name in OWN_WORDS:
            extra[to_pointer((name,))] = value
        elif only_value(schema) is not ABSENT and only_value(schema) == value and name in spec.body.get("required", ()):
            continue
        elif inner and isinstance(value, dict) and not set(value) & OWN_WORDS and _opens(spec, (name,)):
            if value or not (isinstance(schema, dict) and "x-inputs" in schema):
                fields |= value or {name: value}
        else:
            fields[name] = value
    return fields, extra


def _opens(spec: Spec, path: tuple[str, ...]) -> bool:
    """Whether an object's fields may stand by their own names: no other object has one of these."""
    own = {field[-1] for field, _ in named_fields(spec) if field[:-1] == path}
    return not own & {field[-1] for field, _ in named_fields(spec) if field[:-1] != path}


def _document(spec: Spec) -> tuple[str, list[str]]:
    if spec.name in model_names() and document_named(spec.name) is spec:
        return _text(spec.name), []
    if spec.file:
        return _text(spec.file), []
    return "document", ["# document: the dict or the text that the form was made of"]


def _about_key(spec: Spec) -> list[str]:
    if spec.task is None or not _VARIABLE.fullmatch(spec.key_env):
        return []
    return [f"# The key is read from {spec.key_env}; without one this runs on the simulator."]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _variable(name: str, otherwise: str) -> str:
    return name if _VARIABLE.fullmatch(name) else otherwise


def _quoted(text: str, *, bare: bool = False) -> str:
    return text if bare and text.isalpha() else "'" + text.replace("'", "'\\''") + "'"


def _is_name(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name) and not name.startswith("__")


def _value(value: Any, indent: int, taken: int) -> str:
    """A literal at this indent, `taken` characters of whose first line are used; long ones over several lines."""
    line = _literal(value)
    if indent + taken + len(line) <= WIDTH or not value or isinstance(value, bool | int | float):
        return line
    if isinstance(value, str):
        return _wrapped(value, indent) or line
    inner = indent + 4
    if isinstance(value, dict):
        parts = [f"{_text(key)}: {_value(item, inner, len(_text(key)) + 3)}" for key, item in value.items()]
    else:
        parts = [_value(item, inner, 1) for item in value]
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opened, *(f"{' ' * inner}{part}," for part in parts), f"{' ' * indent}{closed}"])


def _wrapped(text: str, indent: int) -> str:
    """A long text as several short ones that Python joins, broken after new lines and spaces; "" where it has none."""
    lines: list[str] = []
    for piece in _BREAKS.findall(text):
        room = WIDTH - indent - 4
        if lines and not lines[-1].endswith("\n") and len(_text(lines[-1] + piece)) <= room:
            lines[-1] += piece
        else:
            lines.append(piece)
    if len(lines) < 2:  # noqa: PLR2004 - one line gains nothing
        return ""
    return "\n".join(["(", *(f"{' ' * indent}    {_text(line)}" for line in lines), f"{' ' * indent})"])


def _literal(value: Any) -> str:
    match value:
        case str():
            return _text(value)
        case dict():
            return "{" + ", ".join(f"{_text(key)}: {_literal(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_literal, value)) + "]"
        case _:
            return repr(value)


def _text(text: str) -> str:
    """A Python literal in double quotes; signs that cannot be seen are written as escapes."""
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in json.dumps(text, ensure_ascii=False))


def _escape(sign: str) -> str:
    number = ord(sign)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004 - four hex digits
