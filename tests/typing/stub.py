"""Writes `seedance_nb/__init__.pyi`, so that editors complete the fields and values of the packaged models: run this file."""

import inspect
import re
from pathlib import Path

import seedance_nb as sd
from seedance_nb._form.model.fields import Field
from seedance_nb._notebook.completion import fields_by_name

STUB = Path(sd.__file__).with_suffix(".pyi")
PLAIN = ("callback", "task", "tasks")
VERBS = ("check", "estimate", "generate", "panel", "preflight", "submit")
TYPES = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list[Any]", "object": "dict[str, Any]",
}  # fmt: skip
IMPORTS = {
    "Document": "_session.session", "Estimate": "_check.price", "Panel": "_notebook.panel", "Report": "_media.preflight", "Row": "_ledger.row", "Tasks": "_task.task",
}  # fmt: skip


def type_of(field: Field) -> str:
    """The values of a field: the schema's own choices, or its type with the likely values before it."""
    names = dict.fromkeys(
        TYPES.get(name, "None" if name == "null" else "Any") for name in field.shape.types or ("any",)
    )
    values = [value for value in field.choices or field.likely if isinstance(value, str | int)]
    literal = f"Literal[{', '.join(map(repr, values))}]".replace("'", '"')
    if field.choices:
        return literal
    text = " | ".join([literal, *names] if values else names)
    return text.replace("list[Any]", "list[str]") if field.media else text


def class_of(name: str) -> str:
    return "_" + "".join(part.title() for part in re.findall(r"[A-Za-z]+|\d+", name))


def signature(verb: str, document: str, fields: str) -> str:
    shown = inspect.signature(getattr(sd, verb))
    parameters = [
        one.replace(annotation=document if one.name == "document" else fields if one.name == "fields" else one.annotation,
                    default=one.default if one.default is one.empty else ...)
        for one in shown.parameters.values()
    ]  # fmt: skip
    text = str(shown.replace(parameters=parameters)).replace("'", "").replace("Ellipsis", "...")
    return f"def {verb}{text}: ..."


def stub() -> str:
    """The text of the stub."""
    lines = [
        "# Written by tests/typing/stub.py: do not edit. The types of the package, with the fields of the packaged models.",
        "from collections.abc import Mapping", "from datetime import date", "from typing import Any, Literal, TypedDict, Unpack, overload", "",
    ]  # fmt: skip
    modules: dict[str, list[str]] = {}
    for name, module in {**vars(sd)["_WHERE"], **IMPORTS}.items():
        if name not in (*VERBS, *PLAIN):
            modules.setdefault(module, []).append(name if name in IMPORTS else f"{name} as {name}")
    lines += [
        f"from seedance_nb.{module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items())
    ]
    lines += ["", "errors: Any", "__version__: str", "__all__: list[str]",
              "def load_ipython_extension(shell: Any) -> None: ..."]  # fmt: skip
    for name, spec in sd.models().items():
        fields = [f"    {key}: {type_of(field)}" for key, field in fields_by_name(spec).items()]
        lines += ["", f"class {class_of(name)}(TypedDict, total=False):", *fields]
    for verb in VERBS:
        lines.append("")
        lines += [
            "@overload\n" + signature(verb, f'Literal["{name}"]', f"Unpack[{class_of(name)}]") for name in sd.models()
        ]
        lines.append("@overload\n" + signature(verb, "Document", "Any"))
    lines += ["", *(signature(verb, "Document | None", "Any") for verb in PLAIN)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
