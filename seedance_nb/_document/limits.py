"""The limits of a request that only its descriptions state, as keywords and `x-` keys of its schema."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from seedance_nb._base.values import find, to_pointer
from seedance_nb._document.prose import WORDS, Rule, read_rules
from seedance_nb._document.roles import fields_of, mark
from seedance_nb._document.tables import MEDIA_RULES
from seedance_nb._schema.dialect import AT_LEAST_ONE
from seedance_nb._schema.validator import errors_of, validator_of

MAX_READ = 20_000  # characters of the descriptions of one request
_UNKNOWN: dict[str, Any] = {"any": []}  # the schemes of addresses where no sentence names them


def with_limits(body: dict[str, Any]) -> dict[str, Any]:
    """The parts of a Spec that its descriptions state: the schema with their certain limits, all rules, and what is not checked. *reads files*."""
    fields, rules, unchecked = list(fields_of(body)), list[Rule](), list[Rule]()
    size = sum(len(str(field.get("description", ""))) for _, field in fields)
    is_read = size <= MAX_READ and any(field.get("x-role") == "prompt" for _, field in fields)
    for path, field in fields if is_read else ():
        own = {key: rule for key, rule in field.get("x-media", {}).items() if rule != _UNKNOWN}  # keys win over words
        read = read_rules(str(path[-1]), str(field.get("type")), str(field.get("description", "")))
        found = [replace(rule, path=to_pointer(path)) for rule in read if rule.kind not in own]
        for key in own.keys() - {"kind"}:
            limit = {bound: value for bound, value in own[key].items() if bound != "quote"}
            rules.append(Rule(kind=key, quote=own[key]["quote"], limit=limit, path=to_pointer(path), origin="x-media"))
        rules += found
        relations = () if {AT_LEAST_ONE, "anyOf", "oneOf", "dependentRequired"} & field.keys() else WORDS["relations"]
        stated = [rule for rule in found if not rule.hint]
        unchecked += [rule for rule in stated if rule.when or rule.kind in ("unclear", *relations)]
        keys = dict(_keys(str(path[-1]), field, own, {rule.kind: rule for rule in stated if not rule.when}))
        examples = [field[word] for word in ("default", "example", "const") if word in field]
        if not any(errors_of(validator_of(keys | field), example) for example in examples):  # the document knows better
            for key, value in keys.items():
                body = mark(body, path, key, value)
    for path in [path for path, field in fields if "x-placeholders" not in field]:
        named = [rule for rule in rules if rule.kind == "placeholder" and rule.path == to_pointer(path)]
        table = {}  # by the one list of such files beside it
        for kind, word in WORDS["named"].items() if named else ():
            beside = [(at[-1], one) for at, one in fields_of(body) if at[:-1] == path[:-1]]
            near = [(name, one) for name, one in beside if find(one, "/x-media/kind") == kind]
            values = [rule.limit["any"][0] for rule in named if re.search(word, rule.limit["any"][0], re.IGNORECASE)]
            if values and len(near) == 1 and near[0][1].get("type") == "array":
                numbered = (re.sub(r"\d|\(n\)", "{n}", value, count=1) for value in values)
                table[str(near[0][0])] = [*dict.fromkeys(numbered)]
        if table:
            body = mark(body, path, "x-placeholders", {"quote": named[0].quote} | table)
    clear = tuple(rule for rule in rules if rule.kind != "unclear")
    return {"schema": body, "rules": clear, "unchecked": (*unchecked,)}


def _keys(name: str, field: dict[str, Any], own: dict[str, Any], rules: dict[str, Rule]) -> Iterator[tuple[str, Any]]:
    """New keywords for the rules about a field's value, and its `x-media` if it is known what its files are."""
    for kind, keywords in WORDS["keywords"].get(str(field.get("type")), {}).items():
        limit = rules[kind].limit if kind in rules else {}
        yield from ((word, limit[bound]) for bound, word in keywords.items() if bound in limit and word not in field)
    found = {kind: rule.limit | {"quote": rule.quote} for kind, rule in rules.items() if kind in MEDIA_RULES}
    kinds = {own["kind"]} if "kind" in own else {*re.findall("image|video|audio", name.lower())}
    if found and len(kinds) == 1:
        unknown = {} if {"schemes", "base64"} & (found.keys() | own.keys()) else {"schemes": _UNKNOWN}
        yield "x-media", {"kind": kinds.pop()} | unknown | found | own
