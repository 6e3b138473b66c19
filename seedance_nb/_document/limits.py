"""The limits of a request that only its descriptions state, as keywords and `x-` keys of its schema."""

import re
from dataclasses import replace
from typing import Any

from seedance_nb._base.values import JsonPath, to_pointer
from seedance_nb._document.extensions import MEDIA_RULES
from seedance_nb._document.prose.reader import Rule, read_rules
from seedance_nb._document.reader import packaged
from seedance_nb._document.roles import fields_of
from seedance_nb._schema.validator import errors_of, validator_of

MAX_READ = 20_000  # characters of the descriptions of one request
_UNKNOWN: dict[str, Any] = {"any": []}  # the schemes of addresses where no sentence names them


def with_limits(body: dict[str, Any]) -> dict[str, Any]:
    """The parts of a Spec that its descriptions state: the schema with their certain limits, all rules, and what is unclear. *reads files*."""
    rules, fields = list[Rule](), [schema for _, schema in fields_of(body)]
    # Keys win over words, and only a request with a prompt is read.
    size = sum(len(str(schema.get("description", ""))) for schema in fields)
    if size <= MAX_READ and any(schema.get("x-role") == "prompt" for schema in fields):
        body = _limited(body, (), rules)
    unclear = tuple(rule for rule in rules if rule.kind == "unclear")
    return {"schema": body, "rules": tuple(rule for rule in rules if rule not in unclear), "unchecked": unclear}


def _limited(schema: dict[str, Any], path: JsonPath, rules: list[Rule]) -> dict[str, Any]:
    """A schema with the limits of all its fields; every rule is added to `rules`."""
    fields = {}
    for name, field in schema.get("properties", {}).items():
        fields[name] = field
        if isinstance(field, dict):
            here = to_pointer((*path, name))
            own = {key: rule for key, rule in field.get("x-media", {}).items() if rule != _UNKNOWN}
            read = read_rules(name, str(field.get("type")), str(field.get("description", "")))
            found = [replace(rule, path=here) for rule in read if rule.kind not in own]
            tables = {key: dict(rule) for key, rule in own.items() if key != "kind"}
            found += [
                Rule(kind=key, quote=table.pop("quote"), limit=table, path=here, origin="x-media")
                for key, table in tables.items()
            ]
            rules += found
            keys = _keys(name, field, own, {rule.kind: rule for rule in found if not rule.when and not rule.hint})
            examples = [field[word] for word in ("default", "example", "const") if word in field]
            known = any(errors_of(validator_of(keys), example) for example in examples)  # the document knows better
            fields[name] = _limited(field if known else keys, (*path, name), rules)
    for name, field in fields.items():
        named = [rule for rule in rules if rule.kind == "placeholder" and rule.path == to_pointer((*path, name))]
        if named and "x-placeholders" not in field and (table := _placeholders(fields, named)):
            fields[name] = field | {"x-placeholders": {"quote": named[0].quote} | table}
    return schema | {"properties": fields} if fields else schema


def _keys(name: str, field: dict[str, Any], own: dict[str, Any], rules: dict[str, Rule]) -> dict[str, Any]:
    """A field's schema with keywords for the rules about its value, and with `x-media` if it is known what its files are."""
    keys: dict[str, Any] = {}
    for kind, keywords in packaged("_prose")["keywords"].get(str(field.get("type")), {}).items():
        limit = rules[kind].limit if kind in rules else {}
        keys |= {keyword: limit[bound] for bound, keyword in keywords.items() if bound in limit}
    found = {kind: rule.limit | {"quote": rule.quote} for kind, rule in rules.items() if kind in MEDIA_RULES}
    kinds = {own["kind"]} if "kind" in own else {*re.findall("image|video|audio", name.lower())}
    if found and len(kinds) == 1:
        unknown = {} if {"schemes", "base64"} & found.keys() else {"schemes": _UNKNOWN}
        field = field | {"x-media": {"kind": kinds.pop()} | unknown | found}
    return keys | field


def _placeholders(fields: dict[str, Any], named: list[Rule]) -> dict[str, list[str]]:
    """The names of files in a prompt, by the one list of such files beside it."""
    table = {}
    for kind, word in packaged("_prose")["named"].items():
        lists = [name for name, field in fields.items() if field.get("x-media", {}).get("kind") == kind]
        values = [rule.limit["any"][0] for rule in named if re.search(word, rule.limit["any"][0], re.IGNORECASE)]
        if values and len(lists) == 1 and fields[lists[0]].get("type") == "array":
            table[lists[0]] = [*dict.fromkeys(re.sub(r"\d|\(n\)", "{n}", value, count=1) for value in values)]
    return table
