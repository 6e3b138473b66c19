"""Checks the files in a request against the schema's limits before anything is sent or paid. Nothing is guessed: too close to tell is not a failure."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import table_html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, find, packaged_table, safe_name, to_path, to_pointer
from seedance_nb._document.spec import Spec
from seedance_nb._media.inspect import probe
from seedance_nb._media.partial import REFUSED, fetch_parts
from seedance_nb._media.sniff import NO_MEDIA, UNKNOWN, MediaFacts
from seedance_nb._schema.formats import LOCAL, media_error
from seedance_nb._web.addresses import NOT_PUBLIC

Outcome = Literal["fits", "breaks", "unchecked"]
_NEAR_SECONDS = Fraction(1, 10)
_WORDS: dict[str, Any] = packaged_table(__file__, "rules")
_MOST_LEVELS, _LEAST_S, _NO_FILE = 60, 0.05, "no such file, and not a URL"
NO_FRAME = "https://frame.invalid/"  # how the URL of a frame begins that is not there yet
_ASSET = "it is an uploaded asset, which the provider checked when it was uploaded"
Request = tuple[Spec, Any, str, Callable[[str], Awaitable[str]] | None]
_Field = tuple[JsonPath, Mapping[str, Any], list[tuple[Mapping[str, Any], str]], list[tuple[JsonPath, str]]]
"""The path of a media field in the body, its schema, its limits, each table with its source ("" for the provider), and its entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Problem):
    """The result of checking one file, or one list of files, against one rule of `x-media`, "" for the file as a whole: its attributes are those of a problem, which it is if its `outcome` is "breaks"."""

    outcome: Outcome

    @property
    def problem(self) -> Problem:
        """The same as a problem of the request. *pure*."""
        return Problem(**{one.name: getattr(self, one.name) for one in fields(Problem)} | {"rule": "x-media"})

    @property
    def word(self) -> str:
        """The outcome in a word: ok, failed, warning or not checked. *pure*."""
        broken = "warning" if self.source else "failed"
        return {"fits": "ok", "breaks": broken, "unchecked": "not checked"}[self.outcome]

    def __str__(self) -> str:
        quote = f"\n      {self.problem.citation}" if self.quote and self.outcome != "fits" else ""
        return f"{self.path or '/'}: {self.word}: {self.message}{quote}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """The result of `sd.preflight`, a table in a notebook: `findings` has one entry for each limit of each file in a request, in the schema's order."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The failed limits: first those that stop the request, then warnings. *pure*."""
        return tuple(sorted((one.problem for one in self.findings if one.outcome == "breaks"), key=lambda it: it.warns))

    @property
    def unchecked(self) -> tuple[Finding, ...]:
        """The limits that could not be checked, each with the reason. *pure*."""
        return tuple(finding for finding in self.findings if finding.outcome == "unchecked")

    def __str__(self) -> str:
        if not self.findings:
            return "media: no files to check"
        passed: dict[str, list[str]] = {}
        for finding in (one for one in self.findings if one.outcome == "fits"):
            passed.setdefault(finding.path, []).append(finding.message)
        failed, unchecked = len(self.problems), len(self.unchecked)
        lines = [f"media: {failed} failed, {unchecked} unchecked, {len(self.findings) - failed - unchecked} ok"]
        lines += [str(finding) for finding in self.findings if finding.outcome != "fits"]
        lines += [f"{path}: ok: {', '.join(dict.fromkeys(messages))}" for path, messages in passed.items()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for one in self.findings:  # the name of a field and the number of the entry in it, counted from 1
            *_, name, number = ("", "", *to_path(one.path))
            name = f"{name} {int(number) + 1}" if number.isdecimal() else number
            rows.append([name, one.word, one.message, one.quote or one.source])
        return str(table_html(("file", "result", "details", "docs"), rows, str(self).split("\n", 1)[0]))

    def seconds(self, path: str) -> list[float] | None:
        """The durations in seconds of all files in the list at `path` (a JSON Pointer), None if one is unknown. *pure*."""
        entries = [finding for finding in self.findings if finding.path.startswith(f"{path}/")]
        lengths = {f.path: float(f.value) for f in entries if f.rule == "seconds" and f.value is not ABSENT}
        return list(lengths.values()) if len(lengths) == len({f.path for f in entries}) else None


class _Reading(NamedTuple):
    """The facts of one file; or only its size, if that is known, and `why` not the others; of an asset its `state`."""

    facts: MediaFacts = MediaFacts()
    why: str = ""
    is_local: bool = False
    state: str = ""


async def preflight(requests: Sequence[Request], total_s: float = 8.0) -> list[Report]:
    """Every limit checked on every file of each request, within `total_s` seconds in all and without a key; a file in several is read once, a failure is unchecked, with the reason. A request is a model, a body, the origin whose addresses need not be public, and what looks up an asset's state. *network*, *reads files*."""
    every = [(spec, [*_fields(spec.body, body, (), 0)], access) for spec, body, *access in requests]
    # Of a file in several fields, the first one counts.
    places = [(*field[2:], access) for _, found, access in reversed(every) for field in reversed(found)]
    files = {source: (tables[0][0].get("kind", ""), *access) for tables, texts, access in places for _, source in texts}
    loop, limit = asyncio.get_running_loop(), asyncio.Semaphore(4)
    until = loop.time() + total_s

    async def read(into: Path, source: str, kind: str, origin: str, asset_state: Any) -> _Reading:
        lower = source.lower()
        try:
            async with asyncio.timeout_at(until), limit:
                if lower.startswith("asset:"):
                    return _Reading(why=_ASSET, state=await asset_state(source[8:]) if asset_state else "")
                if lower.startswith("data:"):
                    return _Reading(why="it is Base64 data, not a URL")
                if lower.startswith(("http:", "https:")):  # the rest of the time is for reading what was downloaded
                    total = min(6.0, max(until - loop.time(), _LEAST_S) * 0.75)
                    got, why = await fetch_parts(source, into, kind=kind, allowed_origin=origin, total=total)
                    if got is None or why:
                        return _Reading(facts=MediaFacts(size=got.size if got else None), why=why)
                    path, size = into, got.size
                elif local := _file(source):
                    path, size = local, local.stat().st_size
                else:
                    return _Reading(why=_NO_FILE)
                facts, why = await asyncio.to_thread(probe, path, size, max(until - loop.time(), _LEAST_S))
                return _Reading(facts=facts or MediaFacts(size=size), why=why, is_local=path is not into)
        except SeedanceError as error:
            return _Reading(why=f"{_ASSET}; its status is unknown ({error.message.removesuffix('.')})")
        except TimeoutError:
            return _Reading(why=f"there was no time left to check it ({total_s:g} s for all files)")
        except OSError as error:
            return _Reading(why=f"it cannot be read ({error.strerror})")

    with tempfile.TemporaryDirectory(prefix="seedance-", ignore_cleanup_errors=True) as folder:
        async with asyncio.TaskGroup() as group:
            reads = (read(Path(folder, str(n)), one, *files[one]) for n, one in enumerate(files))
            tasks = dict(zip(files, map(group.create_task, reads), strict=True))
    readings, reports = {source: task.result() for source, task in tasks.items()}, []
    for spec, found, _ in every:
        origin = f"{spec.provider}'s docs" if spec.vouched else "the schema"
        findings = (finding for one in found for finding in _findings(spec, one, readings))
        reports.append(Report(findings=tuple(replace(finding, origin=origin) for finding in findings)))
        await asyncio.sleep(0)  # so that many requests hold up nothing else
    return reports


def _fields(schema: Any, value: Any, path: JsonPath, depth: int) -> Iterator[_Field]:
    if not isinstance(schema, Mapping) or depth > _MOST_LEVELS:
        return
    is_list = isinstance(value, list | tuple)
    items = [((*path, number), item) for number, item in enumerate(value)] if is_list else [(path, value)]
    texts = [(at, str(item)) for at, item in items if isinstance(item, str | Path)]
    entries = [(at, text) for at, text in texts if text and not text.startswith(NO_FRAME)]
    own, upstream = schema.get("x-media", {}), schema.get("x-upstream", {})
    tables = [(own, "")] if own else []
    if "x-media" in upstream:
        tables.append((({"kind": own["kind"]} if "kind" in own else {}) | upstream["x-media"], upstream["source"]))
    if tables and entries:
        yield path, schema, tables, entries
    for part in schema.get("allOf", ()):
        yield from _fields(part, value, path, depth + 1)
    for name, child in schema.get("properties", {}).items():
        if isinstance(value, Mapping) and name in value:
            yield from _fields(child, value[name], (*path, name), depth + 1)
    for at, item in items if is_list else ():
        yield from _fields(schema.get("items"), item, at, depth + 1)


def _file(source: str) -> Path | None:
    """The regular file that a text names, else None. Nothing else is opened: a pipe would never end. *reads files*."""
    try:
        if source.lower().startswith("file:"):
            parts = urlsplit(source)
            if parts.netloc not in ("", "localhost"):
                return None
            source = url2pathname(parts.path)
        if source.startswith(("//", "\\\\")):  # a path on another machine
            return None
        path = Path(source).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _findings(spec: Spec, found: _Field, readings: Mapping[str, _Reading]) -> Iterator[Finding]:
    place, schema, tables, entries = found
    reasons = {one["quote"]: one["reason"] for one in schema.get("x-unchecked", ())}
    for position, source in entries:
        path, reading = to_pointer(position), readings[source]
        if reading.is_local and "binary" not in (schema.get("format"), find(schema, "/items/format")):
            quote = tables[0][0].get("schemes", {}).get("quote", "")
            message = "is a file on this computer: it was checked here, but the provider cannot reach it"
            yield Finding(path=path, rule="", outcome="unchecked", message=message, quote=quote)
        is_private = NOT_PUBLIC in reading.why and "VPN" not in reading.why  # there may be a public address behind that
        if (is_out := is_private or reading.why.endswith(REFUSED)) or (
            reading.why.endswith(NO_MEDIA) and UNKNOWN not in reading.why
        ):
            # A warning only: the provider may get something else than this computer.
            why = reading.why.removeprefix("it ").replace(";", ", so the provider most likely cannot fetch it;")
            yield Finding(path=path, rule="" if is_out else "formats", outcome="breaks", message=why, warns=True,
                          source="what this computer sees")  # fmt: skip
            continue
        if reading.state:
            rule = schema.get("x-media", {}).get("asset", {})
            ready = rule.get("any") or spec.calls["asset-info"].ready
            fits = reading.state.casefold() in map(str.casefold, ready)
            message = f"is {safe_name(reading.state)}" + ("" if fits else f"; must be {' or '.join(ready)}")
            yield Finding(path=path, rule="asset", outcome="fits" if fits else "breaks", message=message, value=reading.state,
                          quote=rule.get("quote", ""), warns=not rule, source="" if rule else "the provider's own answer")  # fmt: skip
        if reading.why:
            is_wrong = reading.why == _NO_FILE and media_error(source, []).startswith(LOCAL)
            yield Finding(path=path, rule="", outcome="breaks" if is_wrong else "unchecked", message=reading.why)
        known = {"megabytes"} if reading.facts.size is not None else set()
        for table, origin in tables:
            rules = {name: rule for name, rule in table.items() if not reading.why or name in known}
            yield from judge(path, rules, reading.facts, origin)
        for one in (one for one in spec.unchecked if one.path == to_pointer(place)):
            message = f'"{one.quote}": {reasons.get(one.quote, "no check tests this sentence of the docs")}'
            yield Finding(path=path, rule=one.kind, outcome="unchecked", message=message)
    for table, origin in tables if place != entries[0][0] else ():
        all_facts = [None if readings[source].why else readings[source].facts for _, source in entries]
        yield from judge_total(to_pointer(place), table, all_facts, origin)


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
    return tuple(replace(finding, source=source, warns=bool(source)) for finding in found)


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
    return (replace(finding, source=source, warns=bool(source)),)


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
