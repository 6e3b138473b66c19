"""A storyboard: shots that continue each other, generated again only where they or what they continue changed, and joined."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seedance_nb._base import errors
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.html import piece, table_html, table_text
from seedance_nb._base.values import ABSENT, read_json, set_at, shorten, to_path
from seedance_nb._document.load import spec as load_spec
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.row import Row, State, price_after
from seedance_nb._media.frames import join
from seedance_nb._media.preflight import NO_FRAME
from seedance_nb._media.sniff import sniff
from seedance_nb._notebook.compare import SETTINGS, request_for
from seedance_nb._notebook.results import ShownBatch, cell_text
from seedance_nb._session.batch import Batch, Item, Result, Run, attempt, destination, item_of
from seedance_nb._session.session import Session
from seedance_nb._task.display.player import View, download_html, player_html, source_of
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.files import LAST_FRAME, file_lock, lock_for, read_extras
from seedance_nb._task.task import Task, state_text
from seedance_nb._web.client import fetch_small
from seedance_nb._web.regular_files import sha256


@created_by_package
class Storyboard(ShownBatch):
    """The shots of one film, created and checked by `sd.storyboard`. Nothing is sent yet.

    A cell shows their table, with one price and one button. `shots` are the settings, which `replace` changes, `results` the videos or errors.

    >>> shots = [{"prompt": "A fox wakes", "model": "crun/seedance-1.0-pro-t2v"}, {"prompt": "It runs"}]
    >>> board = sd.storyboard(shots, model="crun/seedance-2.0-i2v", seconds=4, resolution="480p")
    >>> [video.simulated for video in board.generate()]
    [True, True]
    >>> board.film("fox.mp4")
    Film fox.mp4: 2 shots, joined without loss
    >>> board.replace(1, prompt="It sleeps").total.simulated
    1
    """

    _by, _row, _question = "title", "shot", ("paid requests for {count} shots", "")
    generate = ShownBatch.run

    def __init__(self, session: Session, shots: Sequence[Mapping[str, Any]], budget: float | None = None) -> None:
        self.shots, self._session = tuple(MappingProxyType(dict(shot)) for shot in shots), session
        is_own = [shot.get("chain") is False or shot.get("first_frame") is not None for shot in self.shots]
        self._chained = [at for at in range(1, len(shots)) if not is_own[at]]
        items, numbers = list[Item](), dict[str, int]()  # equal requests have the number of the first of them
        for at in range(len(shots)):
            number = numbers.get(items[-1].intent, at) if items else 0
            items.append(self._item(at, f"{NO_FRAME}last-frame-of-shot-{number}.png"))
            numbers.setdefault(items[at].intent, at + 1)
        for at in self._chained:
            items[at] = replace(items[at], fault=items[at].fault or _chain_fault(items[at - 1], items[at]))
        if broken := next((item for item in items if item.error), None):
            fault = f"{broken.title}: {broken.fault or broken.problems[0]}"
            items = [item if item.error else replace(item, fault=fault) for item in items]
        super().__init__(session, items, budget=budget)
        has_problems = any(item.error or item.warnings or item.unsupported for item in items)
        self._heads = ("shot", "model", *["not supported", "problems"] * has_problems, "price")
        self._title = ("Storyboard", "shot", "", "")
        for at, row in enumerate(rows := self.rows()):
            words, state = str(self.shots[at].get("prompt", "")), "new"
            if row is None and at in self._chained:  # the ledger may have it with another frame
                found = session.ledger.search(session.prompt_of, 50, 0, words=words, model=items[at].name)
                roles, takes = items[at].spec.roles, [one.row for one in found if one.row.take == items[at].take]
                frame = to_path(roles.get("first_frame") or roles.get("frames", "/?"))
                others = [set_at(read_json(one.body), frame, ABSENT) for one in takes]
                why = f"shot {at} changes" if rows[at - 1] is None else "it continues another shot now"
                state = f"stale: {why}" if set_at(items[at].body, frame, ABSENT) in others else state
            number = numbers.get(items[at].intent, at + 1)
            state = state if number > at else f"the same as shot {number}"
            items[at] = replace(items[at], labels={**items[at].labels, "state": state})
        self.items = tuple(items)

    def replace(self, index: int, **changes: Any) -> Storyboard:
        """The storyboard with other settings of one shot, counted from 0; None removes a setting. *reads files*."""
        shots = list(map(dict, self.shots))
        if index not in range(-len(shots), len(shots)):
            raise errors.argument_error("index", f"must be from 0 to {len(shots) - 1}, not {index!r}", index)
        shots[index] |= changes
        return Storyboard(self._session, shots, self._budget)

    def rows(self) -> list[Row | None]:
        """The row of each shot in the ledger, None if it must be generated. *reads files*."""
        rows = super().rows()  # without the shots that continue another one: their frame is known by its row
        for at in self._chained:
            rows[at] = self._found(at, rows[at - 1])[1]
        return rows

    def plan(self) -> View:
        """Which shots are done, new or stale, and what generating costs; nothing is sent. *reads files*, *network* the first time."""
        heads, cells = (*self._heads, "state"), []
        for item, row, price in zip(self.items, self.rows(), self.estimates, strict=True):
            state = f"{state_text(row)} · {price_after(row)}" if row else "" if item.error else item.labels["state"]
            cells.append([*(cell_text(head, item, price) for head in self._heads), state])
        note = f"{len(self.due)} of {len(self.items)} shots to generate: {self.total}"
        return View(text=table_text(heads, cells, note), html=table_html(heads, cells, note))

    def __repr__(self) -> str:
        return self.plan().text if hasattr(self, "_title") else "Storyboard (not created)"

    def film(self, path: str | Path | None = None) -> View:
        """The shots joined into one MP4, as a player. *reads files*, *writes files*, *writes ledger*.

        They are copied without loss if all their streams match, else encoded again. `path` is the file, None for one beside the
        first shot; only an earlier film of these shots is replaced. Raises: SeedanceError if a shot has no video; MediaError.
        """
        rows, ledger, step = self.rows(), self._session.ledger, "generate the shots first, or choose another file"
        if missing := [str(at) for at, row in enumerate(rows, 1) if row is None or row.state is not State.DONE]:
            text = f"There is no film yet. Shots without a video: {', '.join(missing)}."
            raise errors.SeedanceError(text, next_step=step, charged=None)
        pairs = zip(self.items, rows, strict=True)
        videos = [Task(self._session.sender, item.spec, row).wait(progress=False) for item, row in pairs if row]
        target = Path(path).expanduser() if path else videos[0].path.with_suffix(".film.mp4")
        films = {film for video in videos for film in ledger.marks(video.row, "film")}
        is_place = target.suffix.casefold() == ".mp4" and target.parent.is_dir()
        if not is_place or (os.path.lexists(target) and sha256(target) not in films):
            text = f"{target} is no MP4, has no folder, or is there and no earlier film of these shots, so nothing was written."
            raise errors.MediaError(text, next_step=step, charged="not charged")
        is_encoded = join([video.path for video in videos], target)
        for video in videos if (film := sha256(target)) not in films else ():
            ledger.set_mark(video.row, [film, *ledger.marks(video.row, "film")], "film")
        how = "encoded again in the size of the first" if is_encoded else "joined without loss"
        text, source = f"{len(videos)} shots, {how}", source_of(target)
        player = player_html(source, facts=videos[0].facts, still=videos[0].poster, name=target.name)
        html = piece("film").format(player, text, download_html(target, source))
        return View(text=f"Film {target}: {text}", html=html, jpeg=videos[0].poster)

    async def send(self, run: Any, *, interactive: bool = False) -> None:
        """Send each shot once what it continues is saved. *spends credits*, *network*, *writes ledger*."""
        await asyncio.gather(*(self._send_shot(run, at, interactive=interactive) for at in range(len(self.items))))

    async def _send_shot(self, run: Run, at: int, *, interactive: bool) -> None:
        before: Result = None
        while at in self._chained and (before := run.results[at - 1]) is None:
            if run.is_stopped:
                return
            await asyncio.sleep(0.1)
        lock = lock_for(self._session.outputs, before.row) if isinstance(before, Video) else None
        async with file_lock(lock) if lock else nullcontext():  # two kernels must agree on the URL of the frame
            item = await asyncio.to_thread(attempt, partial(self._after, at, before))
            if isinstance(item, Exception):
                run.tasks[at] = run.results[at] = item
            elif not (item.error or isinstance(run.tasks[at], Exception) or run.is_stopped):
                await self._estimate(item)
                await self._start(run, at, item, interactive=interactive)
        run.is_stopped |= isinstance(run.tasks[at], errors.OverBudget)

    def _after(self, at: int, before: Result) -> Item:
        """The request of a shot, which starts from the last frame of the video before it, if there is one. *network*, *writes ledger*. Raises: SeedanceError."""
        if before is None:
            return self.items[at]
        if not isinstance(before, Video) or before.row.is_forgotten:
            text = f"Shot {at + 1} was not sent: shot {at}, which it continues, has no video, or was forgotten."
            step = f"generate shot {at} again with .replace({at - 1}, take=2), or change its prompt"
            if not isinstance(before, errors.TaskFailed | Video):
                step = f"solve the problem of shot {at}, then run this again"
            raise errors.SeedanceError(text, next_step=step)
        frame, row = self._found(at, before.row)
        if not (row or (frame and sniff(ENGINE.run(fetch_small(frame)))[0] == "image")):
            try:
                frame = last_frame_url(self._session, self.items[at].spec, before.row)
            except errors.SeedanceError as error:
                error.message = f"Shot {at + 1} was not sent, because the last frame of shot {at} could not be used: {error.message}"
                error.next_step = f"{error.next_step or 'try again'}; shots that have a video cost nothing"
                raise
            # In the ledger before it is sent, so that what was paid is found again, whatever becomes of this URL.
            ledger = self._session.ledger
            ledger.set_mark(before.row, [frame, *ledger.marks(before.row, "frame")], "frame")
        return self._item(at, frame)

    def _found(self, at: int, before: Row | None) -> tuple[str, Row | None]:
        """The URL of the frame with which a shot was sent after a row, and its own row; if it was not, the latest URL and None. *reads files*."""
        frames = self._session.ledger.marks(before, "frame") if before else []
        rows = Batch(self._session, [self._item(at, frame) for frame in frames]).rows()
        return next((pair for pair in zip(frames, rows, strict=True) if pair[1]), (frames[0] if frames else "", None))

    def _item(self, at: int, frame: str) -> Item:
        """The request of a shot, which starts from the image at the URL `frame` if it continues another. Reads the environment."""
        shot = self.shots[at]
        if shot.get("model") is None:
            raise errors.argument_error("model", f"is missing for shot {at + 1}")
        spec, settings = load_spec(shot["model"]), {name: shot[name] for name in SETTINGS if name in shot}
        request = request_for(spec, settings | ({"first_frame": frame} if at in self._chained else {}))
        own = {name: value for name, value in shot.items() if name not in (*SETTINGS, "model", "take", "chain")}
        labels = {**request.labels, "shot": f"{at + 1}. {shorten(str(shot.get('prompt', '')))}"}
        fixed: Any = {"title": f"Shot {at + 1}", "take": shot.get("take", 1), "unsupported": request.unsupported}
        return item_of(spec, request.fields | own, labels=labels, **fixed, **destination(self._session, spec))


def _chain_fault(before: Item, item: Item) -> str:
    """Why a shot cannot continue from the last frame of the one before, "" if it can. *pure*."""
    if "first_frame" in dict(item.unsupported):
        return f"{item.name} does not start from an image: choose another model, or pass chain=False"
    if before.simulated and not item.simulated:
        return "it would be paid, but the shot that it continues is only simulated"
    if "upload" in item.spec.calls or (before.approved and LAST_FRAME.search(before.approved.body)):
        return ""
    return f"{item.spec.provider} accepts no uploads, and the shot before returns no last frame: pass chain=False or a first_frame"


def last_frame_url(session: Session, spec: Spec, row: Row) -> str:
    """A URL of a row's last frame for `spec`: the provider's own if it still works, else that of an upload. *network*, *reads files*. Raises: SeedanceError."""
    frames = (one.place for one in read_extras(row.beside) if "-last-frame" in Path(one.file).name)
    url = next((row.outputs[place] for place in frames if place < len(row.outputs)), "")
    can_upload = "upload" in spec.calls
    if url and not ("?" in url and can_upload) and sniff(ENGINE.run(fetch_small(url)))[0] == "image":
        return url  # a signed one only where it must be: a notebook may save its widgets
    if not can_upload:
        text = f"{spec.provider} accepts no uploads, and {row.provider} gave no URL of the last frame that still works."
        step = f"put sd.task({row.name!r}).wait().last_frame on a web host and use its URL as the first frame"
        raise errors.SeedanceError(text, next_step=step, charged=None)
    content = io.BytesIO()
    session.task(row.seq).show(row).last_frame.save(content, "PNG")
    return ENGINE.run(session.sender.account(spec).upload(content.getvalue(), "last-frame.png"))
