"""Checks the facts of a media file against a schema's limits. Nothing is guessed: too close to tell is not a failure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, packaged_table
from seedance_nb._media.sniff import MediaFacts

Outcome = Literal["fits", "breaks", "unchecked"]
_NEAR_SECONDS = Fraction(1, 10)
_WORDS: dict[str, Any] = packaged_table(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of checking one file, or one list of files, against one rule."""

    path: str  # a JSON Pointer into the request body
    rule: str  # the name of a rule of `x-media`, "" for the file as a whole
    outcome: Outcome
    message: str  # one clause about the file
    quote: str = ""  # the sentence in the docs
    value: Any = ABSENT  # as measured
    limit: Any = None  # what is allowed: bounds, or formats
    source: str = ""  # where the limit comes from if it is not the provider's
    origin: str = "the provider's docs"

    @property
    def warns(self) -> bool:
        """Whether a failure only warns, because the limit comes from another source. *pure*."""
        return bool(self.source)

    @property
    def problem(self) -> Problem | None:
        """A failed rule as a `Problem`, None for any other result. *pure*."""
        if self.outcome != "breaks":
            return None
        return Problem(path=self.path, message=self.message, rule="x-media", value=self.value, limit=self.limit,
                       quote=self.quote, warns=self.warns, source=self.source, origin=self.origin)  # fmt: skip

    @property
    def word(self) -> str:
        """The outcome in a word: ok, failed, warning or not checked. *pure*."""
        return {"fits": "ok", "breaks": "warning" if self.warns else "failed", "unchecked": "not checked"}[self.outcome]

    def __str__(self) -> str:
        label = f"According to {self.source}" if self.warns else f"From {self.origin}"
        quote = f'\n      {label}: "{self.quote}"' if self.quote and self.outcome != "fits" else ""
        return f"{self.path or '/'}: {self.word}: {self.message}{quote}"


class _Measure(NamedTuple):
    """A measured property: its text and every value that it may stand for; one beyond a limit by at most `near` and `share` of it is too close to tell."""

    text: str
    unit: str = ""
    readings: tuple[Fraction, ...] = ()
    doubt: str = ""
    near: Fraction = Fraction(0)
    share: Fraction = Fraction(0)


def judge(path: str, table: Mapping[str, Any], facts: MediaFacts, source: str = "") -> tuple[Finding, ...]:
    """One finding for each rule of `table` (an `x-media` object) about a single file; unchecked where readings that the docs leave open disagree. *pure*."""
    kind, found = table.get("kind", facts.kind), []
    for name, rule in table.items():
        if name == "formats":
            allowed = tuple(str(word) for word in rule.get("any", ()))
            fits = facts.format in {_WORDS["aliases"].get(word.lower(), word.lower()) for word in allowed}
            message = f"is {facts.format}" if fits else f"is {facts.format}; allowed formats: {', '.join(allowed)}"
            found.append(Finding(path=path, rule=name, outcome="fits" if fits else "breaks", message=message,
                                 value=facts.format, limit=allowed, quote=rule.get("quote", "")))  # fmt: skip
        elif name == "megabytes" or (name in _WORDS["unknown"] and kind == facts.kind):
            found.append(_bounded(path, name, rule, _measure(name, facts)))
    if kind != facts.kind and not any(finding.rule == "formats" and finding.outcome == "breaks" for finding in found):
        message = f"is {_WORDS['kinds'][facts.kind]}, but the limits are for {_WORDS['kinds'][kind]}"
        found.append(Finding(path=path, rule="", outcome="unchecked", message=message, value=facts.kind))
    return tuple(replace(finding, source=source) for finding in found)


def judge_total(path: str, table: Mapping[str, Any], entries: Sequence[MediaFacts | None],
                source: str = "") -> tuple[Finding, ...]:  # fmt: skip
    """The finding for `total_seconds` in `table` about a list of files (None for one that could not be read); () without that rule. *pure*."""
    rule = table.get("total_seconds")
    if not rule or not entries:
        return ()
    known = [_exact(entry.seconds) for entry in entries if entry and entry.seconds and not entry.estimated]
    total = sum(known, Fraction(0))
    text = f"last {_number(total)} s together" if len(entries) > 1 else f"lasts {_number(total)} s"
    measure = _Measure(text=text, unit="s", readings=(total,), near=_NEAR_SECONDS * len(known))
    finding = _bounded(path, "total_seconds", rule, measure)
    if missing := len(entries) - len(known):
        longer = {key: value for key, value in rule.items() if key not in ("over", "from")}
        least = _bounded(path, "total_seconds", longer, measure)
        message = f"the duration of {missing} of {len(entries)} file{'s' if len(entries) > 1 else ''} is unknown"
        finding = least if least.outcome == "breaks" else replace(finding, outcome="unchecked", message=message)
    return (replace(finding, source=source),)


def _bounded(path: str, name: str, rule: Mapping[str, Any], measure: _Measure) -> Finding:
    limit = {key: rule[key] for key in _WORDS["bounds"] if key in rule}
    broken = [_broken_bound(reading, limit, measure) for reading in measure.readings]
    outcome: Outcome = "unchecked"
    message = measure.text
    if broken and all(bound == "" for bound, _ in broken):
        outcome = "fits"
    elif broken and all(bound and not near for bound, near in broken):
        outcome = "breaks"
        bound = broken[0][0]
        message += f"; must be {_WORDS['bounds'][bound]} {_number(_exact(limit[bound]))} {measure.unit}".rstrip()
    elif any(near for _, near in broken):
        message += ", too close to the limit to be sure: the provider may measure it differently"
    elif broken:
        message += f"; {measure.doubt}"
    exact = next(iter(measure.readings), None)
    value = ABSENT if exact is None else int(exact) if exact.denominator == 1 else float(exact)
    return Finding(path=path, rule=name, outcome=outcome, message=message, value=value, limit=limit,
                   quote=rule.get("quote", ""))  # fmt: skip


def _broken_bound(value: Fraction, limit: Mapping[str, Any], measure: _Measure) -> tuple[str, bool]:
    """The bound that a value breaks, "" if none, and whether it is too close to tell."""
    for key in limit:
        bound = _exact(limit[key])
        beyond = bound - value if key in ("over", "from") else value - bound
        if beyond > 0 or (beyond == 0 and key in ("over", "under")):
            near = measure.near + measure.share * abs(bound)
            return key, near > 0 and beyond <= near
    return "", False


def _exact(value: float) -> Fraction:
    return Fraction(str(value))  # 0.4 in a schema is two fifths, not the nearest binary number


def _number(value: Fraction, places: int = 4) -> str:
    return f"{float(value):,.{places}f}".rstrip("0").rstrip(".") if value.denominator != 1 else f"{int(value):,}"


def _measure(name: str, facts: MediaFacts) -> _Measure:
    """The property that a rule is about. What depends on width and height is read both ways where the file is displayed rotated."""
    if name == "megabytes" and facts.size is not None:
        by_ten, by_two = (Fraction(facts.size, unit) for unit in (1_000_000, 1_048_576))
        doubt = f"that is {_number(by_two, 3)} MB of 1,048,576 bytes each, and the docs do not say which they mean"
        return _Measure(text=f"is {_number(by_ten, 3)} MB", unit="MB", readings=(by_ten, by_two), doubt=doubt)
    if name == "seconds" and facts.estimated and facts.seconds:
        about = f"lasts about {facts.seconds:.1f} s judging by its bit rate"
        return _Measure(text=f"{about}; it does not store its exact duration")
    if name == "seconds" and facts.seconds:
        exact = _exact(facts.seconds)
        return _Measure(text=f"lasts {_number(exact)} s", unit="s", readings=(exact,), near=_NEAR_SECONDS)
    if name == "fps" and facts.fps:
        exact, unit = _exact(facts.fps), "frames per second"
        return _Measure(text=f"has {_number(exact)} {unit}", unit=unit, readings=(exact,), share=Fraction(2, 1000))
    if name not in _WORDS["sizes"] or not (facts.width and facts.height):
        return _Measure(text=_WORDS["unknown"][name])
    (text, unit), readings, texts = _WORDS["sizes"][name], list[Fraction](), list[str]()
    for width, height in ((facts.width, facts.height), (facts.height, facts.width))[: 1 + facts.turned]:
        values: dict[str, Any] = {"width": width, "height": height, "pixels": width * height}
        readings.append(Fraction(width, height) if name == "ratio" else Fraction(values[name]))
        texts.append(text.format(_number(readings[-1]), width, height))
    doubt = f"its metadata rotates it: as displayed it {texts[-1]}, and the docs do not say which counts"
    return _Measure(text=texts[0], unit=unit, readings=tuple(readings), doubt=doubt)
