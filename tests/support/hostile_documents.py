"""Documents that want to harm whoever opens them, each made by a function, and what a person does with one."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import seedance_nb as sd
from seedance_nb._document import load  # noqa: F401 - loaded before the children are forked
from seedance_nb._form import form as form_module  # noqa: F401 - loaded before the children are forked
from seedance_nb._schema import validator  # noqa: F401 - loaded before the children are forked

Maker = Callable[[Path, str], Any]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)> \u202e\u2066 </style></textarea>"


def openapi(schema: Any, **more: Any) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    paths = {"/v": {"post": {"requestBody": body, "responses": {}}}}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, **more}


def fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"text": {"type": "string"}, **properties}}


def nested_one_of(deep: int, *, key: str = "oneOf", inside: bool = False) -> dict[str, Any]:
    """Each level is two times the next, by shared references; with `inside` the next is a field of it."""
    schemas: dict[str, Any] = {f"L{deep}": {"type": "object", "properties": {"z": {"type": "integer"}}}}
    for level in range(deep):
        ref = {"$ref": f"#/components/schemas/L{level + 1}"}
        one = {"type": "object", "properties": {"a": ref}} if inside else ref
        other = {"type": "object", "properties": {"a": ref}, "required": ["b"]} if inside else ref
        schemas[f"L{level}"] = {key: [one, other]}
    return openapi(fields(deep={"$ref": "#/components/schemas/L0"}), components={"schemas": schemas})


def fan_out(deep: int, wide: int, key: str) -> dict[str, Any]:
    schemas: dict[str, Any] = {f"F{deep}": {"type": "string"}}
    for level in range(deep):
        schemas[f"F{level}"] = {key: [{"$ref": f"#/components/schemas/F{level + 1}"}] * wide}
    return openapi(fields(fan={"$ref": "#/components/schemas/F0"}), components={"schemas": schemas})


def fan_of_fields(deep: int, wide: int) -> dict[str, Any]:
    schemas: dict[str, Any] = {f"F{deep}": {"type": "string"}}
    for level in range(deep):
        ref = {"$ref": f"#/components/schemas/F{level + 1}"}
        schemas[f"F{level}"] = {"type": "object", "properties": {f"p{n}": ref for n in range(wide)}, "required": ["p0"]}
    return openapi({"$ref": "#/components/schemas/F0"}, components={"schemas": schemas})


def laughs(deep: int = 9, wide: int = 9) -> str:
    lines = ["a0: &a0 lol"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * wide)}]" for n in range(1, deep + 1)]
    return "\n".join(lines) + "\n"


def merge_bomb(deep: int = 30) -> str:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, deep + 1)]
    return "\n".join(lines) + "\n"


def itself() -> dict[str, Any]:
    made: dict[str, Any] = fields()
    made["properties"]["again"] = made
    return made


def deep_dict(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        made = {"type": "object", "properties": {"a": made}}
    return made


def deep_json(levels: int) -> str:
    return '{"type":"object","properties":{"a":' + '{"items":' * levels + "{}" + "}" * levels + "}}"


def file_of(folder: Path, content: bytes, name: str = "document.yaml") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def fifo(folder: Path, _: str) -> Path:
    path = folder / "pipe.yaml"
    os.mkfifo(path)
    return path


def link(folder: Path, target: str) -> Path:
    path = folder / "link.yaml"
    path.symlink_to(target)
    return path


REDOS = (
    "^(a+)+$",
    "(a|aa)+$",
    "(.*,){12}P",
    r"(\w*)*(\w*)*$",
    "(x+x+)+y",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "((((a{1,99}){1,99}){1,99}){1,99})$",
)
PLAIN_YAML = "type: object\nproperties:\n  text: {type: string}\n"
HUGE = "9" * 5000

DOCUMENTS: dict[str, Maker] = {
    "a remote $ref": lambda _, origin: openapi(fields(far={"$ref": f"{origin}/schema.json"})),
    "a remote $ref in a path item": lambda _, origin: {**openapi(fields()), "paths": {"/v": {"$ref": f"{origin}/path.yaml"}}},
    "a remote $id and a $ref below it": lambda _, origin: {"$id": f"{origin}/root.json", **fields(far={"$ref": "other.json"})},
    "a remote $schema": lambda _, origin: {"$schema": f"{origin}/meta.json", **fields()},
    "a remote $dynamicRef": lambda _, origin: fields(far={"$dynamicRef": f"{origin}/meta.json#x"}),
    "a $ref to a file": lambda *_: openapi(fields(far={"$ref": "file:///etc/passwd"})),
    "a $ref to a file beside it": lambda folder, _: file_of(folder, b"type: object\nproperties: {a: {$ref: 'other.yaml#/a'}}\n"),
    "a $ref to itself": lambda *_: {"$ref": "#"},
    "two $refs to each other": lambda *_: {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "a circle of allOf": lambda *_: {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}, fields()]}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
    "allOf of 4 to the power of 9": lambda *_: fan_out(9, 4, "allOf"),
    "anyOf of 4 to the power of 9": lambda *_: fan_out(9, 4, "anyOf"),
    "fields of 8 to the power of 9": lambda *_: fan_of_fields(9, 8),
    "oneOf nested 18 deep": lambda *_: nested_one_of(18),
    "oneOf nested 40 deep": lambda *_: nested_one_of(40),
    "anyOf nested 18 deep": lambda *_: nested_one_of(18, key="anyOf"),
    "oneOf of fields nested 18 deep": lambda *_: nested_one_of(18, inside=True),
    "a root that holds itself": lambda *_: fields(again={"$ref": "#"}, many={"type": "array", "items": {"$ref": "#"}}),
    "a root that needs itself": lambda *_: {**fields(again={"$ref": "#"}), "required": ["again"]},
    "laughs": lambda *_: laughs(),
    "a bomb of merge keys": lambda *_: merge_bomb(),
    "merge keys that grow": lambda *_: "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: v}}\n" for n in range(1, 20_000)),
    "an alias that makes a circle": lambda *_: "type: object\nproperties: &p\n  a: {properties: *p}\n",
    "a dict that holds itself": lambda *_: itself(),
    "a dict 100,000 deep": lambda *_: deep_dict(100_000),
    "YAML 100,000 deep": lambda *_: "a: " + "[" * 100_000 + "]" * 100_000 + "\n",
    "YAML 100,000 deep by indents": lambda *_: "a:\n" + "".join(" " * min(n, 3) + "- " * 300 + "\n" for n in range(1, 300)),
    "JSON 100,000 deep": lambda *_: deep_json(100_000),
    "JSON lists 100,000 deep": lambda *_: "[" * 100_000,
    "a schema 500 deep": lambda *_: deep_json(500),
    "patterns that never end": lambda *_: fields(**{f"p{n}": {"type": "string", "pattern": p, "default": "a" * 3000 + "!"} for n, p in enumerate(REDOS)}),
    "a bomb of pattern properties": lambda *_: {"type": "object", "patternProperties": {f"^({chr(97 + n % 26)}+)+{n}$": {"type": "string"} for n in range(1000)}},
    "a huge pattern": lambda *_: fields(p={"type": "string", "pattern": "(" * 4000 + ")" * 4000}),
    "a pattern that counts": lambda *_: fields(p={"type": "string", "pattern": "(?:(?:a{1,1000}){1,1000}){1,1000}$", "default": "a" * 3000 + "b"}),
    "keys given twice": lambda *_: '{"type": "object", "type": "string"}',
    "YAML keys given twice": lambda *_: PLAIN_YAML + "type: string\n",
    "an enum of 100,000": lambda *_: fields(kind={"type": "string", "enum": [f"value{n}" for n in range(100_000)]}),
    "an enum of 300,000 objects": lambda *_: fields(kind={"enum": [{"n": n} for n in range(300_000)]}),
    "10,000 fields": lambda *_: {"type": "object", "properties": {f"field{n}": {"type": "string", "description": "Some text."} for n in range(10_000)}},
    "10,000 required fields": lambda *_: {"type": "object", "required": [f"f{n}" for n in range(10_000)], "properties": {f"f{n}": {"type": "integer"} for n in range(10_000)}},
    "9,000 fields": lambda *_: {"type": "object", "properties": {f"field{n}": {"type": "string", "description": "Some text."} for n in range(9000)}},
    "9,000 required fields": lambda *_: {"type": "object", "required": [f"f{n}" for n in range(9000)], "properties": {f"f{n}": {"type": "integer"} for n in range(9000)}},
    "9,000 fields in an object": lambda *_: fields(a={"type": "object", "properties": {f"f{n}": {"type": "integer"} for n in range(9000)}}),
    "90,000 required names of no field": lambda *_: {"type": "object", "required": [f"f{n}" for n in range(90_000)], "properties": {"a": {"type": "string"}}},
    "a choice of 4,000 objects": lambda *_: fields(one={"oneOf": [{"type": "object", "properties": {f"f{n}": {"type": "string"}}} for n in range(4000)]}),
    "400 objects of 20 fields": lambda *_: fields(**{f"o{n}": {"type": "object", "properties": {f"f{m}": {"type": "string", "title": EVIL} for m in range(20)}} for n in range(400)}),
    "an enum of 45,000 objects": lambda *_: fields(kind={"enum": [{"n": n} for n in range(45_000)]}),
    "2,000 branches": lambda *_: fields(one={"oneOf": [{"type": "object", "properties": {"kind": {"const": n}}, "required": ["kind"]} for n in range(2000)]}),
    "a description of a million signs": lambda *_: fields(a={"type": "string", "description": "Be *bold* [a](b) `c`. " * 45_000}),
    "a description of a million brackets": lambda *_: fields(a={"type": "string", "description": "[" * 900_000}),
    "a title of a million signs": lambda *_: {**fields(a={"type": "string", "title": "x" * 900_000}), "title": "y" * 900_000},
    "a default of a million signs": lambda *_: fields(a={"type": "string", "default": "x" * 900_000}),
    "scripts in every text": lambda *_: {**fields(**{EVIL: {"type": "string", "title": EVIL, "description": EVIL, "default": EVIL}, "e": {"enum": [EVIL, "b"]}}), "title": EVIL},
    "half surrogates": lambda *_: fields(a={"type": "string", "title": "\ud800", "description": "\udfff. \ud83d", "default": "\ud800"}, **{"\udc00": {"type": "string"}}),
    "half surrogates in JSON": lambda *_: '{"type": "object", "title": "\\ud800", "properties": {"\\udc00": {"type": "string", "description": "\\udfff"}}}',
    "bounds that are no numbers": lambda *_: fields(a={"type": "number", "minimum": float("nan"), "maximum": float("inf"), "multipleOf": float("nan"), "default": float("inf")}),
    "NaN in JSON": lambda *_: '{"type": "number", "minimum": NaN}',
    "bounds beyond every float": lambda *_: '{"type": "object", "properties": {"a": {"type": "number", "minimum": -1e999, "maximum": 1e999, "default": 1e999}}}',
    "YAML bounds beyond every float": lambda *_: "type: object\nproperties:\n  a: {type: number, minimum: -1e999, maximum: 1e999, multipleOf: 1e999}\n",
    "whole numbers of 5,000 digits": lambda *_: '{"type": "object", "properties": {"a": {"type": "integer", "maximum": ' + HUGE + "}}}",
    "YAML whole numbers of 5,000 digits": lambda *_: f"type: object\nproperties:\n  a: {{type: integer, maximum: {HUGE}}}\n",
    "whole numbers of 4,000 digits": lambda *_: fields(a={"type": "integer", "minimum": -(10**4000), "maximum": 10**4000, "multipleOf": 10**4000, "default": 10**3999}),
    "lengths of 4,000 digits": lambda *_: fields(a={"type": "string", "maxLength": 10**4000, "minLength": 10**3000}, b={"type": "array", "items": {"type": "string"}, "minItems": 10**3000}),
    "16:9 and no": lambda *_: "type: object\nproperties:\n  text: {type: string}\n  ratio: {type: string, enum: [16:9, 9:16, 1:1]}\n  loud: {type: string, enum: [no, yes, 1_0]}\n",
    "a multiple of 1e-300": lambda *_: fields(a={"type": "number", "multipleOf": 1e-300, "default": 1e300}),
    "a multiple of a denormal": lambda *_: fields(a={"type": "number", "multipleOf": 5e-324, "maximum": 1.7e308, "default": 1.7e308}),
    "unique items in a large default": lambda *_: fields(a={"type": "array", "uniqueItems": True, "items": {"type": "object"}, "default": [{"n": n} for n in range(20_000)]}),
    "a large default under anyOf": lambda *_: fields(a={"type": "array", "default": list(range(20_000)), "items": {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "integer"}]}}),
    "unevaluated all the way down": lambda *_: {"$ref": "#/$defs/u0", "$defs": {f"u{n}": {"type": "object", "properties": {"text": {"type": "string"}}, "anyOf": [{"$ref": f"#/$defs/u{n + 1}"}] * 2, "unevaluatedProperties": False} for n in range(14)} | {"u14": {"type": "object"}}},
    "conditions in conditions": lambda *_: {"$ref": "#/$defs/c0", "$defs": {f"c{n}": {"if": {"$ref": f"#/$defs/c{n + 1}"}, "then": {"$ref": f"#/$defs/c{n + 1}"}, "else": {"$ref": f"#/$defs/c{n + 1}"}} for n in range(20)} | {"c20": fields()}},
    "not of not of not": lambda *_: {"$ref": "#/$defs/n0", "$defs": {f"n{n}": {"not": {"$ref": f"#/$defs/n{n + 1}"}, "allOf": [{"$ref": f"#/$defs/n{n + 1}"}]} for n in range(20)} | {"n20": fields()}},
    "a document of 5 MB": lambda folder, _: file_of(folder, PLAIN_YAML.encode() + b"# " + b"x" * 5_000_000),
    "a text of 5 MB": lambda *_: PLAIN_YAML + "# " + "x" * 5_000_000,
    "a dict of 5 MB": lambda *_: fields(**{f"f{n}": {"type": "string", "description": "x" * 5000} for n in range(1000)}),
    "900 kB of YAML": lambda *_: PLAIN_YAML + "".join(f"  field{n}: {{type: string, maxLength: {n}}}\n" for n in range(20_000)),
    "900 kB of YAML signs": lambda *_: PLAIN_YAML + "x: [" + "a, " * 290_000 + "]\n",
    "a link to /dev/zero": lambda folder, _: link(folder, "/dev/zero"),
    "a link to itself": lambda folder, _: link(folder, str(folder / "link.yaml")),
    "a link to a secret": lambda folder, _: link(folder, "/proc/self/environ"),
    "/dev/zero": lambda *_: Path("/dev/zero"),
    "a pipe": fifo,
    "a folder": lambda folder, _: folder,
    "bytes of nothing": lambda folder, _: file_of(folder, b"\0" * 5000),
    "a null byte in a name": lambda *_: "a\0b.yaml",
    "a null byte in a field": lambda *_: fields(**{"a\0b": {"type": "string", "default": "\0"}}),
    "UTF-16": lambda folder, _: file_of(folder, PLAIN_YAML.encode("utf-16")),
    "UTF-8 with a mark": lambda folder, _: file_of(folder, PLAIN_YAML.encode("utf-8-sig")),
    "JSON with a mark": lambda folder, _: file_of(folder, json.dumps(fields()).encode("utf-8-sig")),
    "Latin-1": lambda folder, _: file_of(folder, "type: object\ntitle: Größe\n".encode("latin-1")),
    "overlong UTF-8": lambda folder, _: file_of(folder, b"type: object\ntitle: \xc0\x80\xed\xa0\x80\n"),
    "Python in tags": lambda *_: "type: object\ntitle: !!python/object/apply:os.system ['touch /tmp/owned']\n",
    "a name like the machine's own": lambda *_: fields(**{name: {"type": "string"} for name in ("__proto__", "constructor", "__class__", "", " ", "/", "~", "~1", "a/b", "$ref", ".", "0", "-1")}),
    "a discriminator that leads nowhere": lambda *_: fields(a={"oneOf": [{"type": "object"}] * 3, "discriminator": {"propertyName": ["x"], "mapping": {"a": 7}}}),
    "wrong kinds everywhere": lambda *_: openapi({"type": 7, "properties": [], "required": {}, "enum": "abc", "oneOf": {}, "items": 3}),
    "an address that is a script": lambda *_: openapi(fields(), servers=[{"url": "javascript:alert(1)"}], **{"x-source": "javascript:alert(1)"}),
}  # fmt: skip


SIGNS = "a" * 40 + "!"
BODY: dict[str, Any] = {"z": 1, "text": SIGNS, **{sign * 30 + "!": 1 for sign in "abcxyz"}}


def show(name: str, origin: str) -> dict[str, Any]:
    """What comes of a document: opened, made a form, checked and one key typed; then given a body for its hostile parts.

    `end` is "refused" or "shown", `said` the refusal or the problems; the other two are seconds of processor time.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = DOCUMENTS[name](Path(folder), origin)
        begun = time.process_time()
        try:
            spec = sd.spec(source)
            form = sd.form(spec if spec.is_chosen else sd.spec(spec.operations[0]))
        except sd.SpecError as error:
            return {"end": "refused", "said": str(error)[:300], "showing": time.process_time() - begun, "filling": 0}
        problems = list(form.problems)
        typed = next((control for control in form._controls.values() if control.field.kind in ("text", "prose")), None)
        if typed is not None:
            typed.widget.value = SIGNS
        bundle = form.widget._repr_mimebundle_()
        shown = time.process_time()
        assert isinstance(bundle["text/html"], str)
        problems += sd.check(form.spec, **{**BODY, **dict.fromkeys(("deep", "fan", "again", "one", "a"), BODY)})
        form.values = {"text": "b", **dict.fromkeys(("deep", "fan", "again", "one", "a"), BODY)}
        problems += form.problems
        said = sorted({f"{problem.rule}: {problem.message[:80]}" for problem in problems})
        filled = time.process_time() - shown
        return {"end": "shown", "said": "; ".join(said)[:500], "showing": shown - begun, "filling": filled}


def naive(name: str, origin: str) -> str:
    """What the libraries below do with the same documents when they are left as they come, in one second."""
    import resource

    import jsonschema
    import yaml

    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    with tempfile.TemporaryDirectory() as folder:
        source = DOCUMENTS[name](Path(folder), origin)
        document = yaml.safe_load(source) if isinstance(source, str) else source
        if name == "laughs":
            return str(len(json.dumps(document)))
        schema = document.get("paths", {}).get("/v", {}).get("post", {}).get("requestBody", {})
        schema = schema["content"]["application/json"]["schema"] if schema else document
        whole = {**schema, "components": document.get("components", {})}
        return str(list(jsonschema.Draft202012Validator(whole).iter_errors({"deep": BODY, "far": 1, "fan": 1})))[:200]
