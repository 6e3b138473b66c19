"""Reads a field's description: every limit as a rule with its quote, and what looks like a limit but was not understood."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seedance_nb._base.faults import created_by_package
from seedance_nb._document.prose.quantities import Quantity, quantities
from seedance_nb._document.prose.text import Clause, blank, clauses, meaning, normalised, pattern, words

RELATIONS = ("exclusive", "required_one", "required_any", "required_when", "requires", "only_when")
_MANY = (*RELATIONS, "placeholder", "unclear")  # may stand more than once with other values
_MORE = {"required_any": "required_one", "only_when": "requires"}  # the second says all that the first does
_ALWAYS = (*RELATIONS, "base64", "public_url", "placeholder")  # a condition beside them is part of them
_LOW, _HIGH = {"from", "over"}, {"to", "under"}
_QUOTES = "`\"' "


@created_by_package
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A limit of a field at the JSON Pointer `path`: its kind, and the exact words of the document.

    `limit` has bounds by from, over, to and under, or the values or names of other fields as `any`. `when` is the condition under which it holds; then it is not checked, and neither is a `hint`, which is advice. The kind
    "unclear" is a sentence that looks like a limit and was not understood. `origin` is "prose", or the key that a person wrote.
    """

    kind: str
    quote: str
    limit: dict[str, Any]
    when: str = ""
    hint: bool = False
    path: str = ""
    origin: str = "prose"


class _Reading(NamedTuple):
    """A description that is being read, as it is and normalised, and what its field is."""

    name: str
    roles: set[str]
    text: str
    original: str

    def rule(self, kind: str, clause: Clause, begin: int = 0, **more: Any) -> Rule:
        quote = self.original[clause.start + begin : clause.start + len(clause.value)]
        return Rule(kind=kind, quote=quote.strip(" \t-*•"), **more)


@functools.lru_cache(maxsize=512)
def read_rules(name: str, kind: str | None, description: str) -> tuple[Rule, ...]:
    """The rules that a description states about the field of a name and a JSON type, in order. *pure*."""
    reading = _Reading(name, _roles(name, kind), normalised(description), description)
    found, subject = list(_anywhere(reading)), ""
    for clause in clauses(reading.text):
        named = pattern("{subjects}").findall(clause.outer)  # a bracket is about what stands before it
        rules, last = _clause(reading, clause, meaning("subjects", named[-1]) if named else subject)
        subject = subject if clause.outer else last
        found += rules
    return tuple(_merged(found[:500]))


def _roles(name: str, kind: str | None) -> set[str]:
    """What a field is: any, number, text, list, media or plain (no file), shape."""
    says = {what for what, found in words("fields").items() if pattern(found).search(name)}
    number = kind in ("integer", "number") or (kind == "string" and "numeric" in says)
    named = "media" in says and ("surely_media" in says or "not_media" not in says) and kind != "boolean"
    media = kind in ("image", "video", "audio") or (named and not number)
    roles = {"any", "media" if media else "plain", "list" if kind == "array" else "any", *(says & {"shape"})}
    return roles | {"number" if number else "any" if roles & {"media", "list"} else "text"}


def _clause(reading: _Reading, clause: Clause, subject: str) -> tuple[list[Rule], str]:
    """The rules of a clause, and its last subject."""
    value, condition, rules = clause.value, pattern("{condition}"), list[Rule]()
    outer, spans = ([*condition.finditer(text)] for text in (clause.outer, value))
    tail, bare = len(value.rstrip(" .")), blank(condition, value)  # a number in a condition binds nothing

    def when(start: int, end: int) -> str:
        """The condition before a place or right behind its end, or one at the end of the clause."""
        here = [one for one in spans if one.start() <= start + 2 or -1 < one.start() - end < 3 or one.end() >= tail]  # noqa: PLR2004
        return ([*outer, *here][-1][0] if outer or here else "").strip()

    advice = (max(value.rfind(sign, 0, one.start()) for sign in ",(") for one in pattern("{hedges}").finditer(value))
    advised = min(advice, default=len(value)) + 1
    example = min((match.start() for match in pattern("{examples}").finditer(value)), default=len(value))
    for kind, match, values in _stated(reading, clause, min(example, advised)):
        here = "" if kind in _ALWAYS else when(*match.span()) or match.groupdict().get("when") or ""
        inside = any(one.start() <= match.start() < one.end() for one in spans)
        if kind in _ALWAYS or not (inside or (here and kind == "default")):
            verbs = pattern("{naming}").finditer(value, 0, match.start() if kind == "placeholder" else 0)
            begin = max((verb.start() for verb in verbs), default=0)
            rules.append(reading.rule(kind, clause, begin, limit={"any": [*values]}, when=here))
    found, last = quantities(bare, subject)
    for quantity in found:
        start, end, here = quantity.start, quantity.end, when(quantity.start, quantity.end)
        phrase = bare[max(bare.rfind(sign, 0, start) for sign in ",:") + 1 : end + 40]
        for kind, bounds in _kinds(reading.roles, quantity, phrase) if start < example else ():
            rules.append(reading.rule(kind, clause, limit=bounds, when=here, hint=start >= advised))
    if not rules and value[tail - 1 : tail] != ":" and pattern("{limits}").search(value, 0, min(example, advised)):
        rules.append(reading.rule("unclear", clause, limit={"any": [value.strip()]}))
    return rules, last


def _stated(reading: _Reading, clause: Clause, end: int) -> Iterator[tuple[str, re.Match[str], tuple[str, ...]]]:
    """What a clause says in words up to `end`: lists, relations between fields, the default; the kind, the match and the values."""
    seen: set[str] = set()
    for key, entry in words("patterns").items():
        kind = key.split()[0]
        up_to = len(clause.value) if kind in ("placeholder", "deprecated") else end  # such as [Image1]; prefer another
        fits = entry["of"] in reading.roles and pattern(entry.get("needs", "")).search(clause.value, 0, up_to)
        matches = (one for find in entry["find"] for one in pattern(find).finditer(clause.value, 0, up_to))
        for match in matches if fits else ():
            around = clause.value[max(0, match.start() - 60) : match.end() + 30]
            again = kind in RELATIONS and seen & {kind, _MORE.get(kind, "")}
            if not again and not pattern(entry.get("unless", "(?!)")).search(around):
                values = entry.get("values") or _values(reading, kind, match, clause.start)
                if values is not None:
                    seen.add(kind)
                    yield kind, match, tuple(values)


def _values(reading: _Reading, kind: str, match: re.Match[str], at: int) -> tuple[str, ...] | None:
    """The values of a match, None for one that says nothing about the field."""
    groups = {name: found for name, found in match.groupdict().items() if found}
    if kind in RELATIONS:
        return _names(reading, kind, groups.get("names") or groups["words"], in_words="words" in groups)
    if kind == "placeholder":
        return (match[0],)
    if "run" in groups:
        run = pattern("{mime}").sub("", groups["run"].lower())
        return tuple(dict.fromkeys(pattern("{format_names}|{scheme_names}").findall(run)))
    if kind == "enum":  # a single value must be quoted, a number or the only one
        listed = pattern("{list}{stop}").match(reading.text, at + match.end())
        items = pattern("{item}").findall(listed[0]) if listed else []
        found = [plain(item) for item in items if item not in ("and", "or")]
        numbers = [pattern(r"-?\d+(?:\.\d+)?").fullmatch(one) for one in found]
        wrong = {*map(str.lower, found)} & {*words("no_values")} or ("number" in reading.roles and not all(numbers))
        quoted = items and items[0][0] in _QUOTES
        named = found and pattern(r"(?=.*\d)\w+[/-][\w./-]+").fullmatch(found[0])
        sure = found and "strong" in groups and (quoted or numbers[0] or named or "only" in match[0].lower())
        return tuple(found) if not wrong and (sure or len(found) > 1) else None
    values = tuple(plain(groups[name]) for name in ("value", "word") if name in groups)
    return None if kind == "default" and {*values} <= {*words("no_values")} else values


def _names(reading: _Reading, kind: str, named: str, *, in_words: bool) -> tuple[str, ...] | None:
    """The names of fields in a match, which look like code, or stand in a list or alone; None for too few."""
    several = kind in ("exclusive", "required_one", "required_any")
    before_chinese = pattern(r"^`?([a-z]\w*)(?=[^ -~])").findall(named)
    names = before_chinese or pattern("{name}").findall(re.split(r" (?:is|are) |=", named)[0])
    if in_words and (several or (not names and pattern(r"\w+").fullmatch(named))):
        names = re.split(r",| or | and |/|或者|或|和|与", named)
    clean = [pattern(r"^(?:the|or) | fields$").sub("", name.strip(_QUOTES)) for name in names]
    few = several and kind != "exclusive" and len(clean) == 1
    return None if few else tuple(name for name in clean if name not in ("", reading.name))


def plain(value: str) -> str:
    """A value without its quotation marks, its unit and what stands in brackets behind it. *pure*."""
    inner = pattern(r" ?\([^()]*\)$").sub("", value).strip(_QUOTES).rstrip(".,")
    return pattern(r"(?<=\d)\s?(?:s|sec|seconds|秒|fps|帧|px|ms)\.?$").sub("", inner)


def _anywhere(reading: _Reading) -> Iterator[Rule]:
    """What is read over the whole text: the value marked as default, a price, values explained line by line."""
    found = {kind: [*pattern(one).finditer(reading.text)] for kind, one in words("anywhere").items()}
    for match in found["default"] + found["price"]:
        price, value = match.re == pattern(words("anywhere")["price"]), match[0].replace(",", "")
        values = pattern(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)").findall(value) if price else [plain(match["value"])]
        yield reading.rule("price" if price else "default", Clause(match.start(), match[0]), limit={"any": values})
    if len(found["enum"]) > 1 and "text" in reading.roles:
        start, end = found["enum"][0].start(), found["enum"][-1].end()
        limit = {"any": [plain(line["value"]) for line in found["enum"]]}
        yield reading.rule("enum", Clause(start, reading.text[start:end]), limit=limit)


def _kinds(roles: set[str], quantity: Quantity, phrase: str) -> Iterator[tuple[str, dict[str, float]]]:
    """The kinds of rule that a quantity is, with the bounds of each."""
    unit, subject, bounds, heights = quantity.unit, quantity.subject, quantity.bounds, quantity.heights
    marks = {
        "exact": "media" in roles and bounds.get("from") == bounds.get("to"),
        "file": "shape" in roles or ("media" in roles and not pattern("{outputs}").search(phrase)),
        "range": quantity.is_range and pattern("range|取值").search(phrase),
        "large": max(bounds.values()) > 20_000,  # noqa: PLR2004
        "side": min(bounds.values()) > 8,  # noqa: PLR2004
        "total": quantity.total and (unit == "item" or "image" in phrase),
    }
    here = roles | {mark for mark, fits in marks.items() if fits}
    for row in words("kinds"):
        fits = unit in row.get("unit", [unit]) and subject in row.get("subject", [subject])
        if fits and {*row["of"].split()} <= here:
            for kind in row["kind"]:
                name = {"unit": unit, "subject": subject}.get(kind, kind)
                name = "total_" * (quantity.total and name in ("seconds", "megabytes", "count", "chars")) + name
                area = {one: bounds[one] * heights[one] for one in bounds}
                yield name, {"pixels": area, "height": heights}.get(name, bounds) if unit == "size" else bounds
            return


def _merged(rules: list[Rule]) -> Iterator[Rule]:
    """Rules once each, a lower and an upper bound of one thing as one rule; of two different bounds the first one."""
    found: dict[tuple[object, ...], Rule] = {}
    for rule in rules:
        key = (rule.kind, rule.when, rule.hint, str(rule.limit) if rule.kind in _MANY else "")
        old = found.setdefault(key, rule)
        if not any({*old.limit} & side and {*rule.limit} & side for side in (_LOW, _HIGH)):
            found[key] = replace(old, limit=old.limit | rule.limit | old.limit)
    for rule in found.values():
        low, high = ([bound for name, bound in rule.limit.items() if name in side] for side in (_LOW, _HIGH))
        if not low or not high or low < high or (low == high and {*rule.limit} == {"from", "to"}):
            yield rule
