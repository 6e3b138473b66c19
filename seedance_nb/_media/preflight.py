"""Checks the files in a request against the schema's limits before anything is sent or paid."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import table_html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, safe_name, to_path, to_pointer
from seedance_nb._document.spec import Spec
from seedance_nb._media.inspect import probe
from seedance_nb._media.partial import fetch_parts
from seedance_nb._media.rules import Finding, judge, judge_total
from seedance_nb._media.sniff import NO_MEDIA, UNKNOWN, MediaFacts
from seedance_nb._schema.formats import LOCAL, media_error
from seedance_nb._web.addresses import NOT_PUBLIC

_MOST_LEVELS, _LEAST_S, _NO_FILE = 60, 0.05, "no such file, and not a URL"
_ASSET = "it is an uploaded asset, which the provider checked when it was uploaded"
_Field = tuple[JsonPath, Mapping[str, Any], list[tuple[Mapping[str, Any], str]], list[tuple[JsonPath, str]]]
"""The path of a media field in the body, its schema, its limits, each table with its source ("" for the provider), and its entries."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """The result of `sd.preflight`: what was found about every file in a request, in the schema's order.

    Print it, or let the notebook show it as a table. `findings` holds one entry for each limit of each file, `problems`
    those that failed, `unchecked` those that could not be checked.
    """

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The failed limits: first those that stop the request, then warnings. *pure*."""
        return tuple(sorted(filter(None, (one.problem for one in self.findings)), key=lambda problem: problem.warns))

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


async def preflight(spec: Spec, body: Any, *, allowed_origin: str = "", total_s: float = 8.0,
                    asset_state: Callable[[str], Awaitable[str]] | None = None) -> Report:  # fmt: skip
    """Every limit checked on every file in `body`, within `total_s` seconds and without a key; a failure is unchecked, with the reason. `asset_state` looks up an asset's state by its id. *network*, *reads files*."""
    fields = list(_fields(spec.body, body, (), 0))
    # Of a file in several fields, the first one counts.
    kinds = {source: tables[0][0].get("kind", "") for _, _, tables, files in reversed(fields) for _, source in files}
    loop, limit = asyncio.get_running_loop(), asyncio.Semaphore(4)
    until = loop.time() + total_s

    async def read(source: str, kind: str, into: Path) -> _Reading:
        lower = source.lower()
        try:
            async with asyncio.timeout_at(until), limit:
                if lower.startswith("asset:"):
                    return _Reading(why=_ASSET, state=await asset_state(source[8:]) if asset_state else "")
                if lower.startswith("data:"):
                    return _Reading(why="it is Base64 data, not a URL")
                if lower.startswith(("http:", "https:")):  # the rest of the time is for reading what was downloaded
                    total = min(6.0, max(until - loop.time(), _LEAST_S) * 0.75)
                    got, why = await fetch_parts(source, into, kind=kind, allowed_origin=allowed_origin, total=total)
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
            reads = (read(source, kind, Path(folder, str(n))) for n, (source, kind) in enumerate(kinds.items()))
            tasks = dict(zip(kinds, map(group.create_task, reads), strict=True))
    readings = {source: task.result() for source, task in tasks.items()}
    origin = f"{spec.provider}'s docs" if spec.vouched else "the schema"
    findings = (finding for one in fields for finding in _findings(spec, one, readings))
    return Report(findings=tuple(replace(finding, origin=origin) for finding in findings))


def _fields(schema: Any, value: Any, path: JsonPath, depth: int) -> Iterator[_Field]:
    if not isinstance(schema, Mapping) or depth > _MOST_LEVELS:
        return
    is_list = isinstance(value, list | tuple)
    items = [((*path, number), item) for number, item in enumerate(value)] if is_list else [(path, value)]
    entries = [(at, str(item)) for at, item in items if isinstance(item, str | Path) and str(item)]
    own, upstream = schema.get("x-media", {}), schema.get("x-upstream", {})
    tables = [(own, "")] if own else []
    if "x-media" in upstream:
        kind = {"kind": own["kind"]} if "kind" in own else {}
        tables.append(({**kind, **upstream["x-media"]}, upstream["source"]))
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
        if reading.is_local:
            quote = tables[0][0].get("schemes", {}).get("quote", "")
            message = "is a file on this computer: it was checked here, but the provider cannot reach it"
            yield Finding(path=path, rule="", outcome="unchecked", message=message, quote=quote)
        is_private = NOT_PUBLIC in reading.why and "VPN" not in reading.why  # there may be a public address behind that
        if is_private or (reading.why.endswith(NO_MEDIA) and UNKNOWN not in reading.why):
            # A warning only: the provider may get something else than this computer.
            why = reading.why.removeprefix("it ").replace(";", ", so the provider most likely cannot fetch it;")
            yield Finding(path=path, rule="" if is_private else "formats", outcome="breaks", message=why,
                          source="what this computer sees")  # fmt: skip
            continue
        if reading.state:
            rule = schema.get("x-media", {}).get("asset", {})
            ready = rule.get("any") or spec.calls["asset-info"].ready
            fits = reading.state.casefold() in map(str.casefold, ready)
            message = f"is {safe_name(reading.state)}" + ("" if fits else f"; must be {' or '.join(ready)}")
            yield Finding(path=path, rule="asset", outcome="fits" if fits else "breaks", message=message, value=reading.state,
                          quote=rule.get("quote", ""), source="" if rule else "the provider's own answer")  # fmt: skip
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
