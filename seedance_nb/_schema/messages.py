"""Messages for exceeded limits, and the documented sentences that set them."""

import re
from collections.abc import Callable
from typing import Any

from seedance_nb._base.values import ABSENT, find, json_text, packaged_table, shorten

_WORDS: dict[str, dict[str, str]] = packaged_table(__file__)
_HELP_UP_TO = 270
_MOST_SHOWN, _SHOWN = 40, 12  # of allowed values
_LONGEST = 100  # no sentence lists more names, nor a longer limit


def words_for(rule: str, value: Any, limit: Any, schema: dict[str, Any], own: str = "") -> str:
    """The message of an error, as one clause that follows the name of the field; its `own` for a rule that has no other. *pure*."""
    shown = shorten(value, 30)
    match rule:
        case "type":
            allowed = [limit] if isinstance(limit, str) else limit
            names = " or ".join(_WORDS["types"].get(name, name) for name in allowed)
            usual = schema.get("x-upstream", {}).get("enum", ()) if isinstance(value, int) else ()
            hint = next((f"; write {json_text(item)}" for item in usual if item in (f"{value}s", str(value))), "")
            kind = next(_WORDS["kinds"][one.__name__] for one in type(value).__mro__ if one.__name__ in _WORDS["kinds"])
            return f"must be {names}, not {kind.format(type(value).__name__)} {shown}".rstrip() + hint
        case "enum" | "const":
            allowed = limit if rule == "enum" else [limit]
            kinds = {(_bare(item), type(item)) for item in (*allowed, value)}
            is_alike = len(kinds) > len({text for text, _ in kinds})  # 5 and "5" must look different
            parts = _series(allowed, shorten if is_alike else _bare)
            is_list = 1 < len(parts) == len(allowed)
            parts = parts if len(parts) <= _MOST_SHOWN else [*parts[:_SHOWN], f"{len(parts) - _SHOWN} more"]
            return f"must be {'one of ' + ', '.join(parts) if is_list else _either(parts)}; got {shown}"
        case "minLength" if not value:
            return "is empty"
        case "format":
            return f"is not {_WORDS['formats'].get(limit, f'in the format {limit}')}"
        case "items":
            limit = len(schema.get("prefixItems", ()))
    size = len(value) if isinstance(value, str | list | dict) else 0
    unit = f" {schema['x-unit']}" if "x-unit" in schema else ""
    template = _WORDS["keywords"].get(rule)
    if template is None:
        return own
    count = are(limit) if "{count}" in template else ""
    members = "entries" if isinstance(value, list) else "field" if size == 1 else "fields"
    return template.format(value=value if isinstance(value, str) else shown, limit=limit, bound=_bare(limit),
                           size=size, count=count, unit=unit, members=members)  # fmt: skip


def are(count: float) -> str:
    """A number with its verb: `1 is`, `2 are`. *pure*."""
    return f"{count if isinstance(count, int) else f'{count:.16g}'} {'is' if count == 1 else 'are'}"


def quote_for(rule: str, value: Any, limit: Any, schema: dict[str, Any]) -> str:
    """The sentence of the rule that set this limit, else the one of the description that mentions it, else its first one, else "". *pure*."""
    if rule == "x-media":
        rule = "base64" if isinstance(value, str) and value.lower().startswith("data:") else "schemes"
        return str(limit.get(rule, {}).get("quote", ""))
    described, quote = sentences(str(schema.get("description", ""))), find(schema, f"/x-quotes/{rule}")
    if quote is not ABSENT:
        return next((sentence for sentence in described if quote in sentence), quote)
    if isinstance(limit, list):
        names = [str(name) for one in limit[:_LONGEST] for name in (one if isinstance(one, list) else [one])]
        quotes = [sentence for sentence in described if all(name in sentence for name in names)]
    else:
        number = rf"(?a)(?<![\w.]){re.escape(str(limit)[:_LONGEST])}(?!\w|\.\d)"
        quotes = [sentence for sentence in described if re.search(number, sentence)]
    return next(iter(quotes or (described if rule not in ("type", "format", "json") else [])), "")


def sentences(description: str) -> list[str]:
    """The sentences and bullets of a description, white space collapsed. *pure*."""
    bare = (block.removeprefix("- ") for block in blocks(description))
    return [part for block in bare for part in re.split(r"(?<=[.!?])\s+(?=[A-Z`\"])", block) if part]


def blocks(description: str) -> list[str]:
    """The paragraphs and bullets of a description, white space collapsed; at least one. *pure*."""
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n|\n\s*[-*]\s", description)]


def help_of(description: Any) -> tuple[str, tuple[str, ...]]:
    """The help text of a control, from the first paragraph only, and the remaining sentences. *pure*."""
    if not description:
        return "", ()
    described, (start, *rest) = sentences(str(description)), blocks(str(description))
    opening, first = sentences(start) if rest else described, 1
    while first < len(opening) and len(" ".join(opening[: first + 1])) <= _HELP_UP_TO:
        first += 1
    return " ".join(described[:first]), tuple(described[first:])


def limits_in_words(upstream: dict[str, Any], unit: str = "") -> str:
    """The limits under `x-upstream` as one clause, "" if there are none. *pure*."""
    low, high = upstream.get("minimum"), upstream.get("maximum")
    limits = [_either(_series(upstream["enum"], _bare))] if "enum" in upstream else []
    if low is not None or high is not None:
        bounds = f"{low} or more" if high is None else f"{high} or less" if low is None else f"{low} to {high}"
        limits.append(f"{bounds} {unit}".rstrip())
    limits += [f"at most {upstream['maxLength']:,} characters"] if "maxLength" in upstream else []
    limits += [f"at most {upstream['maxItems']}"] if "maxItems" in upstream else []
    return "; ".join(limits)


def _series(values: list[Any], show: Callable[[Any], str]) -> list[str]:
    """Values as texts; three or more that count up by one, such as 4, 5, 6 or "4s", "5s", "6s", are one range."""
    runs: list[list[Any]] = []
    for value in values:
        if runs and type(value) is type(runs[-1][-1]) and value == _successor(runs[-1][-1]):
            runs[-1].append(value)
        else:
            runs.append([value])
    groups = ([f"{show(run[0])} to {show(run[-1])}"] if len(run) > 2 else map(show, run) for run in runs)  # noqa: PLR2004
    return [text for group in groups for text in group]


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _successor(value: Any) -> Any:
    """The next value in a series: 5 for 4, "5s" for "4s"; `ABSENT` if the value has no single number."""
    if type(value) is int:
        return value + 1
    match = re.fullmatch(r"([^0-9]*)(0|[1-9][0-9]{0,9})([^0-9]*)", value) if isinstance(value, str) else None
    return f"{match[1]}{int(match[2]) + 1}{match[3]}" if match else ABSENT


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else shorten(value, 30)
