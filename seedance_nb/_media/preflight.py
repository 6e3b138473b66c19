"""Whether the files that a request speaks of fit the document's limits, looked at before anything is sent or paid."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from seedance_nb._base.html import table_html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, pointer_parts, to_pointer
from seedance_nb._base.values import JsonPath as Place
from seedance_nb._document.spec import Spec
from seedance_nb._media.facts import MediaFacts
from seedance_nb._media.partial import fetch_parts
from seedance_nb._media.probe import probe
from seedance_nb._media.rules import Finding, judge, judge_total
from seedance_nb._media.sniff import NO_MEDIA
from seedance_nb._web.addresses import Resolver, lookup

_AT_ONCE = 4
_MOST_LEVELS = 60
_FETCH_S = 6.0
_FETCHING = 0.75  # of the time that is left; the rest is for looking into what came
_LEAST_S = 0.05
_UNKNOWN = "something unknown"
_WORDS = {"fits": "fits", "breaks": "breaks", "unchecked": "not checked"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """What was found about every file of a request, in the document's order."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The findings that break a rule, those that refuse a request before those that warn. *pure*."""
        found = [problem for finding in self.findings if (problem := finding.problem)]
        return tuple(sorted(found, key=lambda problem: problem.warns))

    @property
    def unchecked(self) -> tuple[Finding, ...]:
        """The findings that say what could not be checked, and why. *pure*."""
        return tuple(finding for finding in self.findings if finding.outcome == "unchecked")

    def __str__(self) -> str:
        if not self.findings:
            return "media: there is nothing to look at"
        fits: dict[str, list[str]] = {}
        lines = []
        for finding in self.findings:
            if finding.outcome == "fits":
                fits.setdefault(finding.path, []).append(finding.message)
            else:
                lines.append(str(finding))
        lines += [f"{path}: fits: {', '.join(dict.fromkeys(said))}" for path, said in fits.items()]
        broken, unsure = len(self.problems), len(self.unchecked)
        return "\n".join(
            [f"media: {broken} broken, {unsure} unchecked, {sum(map(len, fits.values()))} fitting", *lines]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [[_last(f.path), _WORDS[f.outcome], f.message, f.quote or f.source] for f in self.findings]
        return str(
            table_html(("entry", "outcome", "what was found", "the document"), rows, str(self).split("\n", 1)[0])
        )

    def seconds(self, place: str) -> list[float] | None:
        """The lengths in s of all entries of the list at `place` (a JSON Pointer), None if one is not known. *pure*."""
        entries = {finding.path for finding in self.findings if finding.path.startswith(f"{place}/")}
        lengths = {
            f.path: float(f.value)
            for f in self.findings
            if f.path in entries and f.rule == "seconds" and f.value is not ABSENT
        }
        return list(lengths.values()) if len(lengths) == len(entries) else None


def _last(path: str) -> str:
    """The field and the number of an entry, counted from 1, in words."""
    *_, field, number = ("", "", *pointer_parts(path))
    return f"{field} {int(number) + 1}" if number.isdecimal() else number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """A place for media in the body: its limits, each table with where it is known from, and its entries."""

    place: Place
    tables: tuple[tuple[Mapping[str, Any], str], ...]
    entries: tuple[tuple[Place, str], ...]
    listed: bool

    @property
    def kind(self) -> str:
        return str(self.tables[0][0].get("kind", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was learned of one file: its facts; or, without them, why there are none, and its size if that is known."""

    facts: MediaFacts | None = None
    size: int | None = None
    why: str = ""
    local: bool = False


async def preflight(
    spec: Spec, body: Any, *, allowed_origin: str = "", total_s: float = 8.0, resolve: Resolver = lookup
) -> Report:
    """What became of every limit on every file that `body` names, within `total_s` seconds. *network*, *reads files*.

    Public https addresses are asked for the bytes that tell format, size and length; local files are read in place;
    nothing is kept, and no key goes along. A file is said to fit a rule, to break it, or not to have been checked and why.
    Only the origin `allowed_origin` may be plain http or not public. No exception leaves for a file or an address.
    """
    fields = tuple(_fields(spec.body, body, (), 0))
    kinds: dict[str, str] = {}
    for field in fields:
        for _, source in field.entries:
            kinds.setdefault(source, field.kind)
    with tempfile.TemporaryDirectory(prefix="seedance-", ignore_cleanup_errors=True) as folder:
        work = _Work(folder=Path(folder), until=asyncio.get_running_loop().time() + total_s, total=total_s,
                     gate=asyncio.Semaphore(_AT_ONCE), allowed_origin=allowed_origin, resolve=resolve)  # fmt: skip
        async with asyncio.TaskGroup() as group:
            tasks = {
                source: group.create_task(_look(source, kind, work.folder / str(number), work))
                for number, (source, kind) in enumerate(kinds.items())
            }
    seen = {source: task.result() for source, task in tasks.items()}
    return Report(findings=tuple(finding for field in fields for finding in _judged(field, seen)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    folder: Path
    until: float
    total: float
    gate: asyncio.Semaphore
    allowed_origin: str
    resolve: Resolver

    @property
    def left(self) -> float:
        return max(self.until - asyncio.get_running_loop().time(), _LEAST_S)


def _fields(schema: Any, value: Any, place: Place, depth: int) -> Iterator[_Field]:
    if not isinstance(schema, Mapping) or depth > _MOST_LEVELS:
        return
    listed = isinstance(value, list | tuple)
    items = [((*place, number), item) for number, item in enumerate(value)] if listed else [(place, value)]
    entries = tuple((at, str(item)) for at, item in items if isinstance(item, str | Path) and str(item))
    tables = tuple(_tables(schema))
    if tables and entries:
        yield _Field(place=place, tables=tables, entries=entries, listed=listed)
    for part in schema.get("allOf", ()):
        yield from _fields(part, value, place, depth + 1)
    for name, child in schema.get("properties", {}).items():
        if isinstance(value, Mapping) and name in value:
            yield from _fields(child, value[name], (*place, name), depth + 1)
    for at, item in items if listed else ():
        yield from _fields(schema.get("items"), item, at, depth + 1)


def _tables(schema: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    own = schema.get("x-media", {})
    if own:
        yield own, ""
    upstream = schema.get("x-upstream", {})
    if "x-media" in upstream:
        kind = {"kind": own["kind"]} if "kind" in own else {}
        yield {**kind, **upstream["x-media"]}, upstream["source"]


async def _look(source: str, kind: str, into: Path, work: _Work) -> _Seen:
    try:
        async with asyncio.timeout_at(work.until), work.gate:
            if source.lower().startswith("asset:"):
                return _Seen(why="an uploaded asset; the provider looked at it when it was uploaded")
            if source.lower().startswith(("http:", "https:")):
                return await _remote(source, kind, into, work)
            if source.lower().startswith("data:"):
                return _Seen(why="it is Base64 data and not an address")
            path = _file(source)
            if path is None:
                return _Seen(why="it is neither a web address nor a file that is here")
            size = path.stat().st_size
            facts, why = await asyncio.to_thread(probe, path, size, work.left)
            return _Seen(facts=facts, size=size, why=why, local=True)
    except TimeoutError:
        return _Seen(why=f"there was no time left to look at it ({work.total:g} s for everything)")
    except OSError as error:
        return _Seen(why=f"it cannot be read ({error.strerror})")


async def _remote(url: str, kind: str, into: Path, work: _Work) -> _Seen:
    total = min(_FETCH_S, work.left * _FETCHING)
    origin = work.allowed_origin
    fetched, why = await fetch_parts(url, into, kind=kind, allowed_origin=origin, total=total, resolve=work.resolve)
    if fetched is None or why:
        return _Seen(size=fetched.size if fetched else None, why=why)
    facts, why = await asyncio.to_thread(probe, into, fetched.size, work.left)
    return _Seen(facts=facts, size=fetched.size, why=why)


def _file(source: str) -> Path | None:
    """The regular file that a text names, None if it names none. Nothing else is opened: a pipe would never end."""
    try:
        if source.lower().startswith("file:"):
            parts = urlsplit(source)
            if parts.netloc not in ("", "localhost"):
                return None
            source = url2pathname(parts.path)
        if source.startswith(("//", "\\\\")):  # another machine, which would be asked for it
            return None
        path = Path(source).expanduser()
        return path if path.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _judged(field: _Field, seen: Mapping[str, _Seen]) -> Iterator[Finding]:
    for place, source in field.entries:
        path, one = to_pointer(place), seen[source]
        if one.local:
            quote = field.tables[0][0].get("schemes", {}).get("quote", "")
            said = "is a file on this computer: it was looked at here, and the provider cannot reach it"
            yield Finding(path=path, rule="", outcome="unchecked", message=said, quote=quote)
        if one.facts is None and one.why.endswith(NO_MEDIA) and _UNKNOWN not in one.why:
            # Told and not refused: what an address answers to this computer need not be what it answers to the provider.
            yield Finding(path=path, rule="formats", outcome="breaks", message=one.why.removeprefix("it "), warns=True,
                          source="what it answers to this computer")  # fmt: skip
            continue
        if one.facts is None:
            yield Finding(path=path, rule="", outcome="unchecked", message=one.why)
        for table, known in field.tables:
            rules, facts = table, one.facts
            if facts is None:  # its size may be known all the same
                rules = {name: rule for name, rule in table.items() if name == "megabytes" and one.size is not None}
                facts = MediaFacts(size=one.size)
            yield from judge(path, rules, facts, warns=bool(known), source=known)
    for table, known in field.tables if field.listed else ():
        all_facts = [seen[source].facts for _, source in field.entries]
        yield from judge_total(to_pointer(field.place), table, all_facts, warns=bool(known), source=known)
