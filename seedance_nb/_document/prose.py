"""Reads a field's description in English or Chinese: every limit as a rule with its quote, and what was not understood."""

import functools
import math
import operator
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from seedance_nb._base.faults import created_by_package
from seedance_nb._document.reader import packaged

WORDS: dict[str, Any] = packaged("_prose")
MAX_LENGTH, MAX_CLAUSE = 20_000, 1_000
_LIKE = str.maketrans("、–—−〜∼×‘’“”「」【】•●·…", ',~~-~~x\'\'""""[]---.')
_LOW, _HIGH, _QUOTES = {"from", "over"}, {"to", "under"}, "`\"' "


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


class Clause(NamedTuple):
    """A sentence with spaces for its brackets, or the inside of a bracket with `outer`, what stands before it; `start` is its place."""

    start: int
    value: str
    outer: str = ""


class Quantity(NamedTuple):
    """A quantity of a clause: the kind of its unit (or item, ratio, size), its subject, its bounds, each twice or as width and height."""

    start: int
    end: int
    unit: str
    subject: str
    bounds: dict[str, tuple[float, float]]
    total: bool
    is_range: bool


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
    reading = _Reading(name, _roles(name, kind, f"{name}\n{text[:80]}"), text, places, description)
    found, subject = list[Rule](), ""
    for stated, match, values in _stated(reading, Clause(0, reading.text)):
        found.append(reading.rule(stated, Clause(match.start(), match[0]), limit={"any": values}))
    for clause in clauses(reading.text):
        named = pattern("{subjects}").findall(clause.outer)  # a bracket is about what stands before it
        rules, last = _clause(reading, clause, meaning("subjects", named[-1]) if named else subject)
        subject = subject if clause.outer else last.replace("other", "")
        # a bracket explains the bound before it: up to 40 letters (or 1-9 signs)
        known = {old.kind for old in found if clause.outer and "any" not in old.limit}
        found += [rule for rule in rules if rule.kind not in known]
    special = [int("".join(one)) for one in pattern("{special}").findall(text) if "number" in reading.roles]
    merged: dict[tuple[object, ...], Rule] = {}  # each once, with both bounds; of two different bounds the wider one
    for rule in found[:500]:
        key = (rule.kind, rule.when, rule.hint, str(rule.limit) if rule.kind in WORDS["repeated"] else "")
        old = merged.setdefault(key, rule)
        limit = _widest(old.limit, rule.limit, is_list=rule.kind in WORDS["lists"])
        for number in special if rule.kind == "range" else ():  # -1 beside 0 to 9
            limit = _widest(limit, {"from" if one in _LOW else "to": number for one in limit})
        merged[key] = replace(old, limit=limit)
    defaults = {one.lower() for rule in merged.values() if rule.kind == "default" for one in rule.limit["any"]}
    possible = [_certain(reading, rule, defaults) for rule in merged.values() if _is_possible(rule.limit)]
    return tuple(rule for at, rule in enumerate(possible) if rule not in possible[:at])


def _certain(reading: _Reading, rule: Rule, defaults: set[str]) -> Rule:
    """A rule, or that it is unclear, if something else in the description may allow more than it says."""
    if rule.when or rule.hint or rule.kind in WORDS["certain"]:
        return rule
    text = pattern("{divisor}").sub("", reading.text)
    bare, more = pattern("{condition}|{refused}").sub("", text), pattern("{doubt}").search(text) is not None
    if rule.kind == "enum":
        values = pattern("{quoted}" if "number" in reading.roles else "{shown}").findall(bare)
        others = ({plain(one).lower() for one in values} | defaults) - {reading.name.lower()}
        more |= not others <= {one.lower() for one in rule.limit["any"]} or pattern("{opened}").search(bare) is not None
    if rule.kind in ("range", "count", "chars"):
        tokens = pattern("{token}").finditer(text if rule.kind == "range" else rule.quote)
        alone = (one for one in tokens if one["number"] and not (one["unit"] or one["item"] or one["noun"]))
        numbers = [_amounts(one, one)[0] for one in alone]
        wider = (one < bound if side in _LOW else one > bound for side, bound in rule.limit.items() for one in numbers)
        more |= any(wider) or (rule.kind == "range" and pattern("{besides}").search(bare) is not None)
    return replace(rule, kind="unclear", limit={"any": [rule.quote]}) if more else rule


def _roles(name: str, kind: str | None, text: str) -> set[str]:
    """What a field is, by its name, type and first words: any, number, text, list, media or plain (no file), shape."""
    texts = {what: text if what in WORDS["said"] else name for what in WORDS["fields"]}
    says = {what for what, found in WORDS["fields"].items() if pattern(found).search(texts[what])}
    number = kind in ("integer", "number") or (kind == "string" and "numeric" in says)
    named = says & {"media", "described"} and ("surely_media" in says or "not_media" not in says) and kind != "boolean"
    media = kind in ("image", "video", "audio") or (named and not number)
    takes = "media" if media else "any" if kind == "object" else "plain"
    roles = {"any", kind or "any", takes, "list" if kind == "array" else "any"}
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
        here = "" if kind == "default" and pattern("{omitted}").search(here) else here
        inside = match.start() > other or any(one.start() <= match.start() < one.end() for one in spans)
        if kind in WORDS["unconditional"] or not (inside or (here and kind == "default")):
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
        rest = pattern("{comparators}|optional|可选|选填").sub("", value[:start] + value[end:])
        behind = not clause.outer or pattern("(?:{items}) ?$").search(clause.outer)
        alone = behind and not pattern("[a-z]|[^ -~]").search(rest)
        phrase = bare[bare.rfind(",", 0, start) + 1 : end + 40]
        mine, said = ({*pattern("image|video|audio").findall(one.lower())} for one in (reading.name, value[start:end]))
        own = start < min(example, other) and (not mine or not said or mine & said)  # one image, beside audio
        named = value[start:end].lower().rstrip("s").endswith(stem)  # 9 tags, of a field tags
        roles = reading.roles | {"alone" if alone else "any", "named" if named else "any"}
        kinds = _kinds(roles, quantity, phrase) if own else ()
        rules += [reading.rule(kind, clause, limit=limit, when=here, hint=start >= advised) for kind, limit in kinds]
    unknown = pattern("{limits}|{like}").search(value, 0, min(example, advised))
    if unknown and not rules and value[tail - 1 : tail] != ":":
        rules.append(reading.rule("unclear", clause, limit={"any": [value.strip()]}))
    return rules, last


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
        run = pattern("{mime}").sub("", groups["run"].lower())
        return dict.fromkeys(pattern("{format_names}|{scheme_names}").findall(run))
    if kind == "enum":  # a single value must be quoted, a number or the only one
        listed = pattern("{list}{stop}").match(reading.text, at + match.end())
        items = pattern("{item}").findall(listed[0]) if listed else []
        found = [plain(item) for item in items if item not in ("and", "or")]
        numbers = [pattern(r"-?\d+(?:\.\d+)?").fullmatch(one) for one in found]
        ends = {*map(str.lower, found[:1] + found[-1:])} & {*WORDS["no_values"]}
        is_time = listed and "text" in reading.roles and pattern(r"\s?\d+ ?(?:秒|s|seconds?)").fullmatch(listed[0])
        after = pattern(r"\s*(?:\([^()]*\))?\s*(?::|or\b|或)").match(reading.text, listed.end()) if listed else None
        explained = listed and len(found) == 1 and (after or "\n" in listed[0])
        wrong = ends or is_time or explained or ("number" in reading.roles and not all(numbers))
        named = found and pattern(r"(?=.*\d)\w+[/-][\w./-]+").fullmatch(found[0])
        single = pattern("only (?:be|supported)|只能|固定|设为|枚举值|支持值").search(match[0])
        sure = found and (pattern("{shown}").fullmatch(items[0]) or numbers[0] or named or single)
        return found if not wrong and ((sure and "strong" in groups) or len(found) > 1) else None
    values = [plain(groups[name]) for name in ("value", "word") if name in groups]
    return None if kind == "default" and {*values} <= {*WORDS["no_values"]} else values


def _names(reading: _Reading, kind: str, groups: dict[str, str]) -> list[str] | None:
    """The names of fields in a match, which look like code, or stand in a list or alone; None for too few."""
    named, several = groups.get("names") or groups["words"], kind in ("exclusive", "required_one", "required_any")
    before_chinese = pattern(r"^`?([a-z]\w*)(?=[^ -~])").findall(named)
    named = named if several else re.split(r" (?:is|are) |=|[为是]", named)[0]
    names = before_chinese or pattern("{name}").findall(named)
    if "words" in groups and (several or (not names and pattern(r"\w+").fullmatch(named))):
        names = pattern("{quoted}").findall(named) or re.split(r",| or | and |/|或者|或|和|与", named)
    clean = [pattern(r"^(?:the|or|parameter) | fields$").sub("", name.strip(_QUOTES)) for name in names]
    few = several and kind != "exclusive" and len(clean) == 1 and "one" not in groups
    short = pattern(r"\S+(?: \S+){0,3}")
    return None if few else [name for name in clean if name != reading.name and short.fullmatch(name)]


def plain(value: str) -> str:
    """A value without its quotation marks, its unit and what stands in brackets behind it. *pure*."""
    inner = pattern(r" ?\([^()]*\)$").sub("", value).strip(_QUOTES).rstrip(".,")
    return pattern(r"(?<=\d)[`\"']*\s?(?:s|sec|seconds|秒|fps|帧|px|ms)\.?$").sub("", inner)


def _kinds(roles: set[str], quantity: Quantity, phrase: str) -> Iterator[tuple[str, dict[str, float]]]:
    unit, subject, bounds = quantity.unit, quantity.subject, quantity.bounds
    values = [pair[0] for pair in bounds.values()]
    marks = {
        "exact": "media" in roles and len(bounds) > 1 and values[0] == values[1],
        "file": "shape" in roles or ("media" in roles and not pattern("{outputs}").search(phrase)),
        "range": quantity.is_range and pattern("rang|取值|goes from").search(phrase),
        "large": max(values) > 20_000,  # noqa: PLR2004
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
        yield name, limit


def _widest(first: dict[str, Any], second: dict[str, Any], *, is_list: bool = False) -> dict[str, Any]:
    """The limit that refuses only what both refuse; of the values, other than of lists, those of the first."""
    limit = first | second | first
    if is_list:
        limit["any"] = [*dict.fromkeys([*first["any"], *second["any"]])]
    for side, widest in ((_LOW, min), (_HIGH, max)):
        bounds = {(one[name], name in ("over", "to"), name) for one in (first, second) for name in side & {*one}}
        if len(bounds) > 1:
            bound, _, name = widest(bounds)
            limit = {key: value for key, value in limit.items() if key not in side} | {name: bound}
    return limit


def _is_possible(limit: dict[str, Any]) -> bool:
    low, high = ([bound for name, bound in limit.items() if name in side] for side in (_LOW, _HIGH))
    return not low or not high or low < high or (low == high and {*limit} == {"from", "to"})


def _amounts(token: re.Match[str], like: re.Match[str]) -> tuple[float, float]:
    """The value of a token in the base unit, twice or as width and height; `like` has the unit if the token has none."""
    if token["size"]:
        return float(token["width"]), float(token["height"])
    if token["ratio"]:
        return (float(token["left"]) / (float(token["right"]) or 1),) * 2
    text, factors = token["number"].lower().replace(",", ""), WORDS["factors"]
    if power := re.fullmatch(r"(\d+)(?:\^|\*\*)(\d+)(\s?-\s?1)?", text):
        text = str(float(power[1]) ** int(power[2]) - bool(power[3]))
    scale = factors.get((token["scale"] or "").strip().lower(), 1)
    unit = " ".join((token["unit"] or like["unit"] or "").casefold().split())
    return ((WORDS["counts"].get(text) or float(text)) * scale * factors.get(unit, 1),) * 2


def _linked(value: str, first: re.Match[str], second: re.Match[str], comparator: str) -> tuple[str, ...]:
    """The names of the bounds of two values that make a range, () if they make none."""
    start = first.end("number") if first["number"] and not first["unit"] else first.end()
    link = pattern("{range_link}").fullmatch(value, start, second.start())
    closing = second.end("number") if second["number"] else second.end()
    low = {"(": "over", "[": "from"}.get(value[max(0, first.start() - 2) : first.start()].strip(" `")[-1:])
    high = {")": "under", "]": "to"}.get(pattern("[ `]{0,2}[a-z]{0,8}").sub("", value[closing : closing + 12], 1)[:1])
    both = comparator == "between" or "之间" in value[second.end() : second.end() + 4]
    is_part = pattern(r"\s?[:=]\s?[a-z]").match(value, second.end())  # of a scale: 0-3: weak
    sign = link[1].lower() if link and not is_part else ""
    if sign in (",", "or", "或", "或者"):  # [2, 5]; less than 1:4 or 4:1
        is_or = sign != "," and first["ratio"] and comparator == "under?"
        return ("over", "under") if is_or else (low, high) if sign == "," and low and high else ()
    return ("from", "to") if sign and (both or sign not in ("and", "与", "和")) else ()


def quantities(value: str, subject: str = "") -> tuple[list[Quantity], str]:
    """The bounded quantities of a clause in order, and its last subject; `subject` is the one before the clause. *pure*."""
    found: list[Quantity] = []
    value = pattern("{chain}").sub(  # 2 < n < 5 as n > 2 < 5
        lambda one: (one["what"] + WORDS["flipped"][one["sign"]] + one["low"]).ljust(len(one[0])), value
    )
    tokens, comparator, index = [*pattern("{token}").finditer(value), None], "", 0
    while token := tokens[index]:
        index += 1
        if token["subject"]:
            subject = meaning("subjects", token["subject"])
            continue
        if token["comparator"]:
            comparator = meaning("comparators", token["comparator"]) or comparator
            before = max(found[-1].end if found else 0, token.start() - 40)
            negated = pattern("{negated}").search(value, before, token.start())
            if pattern("{never}").search(value, before, token.start()) and comparator in ("to", "from"):
                comparator = "default"
            elif comparator in ("over", "under") and negated:
                comparator = WORDS["opposite"][comparator]
            elif comparator in ("over", "under"):
                comparator += "?"  # unless what is beyond it is only said to be handled
            continue
        second, previous = tokens[index], found[-1].end if found else 0
        other = second if second and not second["subject"] and not second["comparator"] else None
        names = _linked(value, token, other, comparator) if other else ()
        last, is_range = (other, True) if other and names else (token, False)
        end = last.end()
        after = meaning("after", second["comparator"] or "") if second else ""
        if is_range or (token["size"] and other and other["size"]):  # or one of several sizes
            index += 1
        elif second and after and not value[end : second.start()].strip(" `)"):
            names, index, end = (after,), index + 1, second.end()
        elif comparator == "range" and second and meaning("comparators", second["comparator"] or "") == "to":
            names = ("from",)  # from 2 up to 5
        elif comparator == "between":  # the other end of the range was not understood
            break
        elif comparator not in ("", "range", "default"):
            mixed = "{mixed}" if comparator == "from" and token["item"] else "(?!)"  # at least one picture or film
            handled = pattern("{handled}" if comparator[-1] == "?" else mixed).match(value, end)
            handled = handled or pattern("{noted}").match(value, end)
            names = () if handled else ("from", "to") if comparator == "exactly" else (comparator.removesuffix("?"),)
        elif found and (token["unit"] or token["size"]) and pattern("{same}").fullmatch(value, previous, token.start()):
            names = () if found[-1].is_range or comparator else tuple(found[-1].bounds)[:1]
        comparator = ""
        bounds = dict(zip(names, (_amounts(token, last), _amounts(last, last)), strict=False))
        signs = (one for one in ("size", "ratio", "item", "noun") if last[one])
        unit = meaning("units", last["unit"] or token["unit"] or "") or next(signs, "")
        total = pattern("{total}").search(value, previous, token.start()) or pattern("{total}").match(value, end + 4)
        near = not pattern("{distant}").search(value, previous, token.start())
        if found and near and not found[-1].unit and found[-1].subject == subject:  # the unit is behind the last
            found[-1] = found[-1]._replace(unit=unit)
        found.append(Quantity(token.start(), end, unit, subject, bounds, bool(total), is_range))
    return [quantity for quantity in found if quantity.bounds], subject


def normalised(original: str) -> tuple[str, list[int]]:
    """The first 20,000 characters of a description without markup and with each sign in one form, and where each stands. *pure*."""
    plain = pattern("{marks}").sub(
        lambda mark: WORDS["signs"].get(mark.lastgroup, "").ljust(len(mark[0]), "\0"), original[:MAX_LENGTH]
    )
    forms = ((sign, unicodedata.normalize("NFKC", sign)) for sign in plain.translate(_LIKE))
    same_length = (form if len(form) == 1 and sign.isdigit() == sign.isdecimal() else sign for sign, form in forms)
    signs = "".join(same_length).translate(_LIKE)
    places = [place for place, sign in enumerate(signs) if sign != "\0"]
    return "".join(signs[place] for place in places), places


def clauses(text: str) -> Iterator[Clause]:
    """The clauses of a normalised text in order: each sentence, and after it its brackets. *pure*."""
    start = 0
    for end, after in [*(match.span() for match in pattern("{sentence}").finditer(text)), (len(text), len(text))]:
        for begin in range(start, end, MAX_CLAUSE):
            sentence = text[begin : min(end, begin + MAX_CLAUSE)]
            yield Clause(begin, pattern("{bracket}").sub(lambda match: " " * len(match[0]), sentence))
            for match in pattern("{bracket}").finditer(sentence):
                yield Clause(begin + match.start(1), match[1], sentence[: match.start()][-80:] or " ")
        start = after


@functools.cache
def pattern(text: str) -> re.Pattern[str]:
    """A pattern with its {macros} and {lists of words} written out; only Latin letters are letters in it. *pure*."""
    for name, macro in reversed(WORDS["macros"].items()):
        text = text.replace(f"{{{name}}}", macro if isinstance(macro, str) else f"(?:{'|'.join(macro)})")
    for name, group in WORDS.items():
        if f"{{{name}}}" in text:
            listed = group if isinstance(group, list) else [word for one in group.values() for word in one]
            text = text.replace(f"{{{name}}}", "|".join(map(_word, sorted(listed, key=len, reverse=True))))
    return re.compile(text, re.IGNORECASE | re.ASCII)


def _word(word: str) -> str:
    """A word as a pattern: Latin letters as a whole word, a space as any run of them."""
    left, right = (one.isascii() and one.isalpha() for one in (word[0], word[-1]))
    return r"(?<![a-z])(?<![a-z]_)" * left + re.escape(word).replace(r"\ ", " {1,4}") + r"(?![a-z\d])" * right


def meaning(name: str, word: str) -> str:
    """The key of a table of the vocabulary for a word as it stands in a text, "" if it has none. *pure*."""
    return next((key for key, group in WORDS[name].items() if " ".join(word.casefold().split()) in group), "")
