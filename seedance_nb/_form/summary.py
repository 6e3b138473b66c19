"""The summary below a form: how many problems to fix before it can be sent, and a button to each field."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import pointer_parts, to_pointer
from seedance_nb._form.controls.base import WidgetFactory
from seedance_nb._form.labels import label_at

_MOST_BUTTONS = 8


class Summary:
    """The lines below a form, and a button to each field with a problem. `widgets` are both, in order."""

    def __init__(self, factory: WidgetFactory, labels: Mapping[str, str], go: Callable[[str], None]) -> None:
        self._labels, self._factory, self._go = labels, factory, go
        self._buttons: dict[str, Any] = {}
        self.widgets = [factory.html("", "sdn-summary"), factory.box(W.HBox, [], "sdn-jumps")]

    @property
    def value(self) -> str:
        """The lines as HTML."""
        return str(self.widgets[0].value)

    def show_problems(self, at_fields: Sequence[Problem], rest: Sequence[Problem]) -> None:
        """Show the problems to fix, those of `rest` in full."""
        count = sum(not problem.warns and problem.rule != "server" for problem in (*at_fields, *rest))
        self.widgets[0].value = _html(count, [problem for problem in rest if not problem.warns])
        paths = list(dict.fromkeys(problem.path for problem in at_fields if not problem.warns))[:_MOST_BUTTONS]
        for path in paths:
            if path not in self._buttons:
                traits = {"tooltip": "Go to this field", "description": in_words(path, self._labels)}
                self._buttons[path] = self._factory.button(partial(self._go, path), "sdn-jump", **traits)
        self.widgets[1].children = [self._buttons[path] for path in paths]


def in_words(path: str, labels: Mapping[str, str]) -> str:
    """A path in a body as text for people: `/input/shots/1/text` is "Input › Shots 2 › Text". *pure*."""
    parts = pointer_parts(path)
    ends = [end for end in range(1, len(parts) + 1) if not "".join(parts[end : end + 1]).isdecimal()]
    return " › ".join(filter(None, (label_at(to_pointer(parts[:end]), labels) for end in ends)))


def _html(total: int, rest: list[Problem]) -> Html:
    if not total:
        return Html()
    lines = Html("<li>{}</li>").each(problem.message for problem in rest)
    count = "1 problem" if total == 1 else f"{total} problems"
    return Html('<div class="sdn-error" role="status">Fix {} to generate:<ul>{}</ul></div>').format(count, lines)
