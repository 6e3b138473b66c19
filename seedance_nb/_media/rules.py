"""Facts of a media file held against the limits that a document puts on it. Nothing is guessed: near is not over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._media.facts import MediaFacts

Outcome = Literal["fits", "breaks", "unchecked"]

_BOUNDS = ("over", "from", "under", "to")
_NEAR_SECONDS = Fraction(1, 10)
_NEAR_FPS = Fraction(2, 1000)
_MB = (1_000_000, 1_048_576)
_ALIASES = {"jpg": "jpeg", "tif": "tiff", "quicktime": "mov", "wave": "wav"}
_KINDS = {"image": "a picture", "video": "a video", "audio": "a sound"}
_TOO_NEAR = "so near the limit that the provider may count otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about one entry by one rule.

    `path` is a JSON Pointer into the request body; `rule` the name of a rule of `x-media`, "" where the entry as a whole
    is meant; `message` one clause about the entry; `quote` the document's sentence; `value` what was measured and `limit`
    what is allowed (bounds, or formats). `warns` and `source` are as in `Problem`.
    """

    path: str
    rule: str
    outcome: Outcome
    message: str
    quote: str = ""
    value: Any = ABSENT
    limit: Any = None
    warns: bool = False
    source: str = ""

    @property
    def problem(self) -> Problem | None:
        """A finding that breaks a rule as a `Problem`, None for any other. *pure*."""
        if self.outcome != "breaks":
            return None
        return Problem(path=self.path, message=self.message, rule="x-media", value=self.value, limit=self.limit,
                       quote=self.quote, warns=self.warns, source=self.source)  # fmt: skip

    def __str__(self) -> str:
        quote = f'\n      the document: "{self.quote}"' if self.quote and self.outcome != "fits" else ""
        known = f"\n      not in the provider's own page, but in {self.source}" if self.warns and quote else ""
        word = {"fits": "fits", "breaks": "warning" if self.warns else "breaks", "unchecked": "could not be checked"}
        return f"{self.path or '/'}: {word[self.outcome]}: {self.message}{quote}{known}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """What was measured, in words ("is 250 px wide"), with every value that it may be read as; none if it is not known.

    `unit` follows a limit, `doubt` says why there are several readings. A value beyond a limit by no more than `near`
    and `share` of the limit is too near to tell.
    """

    words: str
    unit: str = ""
    readings: tuple[Fraction, ...] = ()
    doubt: str = ""
    near: Fraction = Fraction(0)
    share: Fraction = Fraction(0)


def judge(
    path: str, table: Mapping[str, Any], facts: MediaFacts, *, warns: bool = False, source: str = ""
) -> tuple[Finding, ...]:
    """One finding for each rule of `table` (an `x-media` object) that is about one file, in the table's order. *pure*.

    Rules about addresses (`schemes`, `base64`) and about all entries (`total_seconds`) are not looked at. What a document
    leaves open is unchecked unless every reading agrees: "MB" may be 10^6 or 2^20 bytes, a turned picture has two widths.
    """
    kind = table.get("kind", facts.kind)
    found = []
    for name, rule in table.items():
        if name == "formats":
            found.append(_format(path, rule, facts))
        elif name == "megabytes" or (name in _MEASURES and kind == facts.kind):
            found.append(_bounded(path, name, rule, _MEASURES[name](facts)))
    if kind != facts.kind and not any(finding.rule == "formats" and finding.outcome == "breaks" for finding in found):
        message = f"is {_KINDS[facts.kind]} and not {_KINDS[kind]}, which the limits are about"
        found.append(Finding(path=path, rule="", outcome="unchecked", message=message, value=facts.kind))
    return tuple(replace(finding, warns=warns, source=source) for finding in found)


def judge_total(
    path: str, table: Mapping[str, Any], entries: Sequence[MediaFacts | None], *, warns: bool = False, source: str = ""
) -> tuple[Finding, ...]:
    """What `total_seconds` in `table` says of all entries of the list at `path`; () without that rule or entries. *pure*.

    None stands for an entry that could not be read; what is known may still be too long already.
    """
    rule = table.get("total_seconds")
    if not rule or not entries:
        return ()
    known = [_exact(entry.seconds) for entry in entries if entry and entry.seconds and not entry.estimated]
    total = sum(known, Fraction(0))
    words = f"last {_number(total)} s together" if len(entries) > 1 else f"lasts {_number(total)} s"
    measure = _Measure(words=words, unit="s", readings=(total,), near=_NEAR_SECONDS * len(known))
    finding = _bounded(path, "total_seconds", rule, measure)
    if missing := len(entries) - len(known):
        longer = {key: value for key, value in rule.items() if key not in ("over", "from")}
        least = _bounded(path, "total_seconds", longer, measure)
        entry = "entry" if len(entries) == 1 else "entries"
        message = f"the length of {missing} of {len(entries)} {entry} is not known"
        finding = least if least.outcome == "breaks" else replace(finding, outcome="unchecked", message=message)
    return (replace(finding, warns=warns, source=source),)


def _format(path: str, rule: Mapping[str, Any], facts: MediaFacts) -> Finding:
    allowed = tuple(str(name) for name in rule.get("any", ()))
    names = {_ALIASES.get(name.lower(), name.lower()) for name in allowed}
    fits = facts.format in names
    message = f"is {facts.format}" if fits else f"is {facts.format}; allowed are {', '.join(allowed)}"
    return Finding(path=path, rule="formats", outcome="fits" if fits else "breaks", message=message, value=facts.format,
                   limit=allowed, quote=rule.get("quote", ""))  # fmt: skip


def _bounded(path: str, name: str, rule: Mapping[str, Any], measure: _Measure) -> Finding:
    limit = {key: rule[key] for key in _BOUNDS if key in rule}
    broken = [_broken(reading, limit, measure) for reading in measure.readings]
    outcome: Outcome = "unchecked"
    message = measure.words
    if broken and all(bound == "" for bound, _ in broken):
        outcome = "fits"
    elif broken and all(bound and not near for bound, near in broken):
        outcome = "breaks"
        message += f"; {_need(name, broken[0][0], limit, measure.unit)}"
    elif any(near for _, near in broken):
        message += f", {_TOO_NEAR}"
    elif broken:
        message += f"; {measure.doubt}"
    value = float(measure.readings[0]) if measure.readings else ABSENT
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return Finding(path=path, rule=name, outcome=outcome, message=message, value=value, limit=limit,
                   quote=rule.get("quote", ""))  # fmt: skip


def _broken(value: Fraction, limit: Mapping[str, Any], measure: _Measure) -> tuple[str, bool]:
    """The bound that a value breaks, "" if none, and whether it is too near to tell."""
    for key in limit:
        bound = _exact(limit[key])
        beyond = bound - value if key in ("over", "from") else value - bound
        if beyond > 0 or (beyond == 0 and key in ("over", "under")):
            near = measure.near + measure.share * abs(bound)
            return key, near > 0 and beyond <= near
    return "", False


def _need(name: str, key: str, limit: Mapping[str, Any], unit: str) -> str:
    words = {"over": "more than", "from": "at least", "under": "less than", "to": "at most"}[key]
    verb = "is" if name == "ratio" else "are"
    end = "needed" if key in ("over", "from") else "allowed"
    return f"{words} {_number(_exact(limit[key]))}{unit and ' ' + unit} {verb} {end}"


def _exact(value: float) -> Fraction:
    # 0.4 of a document is two fifths, not the nearest binary number.
    return Fraction(str(value))


def _number(value: Fraction, places: int = 3) -> str:
    return f"{float(value):,.{places}f}".rstrip("0").rstrip(".") if value.denominator != 1 else f"{int(value):,}"


def _sized(facts: MediaFacts) -> tuple[tuple[int, int], ...]:
    if not (facts.width and facts.height):
        return ()
    stored = (facts.width, facts.height)
    return (stored, stored[::-1]) if facts.turned and facts.width != facts.height else (stored,)


def _side(facts: MediaFacts, position: int, word: str) -> _Measure:
    readings = tuple(Fraction(size[position]) for size in _sized(facts))
    words = f"is {_number(readings[0])} px {word}" if readings else "its size in px could not be read"
    return _Measure(words=words, unit="px", readings=readings, doubt=_turned(facts, f"px {word}", readings))


def _turned(facts: MediaFacts, unit: str, readings: tuple[Fraction, ...]) -> str:
    shown = f", so it is shown as {_number(readings[-1])} {unit}".rstrip() if facts.turned else ""
    return f"it holds a note to turn it{shown}, and the document does not say which counts"


def _ratio(facts: MediaFacts) -> _Measure:
    readings = tuple(Fraction(width, height) for width, height in _sized(facts))
    size = f"{facts.width} x {facts.height} px"
    words = f"has the ratio {_number(readings[0], 4)} ({size})" if readings else "its ratio could not be read"
    return _Measure(words=words, readings=readings, doubt=_turned(facts, "", readings))


def _pixels(facts: MediaFacts) -> _Measure:
    readings = tuple(Fraction(width * height) for width, height in _sized(facts)[:1])
    words = f"has {_number(readings[0])} pixels ({facts.width} x {facts.height})" if readings else ""
    return _Measure(words=words or "its number of pixels could not be read", unit="pixels", readings=readings)


def _megabytes(facts: MediaFacts) -> _Measure:
    if facts.size is None:
        return _Measure(words="its size in bytes is not known")
    by_ten, by_two = (Fraction(facts.size, unit) for unit in _MB)
    doubt = f"it is {_number(by_two)} MB of 1,048,576 bytes each, and the document does not say which it means"
    return _Measure(words=f"is {_number(by_ten)} MB", unit="MB", readings=(by_ten, by_two), doubt=doubt)


def _seconds(facts: MediaFacts) -> _Measure:
    if not facts.seconds:
        return _Measure(words="its length could not be read")
    if facts.estimated:
        about = f"lasts about {facts.seconds:.1f} s by its bit rate"
        return _Measure(words=f"{about}; its exact length stands nowhere in it")
    exact = _exact(facts.seconds)
    return _Measure(words=f"lasts {_number(exact)} s", unit="s", readings=(exact,), near=_NEAR_SECONDS)


def _fps(facts: MediaFacts) -> _Measure:
    if not facts.fps:
        return _Measure(words="its frame rate could not be read")
    exact, unit = _exact(facts.fps), "frames per second"
    return _Measure(words=f"has {_number(exact)} {unit}", unit=unit, readings=(exact,), share=_NEAR_FPS)


_MEASURES: Mapping[str, Callable[[MediaFacts], _Measure]] = {
    "width": lambda facts: _side(facts, 0, "wide"),
    "height": lambda facts: _side(facts, 1, "high"),
    "ratio": _ratio,
    "pixels": _pixels,
    "megabytes": _megabytes,
    "seconds": _seconds,
    "fps": _fps,
}
