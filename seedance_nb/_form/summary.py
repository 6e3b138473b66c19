"""The summary below a form: how many problems to fix before it can be sent, and a button to each field."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import pointer_parts, to_pointer
from seedance_nb._form.controls.base import WidgetFactory, toggle
from seedance_nb._form.labels import label_at

_MOST_BUTTONS = 8


class Summary:
    """The lines below a form. `has_buttons` becomes True once a user tried to send it: only then it has buttons to the fields."""

    def __init__(self, factory: WidgetFactory, labels: Mapping[str, str], go: Callable[[str], None]) -> None:
        self.has_buttons = False
        self._labels = labels
        self._factory = factory
        self._go = go
        self._buttons: list[Any] = []
        self._paths: list[str] = []
        self._box: Any = None
        self.widget = factory.html("", "sdn-summary")

    @property
    def value(self) -> str:
        """The lines as HTML."""
        return str(self.widget.value)

    def show_problems(self, at_fields: Sequence[Problem], rest: Sequence[Problem]) -> Any:
        """Show the problems to fix, those of `rest` in full. Returns: the box of buttons if it is new, else None."""
        count = sum(not problem.warns and problem.rule != "server" for problem in (*at_fields, *rest))
        self.widget.value = _html(count, [problem for problem in rest if not problem.warns])
        if not self.has_buttons:
            return None
        paths = dict.fromkeys(problem.path for problem in at_fields if not problem.warns)
        self._paths = list(paths)[:_MOST_BUTTONS]
        if not self._paths and not self._buttons:
            return None
        is_new = self._box is None
        if is_new:
            self._box = self._factory.box(W.HBox, [], "sdn-jumps")
        for index in range(len(self._buttons), len(self._paths)):
            press = partial(self._press, index)
            self._buttons.append(self._factory.button(press, "sdn-jump", tooltip="Go to this field"))
        for index, button in enumerate(self._buttons):
            toggle(button, shown=index < len(self._paths))
        for button, path in zip(self._buttons, self._paths, strict=False):
            button.description = in_words(path, self._labels)
        self._box.children = self._buttons
        return self._box if is_new else None

    def _press(self, index: int) -> None:
        if index < len(self._paths):
            self._go(self._paths[index])


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
