"""The gallery: every task of the ledger as a picture, to be found, played, reviewed and used again."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as W  # noqa: N812
from IPython.display import display

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import Html, escape, piece
from seedance_nb._base.values import read_json, shorten
from seedance_nb._check.check import seconds_of, values_by_role
from seedance_nb._document import load
from seedance_nb._document.spec import Spec
from seedance_nb._form.controls.base import StaticBox, WidgetFactory, mark, toggle
from seedance_nb._form.form import css
from seedance_nb._ledger.ledger import COSTS, MARKS, SORTS, Found
from seedance_nb._ledger.row import Row, State
from seedance_nb._notebook.compare import request_for
from seedance_nb._notebook.output import VideoOutput
from seedance_nb._notebook.panel import Panel
from seedance_nb._notebook.status import reported
from seedance_nb._notebook.storyboard import last_frame_url
from seedance_nb._session.session import Session
from seedance_nb._task.display.player import PlayerOptions, View, player_html, still_of
from seedance_nb._task.display.video import video_view
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.files import poster_of
from seedance_nb._task.task import Tasks, cells_of

PAGE = 24  # tasks on a page; only their posters are read
_STILL = 6_000, 320  # bytes and px of a picture
_MARKS = {"No mark": "", "Keep": "keep", "Reject": "reject"}


class Gallery:
    """The ledger's tasks as pictures, a page at a time, as returned by `sd.gallery`. `panel` is the latest panel that it opened."""

    def __init__(self, session: Session, search: str = "", *, everyone: bool = False) -> None:
        self.panel: Panel | None = None
        self._person = "" if everyone else session.ledger.own_person()
        self._session, self._offset, self._count = session, 0, 0
        self._cards: list[_Card] = []
        self._open: _Card | None = None
        self._row: Row  # of the card that was opened last
        shared = self._shared = WidgetFactory()
        self._status, self._place = shared.html("", "sdn-status"), shared.html("", "sdn-note")
        self._report = partial(setattr, self._status, "value")
        self.guard = reported("gallery", self._report)
        models = [*dict.fromkeys((*load.model_names(), *session.sender.specs))]
        options = {"model": models, "state": [*State], "cost": [*COSTS], "mark": [*MARKS]}
        pairs = {name: [(f"Any {name}", ""), *zip(each, each, strict=True)] for name, each in options.items()}
        pairs["sort"] = [(f"{name.capitalize()} first", name) for name in SORTS]
        words = {"value": search, "continuous_update": False, "placeholder": "words, then Enter"}
        self._filters = {"words": W.Text(description="Search prompts", **words), "day": W.DatePicker(description="Day")}
        self._filters |= {name: W.Dropdown(description=name.capitalize(), options=each) for name, each in pairs.items()}
        for widget in self._filters.values():
            widget.observe(lambda _: self.guard(self.refresh)(), "value")
            widget.add_class("sdn-field")
        acts: dict[str, Callable[[], object]] = {
            "Previous": lambda: self._turn(-PAGE), "Next": lambda: self._turn(PAGE),
            "Use these settings": lambda: self._show_panel(session.sender.spec_of(self._row), read_json(self._row.body)),
            "Continue from last frame": lambda: ENGINE.submit(asyncio.to_thread(self.guard(self._continue), self._row)),
        }  # fmt: skip
        buttons = [shared.button(self.guard(act), "sdn-add", description=label) for label, act in acts.items()]
        self._turns = shared.box(W.HBox, buttons[:2], "sdn-adds")
        self._player = W.Output()  # which resolves a relative `src` as the notebook does
        self._mark = W.ToggleButtons(options=[*_MARKS.items()], _dom_classes=["sdn-choice"])
        self._mark.observe(lambda _: self.guard(self._save_mark)(), "value")
        actions, self._continuing = [self._mark, *buttons[2:]], buttons[3]
        self._bench, self._grid = shared.box(W.VBox, []), shared.box(W.Box, [], "sdn-cards")
        details = [self._player, shared.box(W.HBox, actions, "sdn-adds"), self._status, self._bench]
        self._details, self._static = shared.box(W.VBox, details, "sdn-details"), VideoOutput(shared)
        filters = shared.box(W.Box, [*self._filters.values()], "sdn-filters")
        foot = shared.box(W.HBox, [self._place, self._turns], "sdn-foot")
        parts = [shared.html(css(), "sdn-style"), filters, self._grid, self._status, foot, self._static.widget]
        classes, static = ("sdn", "sdn-panel", "sdn-gallery"), lambda: (repr(self), escape(repr(self)))
        self.widget = StaticBox(parts, shared.layout, *classes, static=static)
        self.refresh()

    def _ipython_display_(self) -> None:
        display(self.widget)
        self._static.display()
        self.refresh(self._offset)

    def __repr__(self) -> str:
        last = min(self._offset + PAGE, self._count)
        return f"Tasks {self._offset + 1:,} to {last:,} of {self._count:,}" if self._count else "No tasks found"

    def refresh(self, offset: int = 0) -> None:
        """Show the page that begins at `offset`, as the ledger has it now. *reads files*."""
        ledger, wanted = self._session.ledger, {name: widget.value for name, widget in self._filters.items()}
        found = ledger.search(self._session.prompt_of, PAGE, offset, person=self._person, **wanted)
        self._offset, self._count = offset, found[0].total if found else 0
        self.flip(None)
        self._cards += (_Card(self, self._shared) for _ in found[len(self._cards) :])
        is_shared = len({one.person for one in found}) > 1
        for card, one in zip(self._cards, found, strict=False):
            card.show(one if is_shared else one._replace(person=""))
        self._grid.children = [card.widget for card in self._cards[: len(found)]]
        self._place.value = escape(repr(self))
        toggle(self._turns, shown=self._count > PAGE)
        table = Tasks([one.row for one in found], [one.prompt for one in found], f"{ledger.description}; {self!r}")
        self._static.update(View(text=repr(table), html=Html(table._repr_html_())), live=False)  # noqa: S704

    def _turn(self, by: int) -> None:
        # From the last page to the first, because a disabled button would lose the focus.
        self.refresh((self._offset + by) % (-(-self._count // PAGE) * PAGE or PAGE))

    def flip(self, card: "_Card | None") -> None:
        """Play a card's video in its place; close the one that is open. *reads files*."""
        before, self._open = self._open, None
        if before:
            before.show(before.found)
        self._player.outputs, self._bench.children = (), ()
        self._report(Html())
        if card and card is not before:
            self._row, self._mark.value = card.found.row, card.found.mark
            task = self._session.task(self._row.seq)
            view = View(html=Html(task._repr_html_()))  # noqa: S704
            if card.has_video:
                view = video_view(replace(task.show(self._row), player=PlayerOptions(autoplay=True)))
            self._player.outputs = ({"output_type": "display_data", "data": view.bundle, "metadata": {}},)
            toggle(self._continuing, shown=card.has_video)
            self._open = card
            card.show(card.found, self._details)

    def _save_mark(self) -> None:
        if self._open and self._mark.value != self._open.found.mark:
            self._session.ledger.set_mark(self._row, self._mark.value)
            self._open.show(self._open.found._replace(mark=self._mark.value), self._details)

    def _show_panel(self, spec: Spec, body: Any) -> None:
        if not isinstance(body, dict):
            raise SeedanceError("The request of this task was forgotten.", charged=None)
        self.panel = Panel(spec, self._session)
        self.panel.form.values = body
        self._bench.children = [self.panel.widget]

    def _continue(self, row: Row) -> None:
        self._report(Html('<div role="status">Looking for the last frame…</div>'))
        own, frames = self._session.sender.spec_of(row), {"frames", "first_frame"}
        specs = (spec for spec in (own, *map(load.spec, load.model_names())) if spec.provider == row.provider)
        spec = next((spec for spec in specs if frames & {*spec.roles}), None)
        if spec is None:
            raise SeedanceError(f"{row.provider} has no packaged model that starts from an image.", charged=None)
        asked = values_by_role(own, read_json(row.body))
        asked |= {"seconds": seconds_of(asked.get("seconds")), "first_frame": last_frame_url(self._session, spec, row)}
        names = ("prompt", "seconds", "ratio", "resolution", "audio", "first_frame")
        self._show_panel(spec, request_for(spec, {name: asked.get(name) for name in names}).body)
        self._report(Html())


class _Card:
    """A task of the page: its picture, or its details in their place, and what it is."""

    def __init__(self, gallery: Gallery, shared: WidgetFactory) -> None:
        self.found: Found
        self.has_video = False
        self._still, self._caption = shared.html("", "sdn-still"), shared.html("", "sdn-caption")
        self._play = shared.button(gallery.guard(partial(gallery.flip, self)), "sdn-play")
        self._media = shared.box(W.VBox, [self._still, self._play], "sdn-media")
        self.widget = shared.box(W.VBox, [self._media, self._caption], "sdn-card")

    def show(self, found: Found, details: Any = None) -> None:
        """Show a row, with the details in place of its picture if there are any. *reads files*: its poster."""
        self.found, file = found, Path(found.row.file)
        _, model, when, cost, state, _, name = cells_of(found.row, found.prompt)
        self.has_video = bool(name) and file.name == name
        jpeg = still_of(poster_of(file), *_STILL) if self.has_video else b""
        badge = Html('<span class="sdn-badge">{}</span>').format(found.mark.capitalize()) if found.mark else Html()
        self._still.value = (player_html("", facts=None, still=jpeg, name="") or escape(state)) + badge
        when = f"{found.person} · {when}" if found.person else when
        self._caption.value = piece("card").format(found.prompt or "no prompt", model, when, cost)
        label, icon = ("Play", "play") if self.has_video else ("Details of", "")
        self._play.description = "Close" if details else f"{label} {shorten(found.prompt)}"
        self._play.icon = "times" if details else icon
        self._media.children = [self._still, self._play, *[details] * bool(details)]
        mark(self.widget, "sdn-rejected", on=found.mark == "reject")
        mark(self.widget, "sdn-open", on=bool(details))
