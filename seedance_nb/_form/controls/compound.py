"""A field that holds others: its head, its parts, and which problem belongs to which of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from seedance_nb._base.values import Problem, join, split
from seedance_nb._form.controls.base import Control, mark
from seedance_nb._form.labels import Said, label_html

REST = "\0"
"""The part of an object that holds the properties which the document does not name; it shows the whole object."""


class Compound(Control):
    """A field that holds others. Its head says its name and what is wrong with it as a whole; each part says its own."""

    _head: Any

    def parts(self) -> Mapping[str, Control]:
        """The controls inside by the names or places of their values, as far as they are made."""
        raise NotImplementedError

    def say(self, problems: tuple[Problem, ...]) -> None:
        own, below = apart(problems)
        parts = self.parts()
        rest: tuple[Problem, ...] = ()
        for name, inner in below.items():
            if name not in parts:
                rest += tuple(replace(problem, path=join((name,)) + problem.path) for problem in inner)
        if REST not in parts:  # nothing here shows that value, so it is said at the head, by its name
            own += tuple(replace(p, path="", message=f"“{'/'.join(split(p.path))}” {p.message}") for p in rest)
        for name, part in parts.items():
            part.say(rest if name == REST else below.get(name, ()))
        self._say_head(own)

    def refine(self, problem: Problem) -> tuple[Problem, ...]:
        name, part, path = self._part(split(problem.path))
        if part is None:
            return (problem,)
        found = part.refine(replace(problem, path=join(path)))
        return tuple(replace(one, path=join(name) + one.path) for one in found)

    def focus(self, path: tuple[str, ...]) -> None:
        _, part, rest = self._part(path or tuple(self.parts())[:1])
        if part is not None:
            part.focus(rest)

    def _part(self, path: tuple[str, ...]) -> tuple[tuple[str, ...], Control | None, tuple[str, ...]]:
        parts = self.parts()
        if path and path[0] in parts:
            return path[:1], parts[path[0]], path[1:]
        return (), parts.get(REST) if path else None, path

    def _say_head(self, own: tuple[Problem, ...]) -> None:
        now = (own, self._count(), self._brief())
        if self._said != now:
            self._said = now
            text = self._head_html(Said(problems=own, count=now[1], brief=now[2]))
            if self._head.value != text:
                self._head.value = text
            mark(self.widget, bad=any(not problem.warns for problem in own))

    def _brief(self) -> str:
        return ""

    def _head_html(self, said: Said) -> str:
        return label_html(self.field, said)

    def _new_head(self) -> Any:
        return self._shared.html(self._head_html(Said(count=self._count(), brief=self._brief())), "sdn-head")

    def _rehead(self) -> None:
        self._say_head(self._said[0] if self._said else ())


def apart(problems: Sequence[Problem]) -> tuple[tuple[Problem, ...], dict[str, tuple[Problem, ...]]]:
    """Problems of a value itself, and those of its parts by their names, with paths from there. *pure*."""
    own: list[Problem] = []
    below: dict[str, list[Problem]] = {}
    for problem in problems:
        names = split(problem.path)
        if names:
            below.setdefault(names[0], []).append(replace(problem, path=join(names[1:])))
        else:
            own.append(problem)
    return tuple(own), {name: tuple(inner) for name, inner in below.items()}
