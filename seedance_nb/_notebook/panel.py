"""The panel: a form, its price, Generate, progress, and the video as an output of the same cell."""

import asyncio
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as W  # noqa: N812
from IPython.display import display

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.faults import log_unexpected
from seedance_nb._base.html import FONT, Html, escape, links_html, piece, request_html, shell_with_kernel
from seedance_nb._base.problem import Problem
from seedance_nb._base.secret import mask_keys
from seedance_nb._base.values import ABSENT, digest, find, map_leaves, shorten, strip_queries
from seedance_nb._check.check import approve, build_body, values_by_role
from seedance_nb._check.price import estimate, price_note
from seedance_nb._document.reader import merged
from seedance_nb._document.spec import Spec
from seedance_nb._form.controls.base import Fold, StaticBox, WidgetFactory, toggle
from seedance_nb._form.exchange import load_preset, save_preset
from seedance_nb._form.form import Form
from seedance_nb._form.labels import label_at, labels_of, sentence
from seedance_nb._form.model.values import prefilled
from seedance_nb._ledger.journal import drafts_path
from seedance_nb._ledger.row import State
from seedance_nb._notebook import status
from seedance_nb._notebook.output import FrameViewer, VideoOutput
from seedance_nb._session.session import Session
from seedance_nb._task.display.player import is_voila, notebook_file
from seedance_nb._task.display.progress import usual_text
from seedance_nb._task.display.video import Video, takes_view
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.task import Task
from seedance_nb._web.addresses import host_of

SETTLE_S = 0.4  # how long the form must be unchanged before a click on Generate or Undo takes effect
_TICK_S = 0.25
REST_S = 0.8  # and before its draft is saved and the provider's estimate call is sent
_LATEST: dict[tuple[str, str], "Panel"] = {}  # by cell and model, so that running a cell again hides no task


class Panel:
    """Form, price, Generate, progress and the video in one cell; before Generate only free calls are sent, and files are checked. `form` is the form, `task` the latest task (None before the first), `budget` that of `Session.submit`, and `fields` are values that the form starts with."""

    def __init__(self, spec: Spec, session: Session, budget: float | None = None, /, **fields: Any) -> None:
        self.spec, self._session, self._budget = spec, session, session.sender.budget if budget is None else budget
        self.form = Form(spec, lambda: session.sender.account(spec))
        self._draft = Draft(self.form, session.ledger.path)
        if fields:
            self.form.values = prefilled(spec, fields)
            self.form.history.back()  # it is no change to undo
        self.task: Task | None = None
        self._host = session.host(spec)
        self._busy = threading.Lock()  # locked from a click on Generate to its end
        self._simulated, self._awaits_rest, self._stopped = not self._host, False, threading.Event()
        self._confirmed, self._videos = frozenset[str](), list[Video]()
        shared = self._shared = WidgetFactory()
        self._top = shared.html(self._head(), "sdn-top")
        # Three, because a status that changes every second would close what is unfolded in it.
        self._status, self._sent, self._unchecked_view = (shared.html("", "sdn-status") for _ in range(3))
        self._report = partial(setattr, self._status, "value")
        reported = status.reported("panel", self._report)
        self._go = shared.button(reported(self._start), "sdn-go", icon="play")
        self._stop = shared.button(self._stopped.set, "sdn-hidden", description="Stop waiting")
        take = reported(partial(self._start, another=True))
        self._again = shared.button(take, "sdn-hidden", description="Another take", icon="repeat")
        self._note = shared.html("", "sdn-note")
        self._price, self._notes = estimate(spec, {}), list[str]()
        self._code = shared.html("", "sdn-code")
        fold = self._fold = Fold(shared, "Show code", self._current_code)
        undo: dict[str, Any] = {"description": "Undo", "icon": "undo", "disabled": True}
        self._undo = shared.button(lambda: ENGINE.submit(self._undo_last()), "sdn-tool", **undo)
        self._reset = shared.button(self.form.reset, "sdn-tool", description="Reset", icon="eraser")
        row = shared.box(W.HBox, [fold.button, self._undo, self._reset], "sdn-tools")
        tools = shared.box(W.VBox, [row, fold.box], "sdn-below")
        foot = shared.box(W.HBox, [self._note, self._stop, self._again, self._go], "sdn-foot")
        # Offer a key only if the simulator is used because there is no key.
        needs_key = self._simulated and session.sender.routing.simulate is None and spec.vouched
        key = piece("key").format(f'sd.ask_key("{spec.provider}")', host_of(spec.server))
        keys = [shared.html(key, "sdn-status")] if needs_key else []
        self._output, self._frames = VideoOutput(shared), FrameViewer(shared, self._show_videos)
        self._output.widget.children += (self._frames.widget,)
        below = [*keys, tools, self._status, self._unchecked_view, self._sent]
        left = shared.box(W.VBox, [*self._offer(), self.form.widget, *below], "sdn-left")
        self.widget = StaticBox(
            [self._top, shared.box(W.HBox, [left, foot, self._output.widget], "sdn-sides")], shared.layout, "sdn", "sdn-panel",
            static=lambda: (repr(self), Html('<div style="{}">{}</div>').format(FONT, self._head())),
        )  # fmt: skip
        self.form.observe(self._changed)
        self._update_button()

    def _offer(self) -> list[Any]:
        """The offer to restore the draft of an earlier panel, if there is one. *reads files*."""
        draft = self._draft.read()
        if draft is None or (body := build_body(self.spec, merged(draft, self.form.values))) == self.form.values:
            return []

        def restore() -> None:
            self.form.values = body
            toggle(offer, shown=False)
            self._go.focus()

        prompt = values_by_role(self.spec, draft).get("prompt")
        text = self._shared.html(Html("<b>Earlier draft</b> {}").format(shorten(prompt, 90) if prompt else "no prompt"))
        button = self._shared.button(restore, "sdn-add", description="Restore draft", icon="history")
        return [offer := self._shared.box(W.HBox, [text, button], "sdn-offer")]

    def _ipython_display_(self) -> None:
        header = getattr(shell_with_kernel(), "parent_header", None) or {}
        cell = str(header.get("metadata", {}).get("cellId", "")), self.spec.name
        before, _LATEST[cell] = _LATEST.get(cell, self), self
        if before._session is self._session and not self.task and (before.task or before._busy.locked()):  # noqa: SLF001
            values, budget = build_body(self.spec, merged(before.form.values, self.form.values)), self._budget
            self.__dict__ = before.__dict__  # from now on both are one panel, with its task and videos
            self._budget = budget
            if values != self.form.values:
                self.form.values = values
        display(self.widget)
        self._output.display()

    def __repr__(self) -> str:
        return f"Panel for {self.spec.name}; {self.task or 'nothing sent yet'}"

    def _start(self, *, another: bool = False) -> None:
        if not self._busy.acquire(blocking=False):
            return
        self._stopped.clear()
        self._go.disabled = self._again.disabled = True
        self._report(Html('<div class="sdn-dim">Reading the form…</div>'))
        ENGINE.submit(self._generate(another=another))

    async def _generate(self, *, another: bool) -> None:
        values: dict[str, Any] = {}
        try:
            self._sent.value = self._unchecked_view.value = ""
            await until_unchanged(self.form, SETTLE_S)
            self.form.show_problems(())  # what a provider or a file's check said earlier does not forbid this request
            values = self.form.values  # exactly these values are checked and sent
            problems = self.form.validate()
            self._report(piece("checking") if "://" in str(values) and not problems else "")
            if problems:
                return
            (report,) = await self._session.sender.preflight([(self.spec, values)])
            if self.form.values != values:
                message = "The form was changed while its files were being checked, so nothing was sent."
                step = "press Generate again to send the form as it is now"
                self._report(status.failed_html(SeedanceError(message, next_step=step)))
                return
            self.form.show_problems(report.problems)
            self._report("")
            if self.form.validate() or not self._is_confirmed(values):
                return
            if not self._simulated:  # the simulator takes any file, so what could not be checked does not matter
                self._unchecked_view.value = status.unchecked_html(self.spec, report)
            await self._follow(values, another=another)
        except SeedanceError as error:
            self._report(status.failed_html(error))
            problems = status.field_errors(self.spec, values, error)
            now = self.form.values  # a refusal is not shown at fields that have changed since
            if current := [problem for problem in problems if find(now, problem.path) == problem.value]:
                self.form.show_problems(current)
            toggle(self._again, shown="Another take" in getattr(error.next_step, "panel", ""))
        except Exception as error:  # noqa: BLE001 - a callback's exception would be seen nowhere
            log_unexpected("panel", error)
            self._report(status.failed_html(error))
        finally:
            toggle(self._stop, shown=False)
            self._go.disabled = self._again.disabled = False
            self._busy.release()

    async def _follow(self, values: dict[str, Any], *, another: bool) -> None:
        # In threads, because a large body or a locked ledger must not hold up every other task on this loop.
        approved = await asyncio.to_thread(approve, self.spec, values)
        takes = await asyncio.to_thread(self._session.ledger.takes, approved) if another else 0
        send = partial(self._session.sender.send, approved, interactive=True, simulated=self._simulated)
        task = self.task = await asyncio.to_thread(send, take=takes + 1, budget=self._budget)
        was_done, future = await asyncio.to_thread(lambda: (task.row.state is State.DONE, task.following()))
        start, self._sent.value = time.monotonic(), request_html(approved.body)
        toggle(self._stop, shown=True)
        usual_duration = usual_text(await asyncio.to_thread(lambda: self._session.ledger.history(task.row)))
        if not future.done():  # a reloaded page gets no updates, so show the future file name now
            pending = await asyncio.to_thread(lambda: takes_view(self._videos, task.row, self._session.outputs))
            self._output.update(pending, live=False)
        while not future.done() and not self._stopped.is_set():
            waited = time.monotonic() - start
            self._report(status.running_html(await asyncio.to_thread(lambda: task.row), waited, usual_duration))
            await asyncio.sleep(_TICK_S)
        if not future.done():
            self._report(piece("stopped").format(await asyncio.to_thread(lambda: task.name)))
            return
        await asyncio.to_thread(lambda: self._show_videos(task.show(future.result())))
        toggle(self._again, shown=True)
        self._report(await asyncio.to_thread(status.done_html, task, time.monotonic() - start, was_done=was_done))

    def _show_videos(self, *new: Video) -> None:
        self._videos = [*(old for old in self._videos if old.task not in [one.task for one in new]), *new]
        *earlier, newest = self._videos
        self._output.update(takes_view([*earlier, self._frames.show(newest)]))

    def _changed(self, values: dict[str, Any]) -> None:
        toggle(self._again, shown=False)
        self._price, self._notes = estimate(self.spec, values), []
        self._undo.disabled = not self.form.history
        if self._fold.is_open:
            self._current_code()
        self._update_button()
        if not self._awaits_rest:
            self._awaits_rest = True
            ENGINE.submit(self._save_and_price())

    async def _save_and_price(self) -> None:
        """Once the form rests, save its draft, check its files, and get its price from the provider's estimate call. *writes files*, *network*."""
        await until_unchanged(self.form, REST_S)
        self._awaits_rest = False
        await asyncio.to_thread(self._draft.save)
        values = self.form.values
        if self._simulated or not self.form.is_valid:
            return
        (report,) = await self._session.sender.preflight([(self.spec, values)])
        price = await self._session.sender.price(self.spec, values) if "estimate" in self.spec.calls else self._price
        if values == self.form.values:
            lines = (f"{label_at(one.path, labels_of(self.spec))}: {one.message}" for one in report.unchecked)
            self._price, self._notes = price, [*dict.fromkeys(lines)]
            self.form.show_problems(report.problems)
            self._update_button()

    def _is_confirmed(self, values: dict[str, Any]) -> bool:
        """Whether the user has confirmed an empty prompt and a paid request's warnings; if not, show them and return False."""
        warnings = [problem for problem in self.form.problems if problem.warns and not self._simulated]
        if "prompt" in self.spec.roles and not str(values_by_role(self.spec, values).get("prompt") or "").strip():
            warnings.insert(0, Problem(path="", message="the prompt is empty", rule="required", warns=True))
        texts = frozenset(map(str, warnings))
        if texts <= self._confirmed:
            return True
        self._confirmed = texts
        self._update_button()
        words = (sentence(problem, labels_of(self.spec)) for problem in warnings)
        self._report(piece("confirm").format(Html("<li>{}</li>").each(words)))
        return False

    def _head(self) -> Html:
        host = Html('<span class="sdn-dim">the key goes to {}</span>').format(self._host) if self._host else ""
        spec, badge = self.spec, status.SIMULATED if self._simulated else ""
        return piece("panel").format(spec.title, spec.mode, badge, spec.name, host, links_html(spec.links))

    def _update_button(self) -> None:
        """Show the price, on Generate too, and the number of warnings: of filled fields, or of all once they were shown to confirm."""
        self._note.value = escape(price_note(self.spec, self._price, simulated=self._simulated, budget=self._budget))
        warnings = [problem for problem in self.form.problems if problem.warns]
        is_counted = self.spec.unchecked or (warnings and not self._confirmed)
        values = self.form.values if is_counted else {}  # a copy, so not at every key
        count = sum(bool(self._confirmed) or find(values, problem.path) is not ABSENT for problem in warnings)
        words = {0: "", 1: " · 1 warning"}.get(count, f" · {count} warnings")
        unchecked = self._notes or [rule.quote for rule in self.spec.unchecked if find(values, rule.path) is not ABSENT]
        words += f" · {len(unchecked)} not checked" if unchecked else ""
        self._go.description = f"Generate · {'free' if self._simulated else self._price}{words}"
        self._go.tooltip = "\n".join(["Not checked:", *unchecked]) if unchecked else ""

    def _current_code(self) -> list[Any]:
        self._code.value = code_html(self.form)
        return [self._code]

    async def _undo_last(self) -> None:
        with status.reported("undo", self._report):
            await until_unchanged(self.form, SETTLE_S)
            self.form.undo()
            if self._undo.disabled:  # a disabled button loses the focus
                self._reset.focus()


async def until_unchanged(form: Form, seconds: float) -> None:
    """Wait until a form has not changed for some seconds: a click may arrive before the last values from the browser."""
    begun = time.monotonic()
    while time.monotonic() - max(begun, form.last_change) < seconds:
        await asyncio.sleep(0.05)


def code_html(form: Form) -> Html:
    """The form's request as Python and as a curl command, or the reason why not. *reads files*."""
    try:
        python, curl = form.to_python(), form.to_curl()
    except ValueError as error:
        return Html('<div class="sdn-error">These values have no code: {}.</div>').format(error)
    snippet = Html('<div class="sdn-dim">{}</div><pre tabindex="0">{}</pre>')
    note = f"calls {form.spec.provider} directly and is billed" if form.spec.task else "for a POSIX shell"
    return snippet.format("Python", python) + snippet.format(f"curl ({note})", curl)


class Draft:
    """The draft of an empty form, for its notebook and model; none where the notebook is unknown, or shared as in Voila."""

    def __init__(self, form: Form, ledger: Path) -> None:
        book = None if is_voila() else notebook_file()
        self.file = drafts_path(ledger) / f"{digest([str(book), form.spec.name])[:32]}.json" if book else None
        self._form, self._start = form, form.values

    def read(self) -> dict[str, Any] | None:
        """The values of the last draft, None if there is none. *reads files*."""
        if self.file is not None:
            with suppress(Exception):  # a panel opens without its draft too
                return load_preset(self.file, self._form.spec)
            with suppress(OSError):  # nothing could be saved in place of what is no draft
                self.file.unlink()
        return None

    def save(self) -> None:
        """Save the form's values without secrets and signed URLs; an empty form has no draft. *writes files*."""
        with suppress(Exception):  # a form that cannot be saved can still be sent
            if self.file and self._form.values == self._start:
                self.file.unlink(missing_ok=True)
            elif self.file:
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                save_preset(self.file, self._form.spec, map_leaves(self._form.values, _public))


def _public(value: Any) -> Any:
    """A text without what may be secret in its URLs (queries, user names), "" for an embedded file; or any other value. *pure*."""
    if not isinstance(value, str):
        return value
    is_private = value[:5].lower() == "data:" or ("@" in value.partition("://")[2] and " " not in value)
    return "" if is_private else mask_keys(strip_queries(value))
