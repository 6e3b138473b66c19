"""Write a request as a curl command or as Python code, without the key."""

import json
import keyword
import re
from typing import Any

from seedance_nb._base.values import ABSENT, json_text, to_pointer
from seedance_nb._check.body import build_body, only_value
from seedance_nb._document.load import model_names
from seedance_nb._document.load import spec as load_spec
from seedance_nb._document.spec import Spec, named_fields

WIDTH = 88
PARAMETERS = frozenset({"timeout", "take", "extra", "preflight", "budget", "progress", "api_key", "base_url", "simulate"})  # fmt: skip
"""The parameters of `sd.generate`: a field with such a name goes into `extra`."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNQUOTED = re.compile(r"[A-Za-z0-9 _.:,/=+-]*")
_WORDS = re.compile(r"[^\n ]*(?:\n| +)|[^\n ]+")


def to_curl(spec: Spec, body: dict[str, Any]) -> str:
    """A curl command for a POSIX shell that sends exactly this body; the shell fills in the key. *pure*.

    A base URL that the schema does not define is `$BASE_URL`. Raises: ValueError for values that JSON does not allow.
    """
    text = json_text(body)
    text.encode()  # raises for half of a surrogate pair, which a shell cannot represent
    url = _quoted(spec.server + spec.path)
    if not spec.server:
        url = f'"${_variable(spec.base_env, "BASE_URL")}"{_quoted(spec.path) if spec.path else ""}'
    lines = [f"curl --request {_quoted(spec.method.upper(), bare=True)} {url}"]
    if re.search(r"[\[{]", spec.server + spec.path):
        lines.append("--globoff")
    if spec.auth is not None:
        head = f"{spec.auth.header}: {spec.auth.prefix}"
        variable = f"${_variable(spec.key_env, 'API_KEY')}"
        quoted = f'"{head}{variable}"' if _UNQUOTED.fullmatch(head) else f'{_quoted(head)}"{variable}"'
        lines.append(f"--header {quoted}")
    lines += ["--header 'Content-Type: application/json'", f"--data-raw {_quoted(text)}"]
    return " \\\n  ".join(lines)


def to_python(spec: Spec, body: dict[str, Any]) -> str:
    """Python code for exactly this request, with its fields as keyword arguments where possible. *reads files*.

    It calls `sd.generate`, or `sd.check` without an `x-task` table. Raises: ValueError for values that JSON does not allow.
    """
    if not isinstance(body, dict):
        raise ValueError("only a request that is an object can be written as Python")  # noqa: TRY004 - the documented one
    expected = _canonical(body)
    options = [_arguments(spec, body, inner=inner) for inner in (True, False)]
    fields, extra = next((one for one in options if _canonical(build_body(spec, *one)) == expected), options[1])
    source, comments = _source(spec)
    plain = {name: value for name, value in fields.items() if _is_name(name)}
    rest = {name: value for name, value in fields.items() if name not in plain}
    arguments = [source, *(f"{name}={_value(value, 4, len(name) + 2)}" for name, value in plain.items())]
    arguments += [f"extra={_value(extra, 4, 7)}"] if extra else []
    arguments += [f"**{_value(rest, 4, 3)}"] if rest else []
    call = "video = sd.generate" if spec.task else "problems = sd.check"
    line = f"{call}({', '.join(arguments)})"
    if len(line) > WIDTH or "\n" in line:
        line = "\n".join([f"{call}(", *(f"    {argument}," for argument in arguments), ")"])
    if spec.task and _VARIABLE.fullmatch(spec.key_env):
        comments.append(f"# The key is read from {spec.key_env}; without one this runs on the simulator.")
    return "\n".join(["import seedance_nb as sd", "", *comments, line])


def _arguments(spec: Spec, body: dict[str, Any], *, inner: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields to pass by name, and the `extra` ones by JSON Pointer: undefined fields and those named like a parameter."""
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        schema = spec.body.get("properties", {}).get(name)
        if schema is None or name in PARAMETERS:
            extra[to_pointer((name,))] = value
        elif only_value(schema) is not ABSENT and only_value(schema) == value and name in spec.body.get("required", ()):
            continue
        elif inner and isinstance(value, dict) and not set(value) & PARAMETERS and _has_unique_fields(spec, name):
            if value or not (isinstance(schema, dict) and "x-inputs" in schema):
                fields |= value or {name: value}
        else:
            fields[name] = value
    return fields, extra


def _has_unique_fields(spec: Spec, name: str) -> bool:
    """Whether an object's fields can be passed by name: no other object has a field with one of these names."""
    own = {field[-1] for field, _ in named_fields(spec) if field[:-1] == (name,)}
    return not own & {field[-1] for field, _ in named_fields(spec) if field[:-1] != (name,)}


def _source(spec: Spec) -> tuple[str, list[str]]:
    """The first argument of the call, and the comment lines about it."""
    source = spec.name if spec.name in model_names() and load_spec(spec.name) is spec else spec.file
    comment = "# document: the dict or the text that the form was created from"
    return (_text(source), []) if source else ("document", [comment])


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _variable(name: str, default: str) -> str:
    return name if _VARIABLE.fullmatch(name) else default


def _quoted(text: str, *, bare: bool = False) -> str:
    return text if bare and text.isalpha() else "'" + text.replace("'", "'\\''") + "'"


def _is_name(name: str) -> bool:
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name) and not name.startswith("__")


def _value(value: Any, indent: int, used: int) -> str:
    """A literal at an indent, over several lines if it is long; `used` characters of the first line are not available."""
    line = _literal(value)
    if indent + used + len(line) <= WIDTH or not value or isinstance(value, bool | int | float):
        return line
    if isinstance(value, str):
        return _wrapped(value, indent) or line
    inner = indent + 4
    if isinstance(value, dict):
        parts = [f"{_text(key)}: {_value(item, inner, len(_text(key)) + 3)}" for key, item in value.items()]
    else:
        parts = [_value(item, inner, 1) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([start, *(f"{' ' * inner}{part}," for part in parts), f"{' ' * indent}{end}"])


def _wrapped(text: str, indent: int) -> str:
    """A long text as several adjacent literals, split after new lines and spaces; "" if it has none."""
    lines: list[str] = []
    for piece in _WORDS.findall(text):
        if lines and not lines[-1].endswith("\n") and len(_text(lines[-1] + piece)) <= WIDTH - indent - 4:
            lines[-1] += piece
        else:
            lines.append(piece)
    whole = "\n".join(["(", *(f"{' ' * indent}    {_text(line)}" for line in lines), f"{' ' * indent})"])
    return whole if lines[1:] else ""


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A Python literal in double quotes; invisible characters are escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in quoted)
