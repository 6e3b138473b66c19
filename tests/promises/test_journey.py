"""A prompt with newlines, emoji, quotes, markup, zero-width signs and trailing spaces is the same `str` at every station."""

import html
import json
import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

from support.provider import Provider

import seedance_nb as sd
from seedance_nb._check.check import approve, build_body, create_request, values_by_role
from seedance_nb._form.form import Form

MODEL = "crun/seedance-2.0-fast-r2v"
IMAGE = "https://example.com/reference-image-1.png"
PROMPT = "[Image1] A fox\r\nruns 🦊 \"fast\" 'slow' & <b>wind</b></script>\u200b雪\u202e \\n {x} %s \t "


async def at_once(_: float) -> None:
    """Waits for nothing."""


def test_a_prompt_arrives_unchanged_at_every_station(crun: sd.Spec, provider: Provider, tmp_path: Path) -> None:
    form = Form(crun)
    form._controls["/input/prompt"].widget.value = PROMPT
    form._controls["/input/reference_images"].add(IMAGE)  # type: ignore[attr-defined]
    assert form.values["input"]["prompt"] == PROMPT

    assert sd.check(MODEL, **form.values) == ()
    approved = approve(crun, form.values)
    assert json.loads(approved.body)["input"]["prompt"] == PROMPT
    assert create_request(approved, "https://api.crun.ai").body == approved.body

    session = sd.Session(
        api_key="a-key-of-tests",
        base_url=provider.url,
        ledger=tmp_path / "l.sqlite3",
        outputs=tmp_path / "o",
        sleep=at_once,
    )
    video = session.submit(crun, **form.values).wait(60)
    assert provider.charges == [approved.body]
    with closing(sqlite3.connect(session.ledger.path)) as db:
        assert db.execute("SELECT body, digest FROM tasks").fetchall() == [(approved.body, approved.digest)]
    assert video.asked["prompt"] == PROMPT
    assert session.task(video.task).wait(60).asked["prompt"] == PROMPT

    shown = video._repr_mimebundle_()["text/html"]
    assert html.escape(PROMPT) in shown
    assert "<b>wind</b>" not in shown


class Tags(HTMLParser):
    """Collects the tags, attributes and addresses of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, str | None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)


def test_what_is_shown_has_no_script_no_handler_and_no_loopback_address(made: tuple[sd.Session, sd.Video]) -> None:
    session, video = made
    for shown in (
        video._repr_mimebundle_()["text/html"],
        session.tasks()._repr_html_(),
        session.task(video.task)._repr_html_(),
    ):
        seen = Tags()
        seen.feed(shown)
        assert not seen.tags & {"script", "iframe", "object", "embed", "form"}
        assert not [name for name in seen.attributes if name.startswith("on")]
        assert "127.0.0.1" not in shown
        assert "simulator.invalid" not in shown
        assert "javascript:" not in shown


def test_defaults_are_what_is_asked_for_though_they_are_not_sent(crun: sd.Spec) -> None:
    body = build_body(crun, {"prompt": "x", "reference_images": [IMAGE]})
    assert "duration" not in body["input"]
    asked = values_by_role(crun, body)
    assert (asked["seconds"], asked["resolution"], asked["ratio"], asked["audio"]) == (5, "720p", "auto", False)
