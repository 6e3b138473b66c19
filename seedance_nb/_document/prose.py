"""Reads a field's description in English or Chinese: every limit as a rule with its quote, and what was not understood."""

import bisect
import functools
import math
import operator
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seedance_nb._base.faults import created_by_package
from seedance_nb._document.quantities import LOW, Quantity, amounts, is_possible, quantities, widest
from seedance_nb._document.vocabulary import QUOTES, WORDS, Clause, clauses, meaning, normalised, pattern, plain


@created_by_package
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A limit of a field, with the exact words of the document."""

    kind: str  # "unclear" for a sentence that looks like a limit and was not understood
    quote: str
    limit: dict[str, Any]  # bounds by from, over, to and under, or values or names of other fields as `any`
    when: str = ""  # the condition under which it holds: then it is not checked
    hint: bool = False  # whether it is advice, which is not checked either
    path: str = ""  # a JSON Pointer to the field, with * for an entry or any other name
    origin: str = "prose"  # or the key that a person wrote


class _Reading(NamedTuple):
    name: str
    roles: set[str]
    text: str
    places: list[int]
    original: str

    def rule(self, kind: str, clause: Clause, begin: int = 0, **more: Any) -> Rule:
        places = self.places[clause.start + begin : clause.start + len(clause.value)]
        quote = self.original[places[0] : places[-1] + 1] if places else ""
        return Rule(kind=kind, quote=quote.strip(" \t-*•"), **more)


@functools.lru_cache(maxsize=512)
def read_rules(name: str, kind: str | None, description: str) -> tuple[Rule, ...]:
    """The rules that a description states about the field of a name and a JSON type, in order. *pure*."""
    text, places = normalised(description)
    reading = _Reading(name, _roles(name, kind, f"{name}\n{text[:200]}"), text, places, description)
    whole, subject = _stated(reading, Clause(0, reading.text)), ""
    found = [reading.rule(kind, Clause(one.start(), one[0]), limit={"any": values}) for kind, one, values in whole]
    for clause in (one for one in clauses(text) if text[one.start + len(one.value) :][:1] != "?"):  # longer than 60 s?
        named = pattern("{subjects}").findall(clause.outer)  # a bracket is about what stands before it
        rules, last = _clause(reading, clause, meaning("subjects", named[-1]) if named else subject)
        subject = subject if clause.outer else last.replace("other", "")
        # a bracket explains the bound before it: up to 40 letters (or 1-9 signs)
        known = {old.kind for old in found if clause.outer and "any" not in old.limit}
        found += [rule for rule in rules if rule.kind not in known]
    special = [int("".join(one)) for one in pattern("{special}").findall(text) if "number" in reading.roles]
    merged, odd = _merged(found[:500], special)
    always = (one for one in found if one.kind == "default" and not one.when)
    defaults = {word.lower() for one in always for word in one.limit["any"]}
    if len(defaults) > 1:  # one for each of several models
        merged = [rule for rule in merged if rule.kind != "default" or rule.when]
    rules = [_certain(reading, rule, defaults, odd) for rule in merged if is_possible(rule.limit)]
    return tuple(rule for at, rule in enumerate(rules) if rule not in rules[:at])


def _merged(found: list[Rule], special: list[int]) -> tuple[list[Rule], set[str]]:
    """Each rule once, with both bounds and of two different bounds the wider one; and sentences that contradict a rule."""
    merged, odd = dict[tuple[object, ...], Rule](), set[str]()
    for rule in found:
        key = (rule.kind, rule.when, rule.hint, str(rule.limit) if rule.kind in WORDS["repeated"] else "")
        old = merged.setdefault(key, rule)
        limit = widest(old.limit, rule.limit, is_list=rule.kind in WORDS["lists"])
        agree = "any" in limit or all(one.limit.items() <= limit.items() for one in (old, rule))
        if rule.quote == old.quote and not (agree and is_possible(limit)):
            odd.add(rule.quote)
        for number in special if rule.kind == "range" else ():  # -1 beside 0 to 9
            limit = widest(limit, {"from" if one in LOW else "to": number for one in limit})
        merged[key] = replace(old, limit=limit)
    for rule in merged.values():  # what holds under a condition may be wider
        others = [one.limit for one in merged.values() if one.kind == rule.kind and one.when and not rule.when]
        limits = [widest(rule.limit, one).items() for one in others if "any" not in one]
        odd |= {rule.quote for limit in limits if not rule.limit.items() <= limit}
    return [*merged.values()], odd


def _certain(reading: _Reading, rule: Rule, defaults: set[str], odd: set[str]) -> Rule:
    """A rule, or that it is unclear, if something else in the description may allow more than it says."""
    if rule.when or rule.hint or rule.kind in WORDS["certain"]:
        return rule
    text, at = pattern("{divisor}").sub("", reading.text), reading.original.find(rule.quote)
    begin, end = (bisect.bisect_left(reading.places, place) for place in (at, at + len(rule.quote)))
    more = pattern("{doubt}").search(reading.text[max(0, begin - 80) : end + 120]) is not None
    lines = reading.text[begin:end] if "\n" in rule.quote else ""  # each value of a list with its explanation
    bare = pattern("{condition}|{refused}").sub("", text.replace(lines, "") if lines else text)
    more |= rule.quote in odd and "any" not in rule.limit
    if rule.kind == "formats":
        named = {one.strip('`".').split("/")[-1].lower() for one in pattern("{format}").findall(bare)}
        more |= not named <= {*rule.limit["any"]}
    if rule.kind == "enum":
        values = pattern("{quoted}" if "number" in reading.roles else "{shown}").findall(bare)
        others = {plain(one).lower() for value in values for one in value.split(", ")} | defaults
        others |= {*map(str.lower, pattern("{told}").findall(bare))}
        known = {one.lower() for one in (*rule.limit["any"], reading.name)}
        more |= not others <= known or pattern("{opened}").search(bare) is not None
    if rule.kind in ("range", "count", "chars"):
        tokens = pattern("{token}").finditer(text if rule.kind == "range" else rule.quote)
        alone = (one for one in tokens if one["number"] and not (one["unit"] or one["item"] or one["noun"]))
        numbers = [amounts(one, one)[0] for one in alone]
        wider = (one < bound if side in LOW else one > bound for side, bound in rule.limit.items() for one in numbers)
        more |= any(wider) or (rule.kind == "range" and pattern("{besides}").search(bare) is not None)
        more |= rule.kind == "chars" and "text" in reading.roles and pattern("{apiece}").search(rule.quote) is not None
    return replace(rule, kind="unclear", limit={"any": [rule.quote]}) if more else rule


def _roles(name: str, kind: str | None, text: str) -> set[str]:
    """What a field is, by its name, type and first words: any, number, text, list, media or plain (no file), shape."""
    texts = {what: text if what in WORDS["said"] else name for what in WORDS["fields"]}
    says = {what for what, found in WORDS["fields"].items() if pattern(found).search(texts[what])}
    number = kind in ("integer", "number") or (kind == "string" and "numeric" in says)
    named = says & {"media", "described"} and ("surely_media" in says or "not_media" not in says) and kind != "boolean"
    media = kind in ("image", "video", "audio") or (named and not number)
    takes = "media" if media else "any" if kind == "object" else "plain"
    several = kind == "array" or (kind in ("image", "video", "audio") and name.endswith("s"))
    roles = {"any", kind or "any", takes, "list" if several else "any"}
    roles |= says & {"picture", "prompt", "shape", "ms", "minutes"}
    return roles | {"number" if number else "any" if roles & {"media", "list", "boolean"} else "text"}


def _clause(reading: _Reading, clause: Clause, subject: str) -> tuple[list[Rule], str]:
    value, rules = clause.value, list[Rule]()
    outer, spans = ([*pattern("{condition}").finditer(text)] for text in (clause.outer, value))
    bare = pattern("{condition}|{digits}").sub(lambda one: " " * len(one[0]), value)  # a number in them binds nothing
    tail = len(value.rstrip(" ."))

    def when(start: int, end: int) -> str:
        """The condition before a place or right behind its end, or one at the end of the clause."""
        behind = [one for one in spans if one.start() >= end]
        near = [one for one in behind if one.end() >= tail or not value[end : one.start()].strip()]
        here = [*outer, *(one for one in spans if one.start() <= start + 2), *near]
        return here[-1][0].strip() if here else ""

    advice = (max(value.rfind(sign, 0, one.start()) for sign in ",(") for one in pattern("{hedges}").finditer(value))
    is_advice = pattern("{hedges}").search(clause.outer, clause.outer.rfind(",") + 1)
    advised = 0 if is_advice else min(advice, default=len(value)) + 1
    example = min((match.start() for match in pattern("{examples}").finditer(value)), default=len(value))
    others = (one.start() for one in pattern("{another}").finditer(value) if plain(one["name"]) != reading.name)
    other = min(others, default=len(value))
    for kind, match, values in _stated(reading, clause, min(example, advised)):
        here = "" if kind in WORDS["unconditional"] else when(*match.span()) or match.groupdict().get("when") or ""
        if (
            kind == "default" and here
        ):  # Default 1, use 3 for the fast model; only for the fast model, and defaults to 1
            behind, before = value[match.end() :].partition(here)[0], value[: match.start()]
            here = "" if "," in behind or before.endswith(", and ") or pattern("{omitted}").search(here) else here
        inside = match.start() > other or any(one.start() <= match.start() < one.end() for one in spans)
        if kind in WORDS["unconditional"] or not inside:
            verbs = pattern("{naming}").finditer(value, 0, match.start() if kind == "placeholder" else 0)
            begin = max((verb.start() for verb in verbs), default=0)
            rules.append(reading.rule(kind, clause, begin, limit={"any": values}, when=here))
    # the numbers beside a list of values, and those that explain one of the values, do not bind the field
    line, stem = reading.text.rfind("\n", 0, clause.start) + 1, reading.name.lower().rstrip("s")
    explains = pattern("{explained}").match(reading.text, line) or pattern("{degree}").search(clause.outer)
    aside = "number" in reading.roles and any(rule.kind == "enum" for rule in rules)
    found, last = quantities(bare, subject)
    for quantity in found if not aside and ("media" in reading.roles or not explains) else ():
        start, end, here = quantity.start, quantity.end, when(quantity.start, quantity.end)
        phrase = bare[0 if pattern("{product}").match(value) else bare.rfind(",", 0, start) + 1 : end + 40]
        mine, said = ({*pattern("image|video|audio").findall(one.lower())} for one in (reading.name, value[start:end]))
        own = start < min(example, other) and (not mine or not said or mine & said)  # one image, beside audio
        roles = reading.roles | _marks(clause, quantity, stem)
        kinds = _kinds(roles, quantity, phrase) if own else ()
        hint = start >= advised and not pattern("must|cannot|必须|不得|不能").search(value, advised, start)
        rules += [reading.rule(kind, clause, limit=limit, when=here, hint=hint) for kind, limit in kinds]
    unknown = pattern("{limits}|{like}").search(value, 0, min(example, advised))
    if unknown and not rules and value[tail - 1 : tail] != ":":
        rules.append(reading.rule("unclear", clause, limit={"any": [value.strip()]}))
    return rules, last


def _marks(clause: Clause, quantity: Quantity, stem: str) -> set[str]:
    """Whether a quantity stands alone in its clause, first in it, or (9 tags) with the `stem` of the field's name."""
    value, letters = clause.value, pattern("[a-z]|[^ -~]")
    before, it, behind = value[: quantity.start], value[quantity.start : quantity.end], value[quantity.end :]
    leads, ends = (not letters.search(pattern("{comparators}|{offers}").sub("", one)) for one in (before, behind))
    of_list = pattern("(?:{items}) ?$").search(clause.outer)  # Images (up to 4, of 9 MB each)
    marks = {
        "alone": leads and (of_list if clause.outer else ends),
        "first": leads and not clause.outer and not pattern("{quoted}").search(it),
        "named": it.lower().rstrip("s").endswith(stem),
    }
    return {mark for mark, holds in marks.items() if holds}


def _stated(reading: _Reading, clause: Clause, end: int = -1) -> Iterator[tuple[str, re.Match[str], list[str]]]:
    """What a clause says in words up to `end`, or the whole text: lists, relations between fields, the default."""
    seen: set[str] = set()
    for key, entry in WORDS["patterns"].items():
        kind, value = key.split()[0], clause.value
        up_to = len(value) if end < 0 or kind in ("placeholder", "deprecated") else end  # such as [Image1]
        here = (end < 0) == ("whole" in entry) and entry["of"] in reading.roles
        finds = entry["find"] if here and pattern(entry.get("needs", "")).search(value, 0, up_to) else ()
        for match in (one for find in finds for one in pattern(find).finditer(value, 0, up_to)):
            around = value[max(0, match.start() - 60) : match.end() + 30]
            again = kind in WORDS["relations"] and seen & {kind, WORDS["more"].get(kind, "")}
            if not again and not pattern(entry.get("unless", "(?!)")).search(around):
                values = entry.get("values") or _values(reading, kind, entry, match, clause.start)
                if values is not None:
                    seen.add(kind)
                    yield kind, match, [*values]


def _values(reading: _Reading, kind: str, entry: dict[str, Any], match: re.Match[str], at: int) -> Iterable[str] | None:
    groups = {name: found for name, found in match.groupdict().items() if found}
    word = re.split("_|(?<=[a-z])(?=[A-Z])", reading.name)[-1].lower()
    label = groups.get("own", word).lower()
    if label.isascii() and word not in label:  # it is about another field
        return None
    if kind in WORDS["relations"]:
        return _names(reading, kind, groups)
    if kind == "placeholder":
        return (match[0],)
    if "item" in entry:
        found = [plain(one).replace(",", "") for one in pattern(entry["item"]).findall(groups.get("lines", match[0]))]
        return None if kind == "enum" and len({*found}) < len(found) else found
    if "run" in groups:
        before = pattern("{denial}").search(match.string, 0, match.start("run"))
        denied = before or pattern("{refusal}").match(match.string, match.end())
        run = pattern("{mime}").sub("", groups["run"].lower())
        return None if denied else dict.fromkeys(pattern("{format_names}|{scheme_names}").findall(run))
    if kind == "enum":
        listed = pattern("{list}{stop}").match(reading.text, at + match.end())
        return _items(reading, match, listed, is_strong="strong" in groups) if listed else None
    values = [plain(groups[name]) for name in ("value", "word") if name in groups]
    no_values = {*WORDS["no_values"], *(("true", "false") if "number" in reading.roles else ())}
    return None if kind == "default" and {*values} <= no_values else values


def _items(reading: _Reading, cue: re.Match[str], listed: re.Match[str], *, is_strong: bool) -> list[str] | None:
    """The values of a list behind its cue, None if they may be others; a single one must be quoted, a number or the only one."""
    text, end, items = listed[0], listed.end(), pattern("{item}").findall(listed[0])
    if len(items) == 1 and is_strong and ", " in items[0]:  # all in one pair of quotation marks
        items = items[0].strip(QUOTES).split(", ")
    found = [plain(item).removeprefix(f"{reading.name}=") for item in items if item not in ("and", "or")]
    numbers = [pattern(r"-?\d+(?:\.\d+)?").fullmatch(one) for one in found]
    ends = {*map(str.lower, found[:1] + found[-1:])} & {*WORDS["no_values"]}
    is_time = "text" in reading.roles and pattern(r"\s?\d+ ?(?:秒|s|seconds?)").fullmatch(text)
    behind = pattern(r"\s*(?:\([^()]*\))?\s*(?::|or\b|或)").match(reading.text, end)
    explained = len(found) == 1 and (behind or "\n" in text)
    denied = pattern("{refusal}").match(reading.text, end) or "boolean" in reading.roles
    formats = all(map(pattern("{format_names}").fullmatch, found)) and not pattern("{formed}").search(reading.name)
    ranges = any(map(pattern(r"\d+[-~]\d+").fullmatch, found)) or ("number" in reading.roles and not all(numbers))
    if not found or ends or is_time or explained or denied or formats or ranges:
        return None
    named = pattern(r"(?=.*\d)\w+[/-][\w./-]+").fullmatch(found[0])
    single = pattern("only (?:be|supported)|只能|固定|设为|枚举值|支持值").search(cue[0])
    sure = is_strong and (pattern("{shown}").fullmatch(items[0]) or numbers[0] or named or single)
    return found if sure or len(found) > 1 else None


def _names(reading: _Reading, kind: str, groups: dict[str, str]) -> list[str] | None:
    """The names of fields in a match, which look like code, or stand in a list or alone; None for too few."""
    named, several = groups.get("names") or groups["words"], kind in ("exclusive", "required_one", "required_any")
    before_chinese = pattern(r"^`?([a-z]\w*)(?=[^ -~])").findall(named)
    named = named if several else re.split(r" (?:is|are) |=|[为是]", named)[0]
    names = before_chinese or pattern("{name}").findall(named)
    if "words" in groups and (several or (not names and pattern(r"\w+").fullmatch(named))):
        names = pattern("{quoted}").findall(named) or re.split(r",| or | and |/|或者|或|和|与", named)
    clean = [pattern(r"^(?:the|or|parameter) | fields$").sub("", name.strip(QUOTES)) for name in names]
    few = several and kind != "exclusive" and len(clean) == 1 and "one" not in groups
    others = [name for name in clean if name != reading.name and pattern(r"\S+(?: \S+){0,3}").fullmatch(name)]
    return None if few or (several and not others) else others


def _kinds(roles: set[str], quantity: Quantity, phrase: str) -> Iterator[tuple[str, dict[str, float]]]:
    unit, subject, bounds = quantity.unit, quantity.subject, quantity.bounds
    values = [pair[0] for pair in bounds.values()]
    marks = {
        "exact": "media" in roles and len(bounds) > 1 and values[0] == values[1],
        "file": "shape" in roles or ("media" in roles and not pattern("{outputs}").search(phrase)),
        "range": quantity.is_range and pattern("rang|取值|goes from").search(phrase),
        "large": max(values) > 50_000,  # noqa: PLR2004
        "side": min(values) > 8 or ("prompt" in roles and {*bounds} == {"from"}),  # noqa: PLR2004
        "total": quantity.total and (unit == "item" or "image" in phrase),
    }
    here = roles | {mark for mark, fits in marks.items() if fits}
    rows = (row for row in WORDS["kinds"] if {*row["of"].split()} <= here and unit in row.get("unit", [unit]))
    for kind in next((row["kind"] for row in rows if subject in row.get("subject", [subject])), ()):
        name = {"unit": unit, "subject": subject}.get(kind, kind)
        name = "total_" * (quantity.total and name in ("seconds", "megabytes", "count", "chars")) + name
        value = math.prod if name == "pixels" and unit == "size" else operator.itemgetter(name == "height")
        own = math.prod(WORDS["factors"][one] for one in roles & {"ms", "minutes"} if name + unit == "rangeseconds")
        limit = {one: value(pair) / own for one, pair in bounds.items()}
        for one, bound in limit.items():  # whole, or with six decimals on the side where 4/3 itself fits or does not
            step = math.ceil if one in ("to", "over") else math.floor
            limit[one] = int(bound) if bound == int(bound) else step(round(bound * 1e6, 3)) / 1e6
        if name not in ("count", "chars") or all(isinstance(bound, int) for bound in limit.values()):
            yield name, limit
