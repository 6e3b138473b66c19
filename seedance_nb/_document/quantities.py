"""The bounded numbers of a clause: from 2 up to 5 s, less than 4:1, 不超过 10 MB."""

import re
from typing import Any, NamedTuple

from seedance_nb._document.vocabulary import WORDS, meaning, pattern

LOW, HIGH, _NEVER = {"from", "over"}, {"to", "under"}, "(?!)"


class Quantity(NamedTuple):
    """A quantity of a clause: the kind of its unit (or item, ratio, size), its subject, its bounds, each twice or as width and height."""

    start: int
    end: int
    unit: str
    subject: str
    bounds: dict[str, tuple[float, float]]
    total: bool
    is_range: bool


def amounts(token: re.Match[str], like: re.Match[str]) -> tuple[float, float]:
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
        is_or = sign != "," and first["ratio"] and comparator == "under"
        return ("over", "under") if is_or else (low, high) if sign == "," and low and high else ()
    return ("from", "to") if sign and (both or sign not in ("and", "与", "和")) else ()


def _comparison(value: str, token: re.Match[str], begin: int, former: str) -> tuple[str, str]:
    """What a comparator says behind the `former` one, and the pattern of what follows a number that it does not bind."""
    stated, end = meaning("comparators", token["comparator"]), token.start()
    if former and stated in ("", "only"):
        return former, _NEVER
    if stated in ("to", "from") and pattern("{never}").search(value, begin, end):
        return "default", _NEVER
    if stated not in ("over", "under"):
        return stated, _NEVER
    if pattern("{negated}").search(value, begin, end):
        return WORDS["opposite"][stated], _NEVER
    if token["comparator"] in "<>" or pattern("{bound}").search(value, begin, end):
        return stated, "{handled}"  # must be longer than 5 s
    return stated, "" if pattern("{weak}").fullmatch(token["comparator"]) else "(?!{closed})"


def _bounds(value: str, token: re.Match[str], end: int, comparator: str, unless: str) -> tuple[str, ...]:
    """The names of the bounds of a number behind a comparator, () if what follows at `end` says that it binds nothing."""
    if comparator == "only":
        return ("to",) if token["item"] and pattern("{closed}").match(value, end) else ()
    if comparator == "exactly":
        return ("from", "to")
    if comparator in WORDS["opposite"] and pattern("{unsupported}").match(value, end):
        return (WORDS["opposite"][comparator],)
    mixed = comparator == "from" and token["item"] and pattern("{mixed}").match(value, end)  # a picture or film
    return () if mixed or pattern(f"{unless}|{{noted}}").match(value, end) else (comparator,)


def quantities(value: str, subject: str = "") -> tuple[list[Quantity], str]:
    """The bounded quantities of a clause in order, and its last subject; `subject` is the one before the clause. *pure*."""
    found: list[Quantity] = []
    value = pattern("{chain}").sub(  # 2 < n < 5 as n > 2 < 5
        lambda one: (one["what"] + WORDS["flipped"][one["sign"]] + one["low"]).ljust(len(one[0])), value
    )
    tokens, comparator, unless, index = [*pattern("{token}").finditer(value), None], "", _NEVER, 0
    while token := tokens[index]:
        index, previous = index + 1, found[-1].end if found else 0
        if token["subject"]:
            subject = meaning("subjects", token["subject"])
            continue
        if token["comparator"]:
            comparator, unless = _comparison(value, token, max(previous, token.start() - 40), comparator)
            continue
        second = tokens[index]
        other = second if second and not second["subject"] and not second["comparator"] else None
        names = _linked(value, token, other, comparator) if other else ()
        last, is_range = (other, True) if other and names else (token, False)
        end = last.end()
        after = meaning("after", second["comparator"] or "") if second else ""
        if is_range or (token["size"] and other and other["size"]):  # or one of several sizes
            index += 1
        elif second and after and not value[end : second.start()].strip(" `)"):
            handled = pattern("{handled}").match(value, second.end())
            names, index, end = () if handled else (after,), index + 1, second.end()
        elif comparator == "range" and second and meaning("comparators", second["comparator"] or "") == "to":
            names = ("from",)  # from 2 up to 5
        elif comparator == "between":  # the other end of the range was not understood
            break
        elif comparator not in ("", "range", "default"):
            names = _bounds(value, token, end, comparator, unless)
        elif found and (token["unit"] or token["size"]) and pattern("{same}").fullmatch(value, previous, token.start()):
            names = () if found[-1].is_range or comparator else tuple(found[-1].bounds)[:1]
        comparator = ""
        bounds = dict(zip(names, (amounts(token, last), amounts(last, last)), strict=False))
        signs = (one for one in ("size", "ratio", "item", "noun") if last[one])
        unit = meaning("units", last["unit"] or token["unit"] or "") or next(signs, "")
        total = pattern("{total}").search(value, previous, token.start()) or pattern("{total}").match(value, end + 4)
        near = not pattern("{distant}").search(value, previous, token.start())
        twin = found[-1] if found and near and not found[-1].unit and found[-1].subject == subject else None
        if twin and not {*twin.bounds} & {*bounds}:  # the unit is behind the last; not in: up to 3, at most 15 s each
            found[-1] = found[-1]._replace(unit=unit)
        found.append(Quantity(token.start(), end, unit, subject, bounds, bool(total), is_range))
    return [quantity for quantity in found if quantity.bounds], subject


def widest(first: dict[str, Any], second: dict[str, Any], *, is_list: bool = False) -> dict[str, Any]:
    """The limit that refuses only what both refuse; of the values, other than of lists, those of the first."""
    limit = first | second | first
    if is_list:
        limit["any"] = [*dict.fromkeys([*first["any"], *second["any"]])]
    for side, widest in ((LOW, min), (HIGH, max)):
        bounds = {(one[name], name in ("over", "to"), name) for one in (first, second) for name in side & {*one}}
        if len(bounds) > 1:
            bound, _, name = widest(bounds)
            limit = {key: value for key, value in limit.items() if key not in side} | {name: bound}
    return limit


def is_possible(limit: dict[str, Any]) -> bool:
    low, high = ([bound for name, bound in limit.items() if name in side] for side in (LOW, HIGH))
    return not low or not high or low < high or (low == high and {*limit} == {"from", "to"})
