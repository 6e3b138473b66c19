"""A request in words, `MODEL --field value …`: those of a command in a terminal, or of the magic's line."""

import re
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction
from collections.abc import Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from textwrap import shorten
from typing import Any

from seedance_nb._check.check import KEY_NAME, build_body
from seedance_nb._document.load import spec
from seedance_nb._document.reader import packaged
from seedance_nb._document.spec import Spec
from seedance_nb._form.model.values import from_text
from seedance_nb._notebook.completion import description, fields_by_name

_TYPES = {"int": int, "float": float, "path": Path, "day": date.fromisoformat}
_NAME = re.compile(r"--([A-Za-z][\w-]{0,99})(?:=.*)?", re.DOTALL)


def add_options(parser: Any, options: dict[str, dict[str, Any]]) -> None:
    """Add the options of a table, as `_commands.yaml` has them, to a parser."""
    parser.register("action", "switch", BooleanOptionalAction)
    for name, settings in options.items():
        parser.add_argument(name, **settings | ({"type": _TYPES[settings["type"]]} if "type" in settings else {}))


def request_of(kind: str, prog: str, words: Sequence[str]) -> tuple[Spec, Any, dict[str, Any]]:
    """The model, options and fields that the words after `prog` describe. *reads files*. Raises: SpecError; SystemExit for wrong words, and --help."""
    model, table = spec(words[0]), packaged("_commands")
    usage, about = f"{prog} {words[0]} [options] --field value …", f"{model.title}, {model.mode}"
    parser = ArgumentParser(prog=f"{prog} {words[0]}", usage=usage, allow_abbrev=False, description=about)
    options = {f"--{name}": table["request"][name] for name in table[kind]}
    add_options(parser, options)
    group = parser.add_argument_group("fields", "for a list, give an option more than once, or JSON")
    known = {name: field for name, field in fields_by_name(model).items() if f"--{name}" not in options}
    found = [name[1].replace("-", "_") for name in map(_NAME.fullmatch, words[1:]) if name]
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
