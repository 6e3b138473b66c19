"""A model's fields as parameters: of the function that `sd.model` returns, of a command's words, and for Tab completion in IPython."""

import ast
import re
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from inspect import Parameter, Signature, signature
from itertools import chain
from keyword import iskeyword
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

from seedance_nb._check.check import KEY_NAME, build_body
from seedance_nb._document.load import model_names, spec
from seedance_nb._document.reader import packaged
from seedance_nb._document.spec import Spec
from seedance_nb._form.model.fields import Field, tree
from seedance_nb._form.model.values import from_text

_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}
_OPTION_TYPES = {"int": int, "float": float, "path": Path}
_CALL = re.compile(r"""(?:\b(\w+)\s*\.\s*)?\b(\w+)\((?:\s*(["'][^"'\n]*["'])\s*\)\s*\()?""")  # also sd.model("name")(
_MAGIC = re.compile(r"[ \t]*%%?seedance[ \t]+(.*)")
_FLAG = re.compile(r"--([A-Za-z][\w-]{0,99})(?:=.*)?", re.DOTALL)
_PART = re.compile(r"""(?:"{3}.*?(?:"{3}|\Z))|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|\#[^\n]*|.""", re.DOTALL)


def fields_by_name(document: Spec) -> dict[str, Field]:
    """The fields that functions take by name, those under "Advanced" last. *reads files*."""
    fields, ahead = dict[str, Field](), [tree(document)]
    for field in ahead:
        ahead += field.children
        name = field.path[-1] if field.path and field.kind not in ("group", "constant") else ""
        if name.isidentifier() and not iskeyword(name):
            fields.setdefault(name, field)
    return dict(sorted(fields.items(), key=lambda item: bool(item[1].advanced)))


def description(field: Field) -> str:
    """A field in the provider's words, with the limits from other sources. *pure*."""
    usual = f"Usually {field.third_party_limits} ({field.source})." if field.third_party_limits else ""
    return " ".join(filter(None, (field.help, *field.more, usual))) or field.label


def function_for(document: Spec, call: Any) -> Any:
    """`call` with a model's fields as its signature, and the words of its docs as its docstring. *reads files*."""
    name, parameters = document.name, []
    about = ", ".join(filter(None, (document.title, document.mode)))
    lines = [f"{about}: `sd.generate({name!r}, …)`, which *spends credits*.", ""]
    for key, field in fields_by_name(document).items():
        kind: Any = Literal.__getitem__(field.choices) if field.choices else _TYPES.get("".join(field.shape.types), Any)
        default = Parameter.empty if field.required else field.default
        parameters.append(Parameter(key, Parameter.KEYWORD_ONLY, default=default, annotation=kind))
        lines.append(f"  {key}: {description(field)}")
    call.__doc__ = "\n".join([*lines, "", f"It also takes the options of `sd.generate`. Source: {document.source}"])
    call.spec, call.__signature__, call.__module__ = document, Signature(parameters), "seedance_nb"
    call.__name__ = call.__qualname__ = re.sub(r"\W", "_", name)
    return call


def add_options(parser: Any, options: dict[str, dict[str, Any]]) -> None:
    """Add the options of a table, as `_commands.yaml` has them, to a parser."""
    parser.register("action", "switch", BooleanOptionalAction)
    for name, settings in options.items():
        kind = {"type": _OPTION_TYPES[settings["type"]]} if "type" in settings else {}
        parser.add_argument(name, **settings | kind)


def request_of(kind: str, prog: str, words: Sequence[str]) -> tuple[Spec, Any, dict[str, Any]]:
    """The model, options and fields that the words after `prog` describe. *reads files*. Raises: SpecError; SystemExit for wrong words, and --help."""
    model, table = spec(words[0]), packaged("_commands")
    usage, about = f"{prog} {words[0]} [options] --field value …", ", ".join(filter(None, (model.title, model.mode)))
    parser = ArgumentParser(prog=f"{prog} {words[0]}", usage=usage, allow_abbrev=False, description=about)
    options = {f"--{name}": table["request"][name] for name in table[kind]}
    add_options(parser, options)
    group = parser.add_argument_group("fields", "for a list, give an option more than once, or JSON")
    known = {name: field for name, field in fields_by_name(model).items() if f"--{name}" not in options}
    found = [name[1].replace("-", "_") for name in map(_FLAG.fullmatch, words[1:]) if name]
    found = [name for name in found if f"--{name.replace('_', '-').removeprefix('no-')}" not in (*options, "--help")]
    types = dict[str, Sequence[str]]()
    for name in dict.fromkeys([*known, *found]):  # also unknown ones, which the check explains better
        field = known.get(name)
        if (field is None and KEY_NAME.fullmatch(name)) or (field and field.kind == "password" and name in found):
            parser.error(table["no_key"])
        types[name] = field.shape.types if field else ()
        more: dict[str, Any] = {"nargs": "?", "const": "true"} if types[name] == ("boolean",) else {}
        text = shorten(description(field), 200, placeholder=" …").replace("%", "%%") if field else SUPPRESS
        values = "|".join(map(str, (field.choices or field.likely)[:12])) if field else ""
        flags = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
        group.add_argument(*flags, dest=f".{name}", action="append", metavar=values or "…", help=text, **more)
    chosen = parser.parse_args(words[1:])
    fields: dict[str, Any] = {}
    for name in types:
        given = [from_text(text, types[name]) for text in getattr(chosen, f".{name}") or ()]
        lists = (value if isinstance(value, list) else [value] for value in given)
        fields |= {name: given[0] if len(given) == 1 else [*chain.from_iterable(lists)]} if given else {}
    return model, chosen, build_body(model, fields)


def complete(context: Any) -> dict[str, Any]:
    """The matches for IPython's completer; none if anything fails, because Tab must not. *reads files*."""
    from IPython import get_ipython
    from IPython.core.completer import SimpleCompletion

    texts, fragment = list[str](), context.token
    with suppress(Exception):
        *lines, line = context.full_text.split("\n")[: context.cursor_line + 1]
        texts, fragment = proposals("\n".join([*lines, line[: context.cursor_position]]), get_ipython().user_ns)
    completions = [SimpleCompletion(text, type="param") for text in texts]
    return {"completions": completions, "matched_fragment": fragment, "suppress": bool(texts), "ordered": True}


def proposals(code: str, namespace: Mapping[str, Any]) -> tuple[list[str], str]:
    """What may stand in place of the last part of the code before the cursor, and that part. *reads files*."""
    if magic := _MAGIC.fullmatch(code.rpartition("\n")[2]):
        return _words(magic[1].split(" "))
    for call in reversed([*_CALL.finditer(code)]):
        owner, name, literal = call.groups()
        function = namespace.get(owner or name)
        function = getattr(function, name, None) if owner and _is_ours(function) else function
        if not callable(function) or not _is_ours(function) or not (arguments := _arguments(code, call.end())):
            continue
        *before, last = arguments
        parameters = signature(function).parameters
        model = getattr(function, "spec", None) or (literal and ast.literal_eval(literal))
        if not model and next(iter(parameters), "") in ("document", "source"):
            if not before:
                return _starting(model_names(), last)
            model = ast.literal_eval(before[0]) if before[0][:1] in "\"'" else namespace.get(before[0].strip())
        fields = fields_by_name(spec(model))
        key, equals, value = last.partition("=")
        if equals and (field := fields.get(key.strip())):
            return _starting((True, False) if field.kind == "toggle" else field.choices or field.likely, value.lstrip())
        options = sorted(key for key, one in parameters.items() if one.kind is one.KEYWORD_ONLY)
        given = {argument.partition("=")[0].strip() for argument in before}
        names = (key for key in dict.fromkeys([*fields, *options]) if key not in given and key.startswith(last))
        return [f"{key}=" for key in names], last
    return [], ""


def _words(words: list[str]) -> tuple[list[str], str]:
    """What may stand in place of the last of these words of the magic's line, and that word."""
    *before, last = words
    if not before:
        return [name for name in model_names() if name.startswith(last)], last
    fields, (name, equals, value) = fields_by_name(spec(before[0])), last.partition("=")
    name, value = (name, value) if equals else (before[-1], last)
    field = fields.get(name.removeprefix("--").replace("-", "_")) if name.startswith("--") else None
    if field and not value.startswith("-"):
        values = map(str, ("true", "false") if field.kind == "toggle" else field.choices or field.likely)
        return [text for text in values if text.startswith(value)], value
    flags = [f"--{name.replace('_', '-')}" for name in (*fields, *packaged("_commands")["magic"])]
    return [flag for flag in flags if flag.startswith(last) and flag not in before], last


def _is_ours(value: Any) -> bool:
    return str(getattr(value, "__module__", None) or getattr(value, "__name__", "")).startswith("seedance_nb")


def _starting(values: Iterable[Any], typed: str) -> tuple[list[str], str]:
    """The values that begin with what is typed, as Python code; within quotes, as text."""
    if typed.startswith(("'", '"')):
        return [value for value in values if isinstance(value, str) and value.startswith(typed[1:])], typed[1:]
    return [text for text in map(repr, values) if text.startswith(typed)], typed


def _arguments(code: str, start: int) -> list[str]:
    """The arguments of a call up to the cursor, [] if it ends before, or another bracket is open there."""
    arguments, depth = [""], 0
    for part in (found[0] for found in _PART.finditer(code, start)):
        depth += (part in ("(", "[", "{")) - (part in (")", "]", "}"))
        if depth < 0:
            break
        arguments += [""] if part == "," and not depth else []
        arguments[-1] += "" if part.startswith("#") or (part == "," and not depth) else part
    return [] if depth else [argument.lstrip() for argument in arguments]
