"""No text becomes a tag: every function that makes HTML, with each text that goes into it hostile."""

import ast
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints
from unittest import mock

import pytest
from PIL import Image

import seedance_nb as sd
from seedance_nb._base.html import Html, escape, links_html, piece, request_html, safe_url, table_html
from seedance_nb._base.html import _cell as cell_html
from seedance_nb._base.problem import Problem, Problems
from seedance_nb._check.price import Estimate
from seedance_nb._form import form, labels
from seedance_nb._form.controls import text_list
from seedance_nb._form.labels import FieldStatus
from seedance_nb._form.model.fields import Field
from seedance_nb._ledger.row import Row, State
from seedance_nb._media.preflight import Finding, Report
from seedance_nb._media.sniff import MediaFacts
from seedance_nb._notebook import panel, results, status, storyboard
from seedance_nb._notebook.clip import Clip
from seedance_nb._session.batch import Item
from seedance_nb._session.session import Models
from seedance_nb._task import task as task_module
from seedance_nb._task.display import player, video
from seedance_nb._task.files import ExtraResult, write_extras
from seedance_nb._task.task import Task, Tasks

PACKAGE = Path(sd.__file__).parent
EVIL = "<script>\"'><img src=x onerror=y>&amp;&lt;{0}{x}%s\ud800"
PLAIN = "harmless"
FROM_EVIL = "<script>"
MODEL = "crun/seedance-2.0-fast-r2v"


class Shape(HTMLParser):
    """The tags and attributes of a piece of HTML, and all the text in it."""

    def __init__(self, text: object) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words = ""
        self.feed(str(text))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.words += " ".join(value or "" for _, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", ()))

    def handle_data(self, data: str) -> None:
        self.words += data


def full(dataclass: Any, word: str, /, **fixed: Any) -> Any:
    """A value of a dataclass with the word in every text of it that is not fixed."""
    hints = get_type_hints(dataclass)
    texts = {part.name: word for part in fields(dataclass) if hints[part.name] is str}
    lists = {part.name: (word, word) for part in fields(dataclass) if hints[part.name] == tuple[str, ...]}
    return dataclass(**{**texts, **lists, **fixed})


def problem(word: str, *, warns: bool = False) -> Problem:
    made: Problem = full(Problem, word, path=f"/{word}", warns=warns)
    return made


def spec(word: str) -> Any:
    return replace(sd.spec(MODEL), name=word, title=word, mode=word)


def row(word: str, **fixed: Any) -> Row:
    beside = [ExtraResult(place=1, kind="image", file=name(word)), ExtraResult(place=2, fault=word)]
    numbers = {"seq": 1, "simulated": True, "take": 1, "body": "{}", "facts": "", "state": State.OTHER}
    made: Row = full(Row, word, **{**numbers, "beside": write_extras(beside), **fixed})
    return made


def name(word: str) -> str:
    return word.encode("utf-8", "ignore").decode()  # of a file, whose address could not be written otherwise


def clip(word: str) -> Any:
    facts = MediaFacts(width=9, height=9, seconds=1, fps=1, codec=word, audio=word, remark=word)
    asked = {"prompt": word, "resolution": word, "ratio": word, "seconds": 9, "audio": True}
    return video.Video(row=row(word), title=word, path=Path(name(word)), asked=asked, facts=facts, poster=b"x")


def opened(word: str) -> Clip:
    texts: Any = dict.fromkeys(("model", "task", "created", "sha256"), word)
    fixed: Any = {"path": Path(name(word)), "request": {word: word}, "take": 1, "simulated": True, "is_original": False}
    return Clip(spec=sd.spec(MODEL), **texts, **fixed)


def field(word: str, kind: Any = "items") -> Field:
    many = {
        "kind": kind,
        "required": True,
        "default": word,
        "most_items": 2,
        "unique": True,
        "advanced": f"deprecated {word}",
        **dict.fromkeys(("example", "max_length", "least_items", "shape")),
        "choices": (),
        "children": (),
        "likely": (),
        "nullable": False,
    }
    made: Field = full(Field, word, **many)
    return made


def said(word: str) -> FieldStatus:
    return FieldStatus(problems=(problem(word), problem(word, warns=True)), count=3, brief=word)


def item(word: str, fault: str = "") -> Item:
    labels = {"used": word, word: word}
    made: Item = full(Item, word, spec=spec(word), fields={}, body={word: word}, labels=labels, unsupported=((word, word),), simulated=True, fault=fault,
                      problems=(problem(word),) if fault else (), warnings=(problem(word, warns=True),))  # fmt: skip
    return made


def batch(word: str) -> Any:
    several = (item(word), item(word, fault=word), item(word), item(word))
    prices = (full(Estimate, word, amount=1.0, money=1.0),) * 4
    tasks, outcomes = [task(word), several[1].error, task(name(word)), None], [clip(word), several[1].error, None, None]
    session, rows = SimpleNamespace(outputs=Path(name(word))), [row(word), None, row(word), None]
    made = object.__new__(results.ShownBatch)
    vars(made).update(items=several, estimates=prices, tasks=tasks, results=outcomes, rows=lambda: rows, current=SimpleNamespace(is_stopped=True),
                      load=lambda: None, _title=(word,) * 4, _axes=(), _session=session,
                      _heads=("model", "runs on", "problems", "price", word))  # fmt: skip
    return made


def task(word: str) -> Any:
    context: Any = SimpleNamespace(ledger=SimpleNamespace(refreshed=lambda same: same))
    return Task(context, spec(word), row(word), is_new=True)


def board(word: str, **more: Any) -> Any:
    story, shot = object.__new__(storyboard.Storyboard), item(word)
    shot = replace(shot, labels={**shot.labels, "state": word})
    one: dict[str, Any] = {
        "items": (shot,),
        "estimates": (full(Estimate, word),),
        "rows": lambda: [None],
        "tasks": [task(name(word))],
    }
    vars(story).update(
        vars(batch(word)) | one | {"_heads": ("model", word), "_chained": [], "results": [clip(word)]} | more
    )
    return story


def film(word: str) -> Any:
    ledger = SimpleNamespace(marks=lambda *_: [], set_mark=lambda *_: None)
    story = board(
        word, rows=lambda: [row(word, state=State.DONE)], _session=SimpleNamespace(sender=None, ledger=ledger)
    )
    waiting = SimpleNamespace(wait=lambda **_: clip(word))
    with mock.patch.multiple(storyboard, Task=lambda *_: waiting, join=lambda *_: True):
        return story.film(f"{name(word)}.mp4").html


def report(word: str) -> Report:
    outcomes: Any = ("fits", "breaks", "unchecked")
    return Report(findings=tuple(full(Finding, word, outcome=outcome) for outcome in outcomes))


def models(word: str) -> Any:
    listed: Any = Models.__new__(Models)
    listed.values, listed._cells = (
        lambda: [SimpleNamespace(source=word, links={"support": word, word: f"https://{word}"})],
        lambda _: [word] * 5,
    )
    return listed


def code(word: str) -> Any:
    return SimpleNamespace(to_python=lambda: word, to_curl=lambda: word, spec=SimpleNamespace(task=1, provider=word))


def seen(word: str) -> Any:
    return SimpleNamespace(
        _host=word,
        _simulated=True,
        spec=SimpleNamespace(title=word, mode=word, name=word, links={word: word, "support": f"https://{word}"}),
        form=SimpleNamespace(values={word: word}),
        _head=lambda: escape(word),
    )


MAKERS: Mapping[str, Callable[[str], object]] = {
    "_base/html:links_html": lambda w: links_html({w: f"https://example.com/{w}", f"b{w}": w}),
    "_base/html:safe_url": lambda w: Html('<a href="{}">x</a>').format(safe_url(w)),
    "_base/html:table_html": lambda w: table_html([w], [[w]], w, w),
    "_base/html:_cell": cell_html,
    "_base/html:piece": lambda _: [piece(name) for name in ("page", "grid", "video", "key")],
    "_base/html:request_html": lambda w: request_html(json.dumps({w: w}), w),
    "_task/display/video:video_html": lambda w: video.video_html(clip(w), name(w)),
    "_task/display/video:facts_html": lambda w: video.facts_html(clip(w), w),
    "_task/display/video:takes_view": lambda w: [
        video.takes_view([clip(w)] * 2).html, video.takes_view([], row(w, task_id="x", file=""), Path("videos")).html,
    ],
    "_task/display/video:video_view": lambda w: video.video_view(clip(w)).html,
    "_task/display/video:video_player": lambda w: video.video_player(clip(w), w),
    "_notebook/results:view": lambda w: [
        results.Videos(w, [(item(w), one) for one in (clip(w), ValueError(w), escape(w), None)], axes).view().html
        for axes in ((), ("used", w))
    ],
    "_notebook/results:_output": lambda w: batch(w)._output(pending=True).html,
    "_notebook/results:grid": lambda w: batch(w).grid("used", w).html,
    "_notebook/storyboard:film": film,
    "_notebook/storyboard:plan": lambda w: board(w).plan().html,
    "_task/task:_still_html": lambda w: [task_module._still_html(row(w, file=f"/{name(w)}"), still) for still in (b"x", b"")],
    "_base/problem:_repr_html_": lambda w: [Problems([problem(w)])._repr_html_(), Problems()._repr_html_()],
    "_task/task:_html": lambda w: task(w)._html(row(w)),
    "_task/display/video:_repr_html_": lambda _: video.Frames([Image.new("RGB", (8, 8))])._repr_html_(),
    "_task/display/video:grid": lambda w: video.grid([clip(w)] * 2).html,
    "_task/display/player:player_html": lambda w: [player.player_html(w, facts=None, still=b"x", name=w), player.player_html("", facts=None, still=b"x", name=w)],
    "_task/display/player:pending_html": lambda w: player.pending_html(w, w),
    "_task/display/player:download_html": lambda w: [player.download_html(Path(w), w, w), player.download_html(Path(w), "")],
    "_task/display/player:badge": lambda _: player.badge(simulated=True),
    "_task/display/player:extra_lines": lambda w: [player.extra_lines(w, clip(w).beside, source) for source in ("a", "")],
    "_task/task:_repr_html_": lambda w: [task(w)._repr_html_(), Tasks([row(w, state=State.UNKNOWN)], [w], w)._repr_html_()],
    "_session/session:_repr_html_": lambda w: models(w)._repr_html_(),
    "_base/html:_repr_html_": lambda w: [full(Estimate, w)._repr_html_(), opened(w)._repr_html_()],
    "_media/preflight:_repr_html_": lambda w: report(w)._repr_html_(),
    "_form/labels:label_html": lambda w: labels.label_html(field(w), said(w)),
    "_form/labels:help_html": lambda w: [labels.help_html(field(w, kind)) for kind in ("items", "text", "map")],
    "_form/labels:error_html": lambda w: labels.error_html(said(w).problems),
    "_form/labels:markdown_html": lambda w: labels.markdown_html(f"# {w} `{w}` **{w}** *{w}* **a `{w}`** [{w}](https://{w})"),
    "_form/form:css": lambda _: form.css(),
    "_form/controls/text_list:_label": lambda w: text_list._label(w, said(w).problems),
    "_form/controls/text_list:thumb_html": lambda w: [text_list.thumb_html(f"https://{w}", "image"), text_list.thumb_html(w, w)],
    "_notebook/status:running_html": lambda w: status.running_html(row(w, progress=5.0), 1),
    "_notebook/status:done_html": lambda w: status.done_html(task(w), 1),
    "_notebook/status:unchecked_html": lambda w: status.unchecked_html(spec(w), report(w)),
    "_notebook/status:failed_html": lambda w: [
        status.failed_html(sd.SeedanceError(w, next_step=w)), status.failed_html(ValueError(w)),
    ],
    "_notebook/panel:code_html": lambda w: panel.code_html(code(w)),
    "_notebook/panel:_head": lambda w: panel.Panel._head(seen(w)),
    "_notebook/results:_table": lambda w: batch(w)._table(),
    "_notebook/results:_cells_html": lambda w: [batch(w)._cells_html(at, row(w)) for at in (0, 1)],
    "_notebook/results:_progress_html": lambda w: [results._progress_html(one, row(w)) for one in (clip(w), ValueError(w), None)],
    "_notebook/results:counts_html": lambda w: results.counts_html(batch(w)),
    "_notebook/results:_matrix_html": lambda w: results._matrix_html([item(w)], [escape(w)], ("used", w)),
    "_notebook/results:_tile": lambda w: [results._tile(item(w), one, w, escape(w)) for one in (clip(w), sd.SeedanceError(w), None)],
}  # fmt: skip
# What shows none of the texts that it is given.
WORDLESS = {
    "_task/display/player:badge", "_form/form:css",
    "_notebook/results:counts_html", "_task/display/video:_repr_html_", "_base/html:piece",
}  # fmt: skip


def makers() -> set[str]:
    """Every function of the package that returns HTML, by file and name."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
                node.name == "_repr_html_"
                or (node.returns and {"Html", "View"} & set(re.findall(r"\w+", ast.unparse(node.returns))))
            ):
                found.add(f"{path.relative_to(PACKAGE).with_suffix('').as_posix()}:{node.name}")
    return found


def pieces(made: object) -> str:
    return "\n".join(map(pieces, made)) if isinstance(made, list) else str(made)


def test_every_function_that_makes_html_is_tried() -> None:
    assert makers() == set(MAKERS)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_text_makes_no_tag_and_no_attribute(maker: str) -> None:
    hostile, harmless = (Shape(pieces(MAKERS[maker](word))) for word in (EVIL, PLAIN))
    assert hostile.tags == harmless.tags
    assert hostile.words.encode()
    assert (FROM_EVIL in hostile.words) is (PLAIN in harmless.words) is (maker not in WORDLESS)


NAIVE: Mapping[str, Callable[[str], str]] = {
    "an f-string": lambda w: f"<b>{w}</b>",
    "an attribute without its quotes escaped": lambda w: f'<b title="{html.escape(w, quote=False)}">x</b>',
    "what is called HTML and is not": lambda w: Html("<b>{}</b>").format(Html(w)),  # noqa: S704
    "what is unescaped on the way": lambda w: html.unescape(Html("<b>{}</b>").format(w)),
}


@pytest.mark.parametrize("maker", NAIVE)
def test_a_text_that_makes_a_tag_or_an_attribute_is_noticed(maker: str) -> None:
    assert Shape(NAIVE[maker](EVIL)).tags != Shape(NAIVE[maker](PLAIN)).tags


WAYS: Mapping[str, Callable[[object], Html]] = {
    "format": lambda part: Html("<b>{}</b>").format(part),
    "format by name": lambda part: Html("<b>{part}</b>").format(part=part),
    "each": lambda part: Html("<b>{}</b>").each([part]),
    "join": lambda part: Html("<b>") + Html().join([part]) + Html("</b>"),  # type: ignore[list-item]
    "a sum": lambda part: Html("<b>") + part + Html("</b>"),  # type: ignore[operator]
    "a sum that begins with text": lambda part: Html("<b>") + (part + Html("")) + Html("</b>"),  # type: ignore[operator]
}


@pytest.mark.parametrize("way", WAYS)
def test_a_piece_of_html_escapes_what_is_put_into_it_unless_that_is_html(way: str) -> None:
    assert WAYS[way](EVIL) == f"<b>{escape(EVIL)}</b>"
    assert WAYS[way](Html("<i>x</i>")) == "<b><i>x</i></b>"
    assert isinstance(WAYS[way]("x"), Html)


def test_marks_within_marks_are_shown_and_code_is_shown_as_it_is() -> None:
    assert labels.markdown_html("**a `b`** and *c*") == "<b>a <code>b</code></b> and <i>c</i>"
    assert labels.markdown_html("`*a*` or `**b`") == "<code>*a*</code> or <code>**b</code>"
