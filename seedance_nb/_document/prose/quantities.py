"""Numbers with their units, comparators and subjects in a clause: the bounds that it sets."""

import math
import re
from typing import NamedTuple

from seedance_nb._document.prose.text import meaning, pattern, words

_OPPOSITE = {"over": "to", "under": "from", "to": "over", "from": "under"}


class Quantity(NamedTuple):
    """A quantity of a clause: the kind of its unit (or item, ratio, size), its subject, its bounds; `heights` those of a size's height."""

    start: int
    end: int
    unit: str
    subject: str
    bounds: dict[str, float]
    heights: dict[str, float]
    total: bool
    is_range: bool


def _amounts(token: re.Match[str], like: re.Match[str]) -> tuple[float, float]:
    """The value of a token in the base unit, twice or as width and height; `like` has the unit if the token has none."""
    if token["size"]:
        return float(token["width"]), float(token["height"])
    if token["ratio"]:
        return (float(token["left"]) / (float(token["right"]) or 1),) * 2
    text, factors = token["number"].lower().replace(",", ""), words("factors")
    scale = factors.get((token["scale"] or "").strip().lower(), 1)
    unit = " ".join((token["unit"] or like["unit"] or "").casefold().split())
    return ((words("counts").get(text) or float(text)) * scale * factors.get(unit, 1),) * 2


def _bound(name: str, value: float) -> float:
    """A bound as a whole number or with six decimals, on the side where 4/3 itself fits or does not."""
    step = math.ceil if name in ("to", "over") else math.floor
    return int(value) if value == int(value) else step(round(value * 1e6, 3)) / 1e6


def _linked(value: str, first: re.Match[str], second: re.Match[str], comparator: str) -> tuple[str, ...]:
    """The names of the bounds of two values that make a range, () if they make none."""
    start = first.end("number") if first["number"] and not first["unit"] else first.end()
    link = pattern("{range_link}").fullmatch(value, start, second.start())
    closing = second.end("number") if second["number"] else second.end()
    low = {"(": "over", "[": "from"}.get(value[max(0, first.start() - 2) : first.start()].strip(" `")[-1:])
    high = {")": "under", "]": "to"}.get(value[closing : closing + 3].strip(" `")[:1])
    both = comparator == "between" or "之间" in value[second.end() : second.end() + 4]
    sign = link[1].lower() if link else ""
    if sign == ",":
        return (low, high) if low and high else ()
    if sign in ("or", "或", "或者"):  # less than 1:4 or 4:1
        return ("over", "under") if first["ratio"] and comparator == "under?" else ()
    return ("from", "to") if sign and (both or sign not in ("and", "与", "和")) else ()


def quantities(value: str, subject: str = "") -> tuple[list[Quantity], str]:
    """The bounded quantities of a clause in order, and its last subject; `subject` is the one before the clause. *pure*."""
    found: list[Quantity] = []
    tokens, comparator, index = [*pattern("{token}").finditer(value), None], "", 0
    while token := tokens[index]:
        index += 1
        if token["subject"]:
            subject = meaning("subjects", token["subject"])
            continue
        if token["comparator"]:
            comparator = meaning("comparators", token["comparator"]) or comparator
            negated = pattern("{negated}").search(value, max(0, token.start() - 12), token.start())
            if comparator in _OPPOSITE and negated:
                comparator = _OPPOSITE[comparator]
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
        elif comparator == "between":  # the other end of the range was not understood
            break
        elif comparator not in ("", "range"):
            handled = comparator[-1] == "?" and pattern("{handled}").match(value, end)
            names = () if handled else ("from", "to") if comparator == "exactly" else (comparator.removesuffix("?"),)
        elif found and (token["unit"] or token["size"]) and pattern("{same}").fullmatch(value, previous, token.start()):
            names = () if found[-1].is_range or comparator else tuple(found[-1].bounds)[:1]
        comparator = ""
        pairs = list(zip(names, (_amounts(token, last), _amounts(last, last)), strict=False))
        signs = (one for one in ("size", "ratio", "item") if last[one])
        kind = meaning("units", last["unit"] or token["unit"] or "") or next(signs, "")
        total = pattern("{total}").search(value, previous, token.start()) or pattern("{total}").match(value, end + 4)
        bounds, heights = ({name: _bound(name, pair[at]) for name, pair in pairs} for at in (0, 1))
        if found and not found[-1].unit and found[-1].subject == subject:  # the unit stands only behind the last
            found[-1] = found[-1]._replace(unit=kind)
        found.append(Quantity(token.start(), end, kind, subject, bounds, heights, bool(total), is_range))
    return [quantity for quantity in found if quantity.bounds], subject
