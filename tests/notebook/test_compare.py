"""One prompt for several models: each gets it in its own terms, the person is asked once, every video or error is shown."""

import json
import traceback
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import until

import seedance_nb as sd
from seedance_nb._check.price import Estimate, Total, total_of
from seedance_nb._document.load import model_names
from seedance_nb._document.tables import ROLES
from seedance_nb._notebook import output as view_module
from seedance_nb._notebook.compare import SETTINGS, Comparison, request_for
from seedance_nb._notebook.output import BatchView
from seedance_nb._session.batch import Item
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.files import video_path

T2V, R2V, I2V = "crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-fast-r2v", "crun/seedance-2.0-i2v"
pytestmark = pytest.mark.filterwarnings("ignore::seedance_nb.MediaWarning")  # their first frames are nowhere
PRO, VAST = "seedance2-pro/seedance-20-i2v", "vastnum/doubao-seedance-2.0"
FIRST, LAST = "https://example.com/first.png", "https://example.com/last.png"
IMAGE, VIDEO, SOUND = "https://example.com/a.png", "https://example.com/a.mp4", "https://example.com/a.mp3"
EVERY_WORD: dict[str, Any] = {
    "prompt": "A fox", "seconds": 5.0, "ratio": "auto", "resolution": "720p", "audio": True, "seed": 7, "first_frame": FIRST,
    "last_frame": LAST, "reference_images": [IMAGE], "reference_videos": [VIDEO], "reference_audios": [SOUND],
}  # fmt: skip
SHORT = {"prompt": "A fox", "seconds": 4, "resolution": "480p", "ratio": "16:9"}

BODIES: dict[str, Any] = {
    T2V: {"model": "bytedance/seedance1-0-pro-t2v",
          "input": {"prompt": "A fox", "resolution": "720p", "aspect_ratio": "auto", "duration": 5}},
    R2V: {"model": "bytedance/seedance2-0-fast-r2v",
          "input": {"prompt": "A fox", "reference_images": [IMAGE], "reference_videos": [VIDEO], "reference_audios": [SOUND],
                    "audio": True, "resolution": "720p", "aspect_ratio": "auto", "duration": 5}},
    I2V: {"model": "bytedance/seedance2-0-i2v",
          "input": {"prompt": "A fox", "img_urls": [FIRST, LAST], "resolution": "720p", "aspect_ratio": "auto", "duration": 5,
                    "audio": True}},
    PRO: {"model": "seedance-20", "inputs": {"urls": [FIRST, LAST], "prompt": "A fox", "resolution": "720p", "duration": "5s"}},
    VAST: {"model": "doubao-seedance-2-0-260128", "prompt": "A fox", "images": [IMAGE], "videos": [VIDEO], "audios": [SOUND],
           "metadata": {"generate_audio": True, "resolution": "720p", "ratio": "adaptive", "duration": 5}},
}  # fmt: skip
Priced = tuple[sd.Spec, Estimate, bool]
REFERENCES = {"reference_images", "reference_videos", "reference_audios"}
LEFT = {
    T2V: {"seed", "audio", "first_frame", "last_frame", *REFERENCES},
    R2V: {"seed", "first_frame", "last_frame"},
    I2V: {"seed", *REFERENCES},
    PRO: {"seed", "ratio", "audio", *REFERENCES},
    VAST: {"seed", "first_frame", "last_frame"},
}


def model_request(name: str, **words: Any) -> Item:
    return request_for(sd.spec(name), {"prompt": "A fox", **words})


def inputs(name: str, **words: Any) -> dict[str, Any]:
    body = model_request(name, **words).body
    found: dict[str, Any] = body.get("input", body.get("inputs", body))
    return found


@pytest.mark.parametrize("name", model_names())
def test_every_setting_goes_to_its_field_and_the_rest_is_reported(name: str) -> None:
    made = request_for(sd.spec(name), EVERY_WORD)
    assert json.dumps(made.body) == json.dumps(BODIES[name]), "the same values, types and order"
    assert {word for word, _ in made.unsupported} == LEFT[name]
    assert {why for _, why in made.unsupported} == {"not supported by this model"}
    assert set(made.labels["used"].split(", ")) == set(SETTINGS) - LEFT[name]
    assert made.problems == ()
    assert sd.check(name, **made.fields) == made.warnings, "the fields are what sd.submit takes"


def test_there_is_a_word_for_every_role_and_both_frames_for_the_list_of_them() -> None:
    assert set(SETTINGS) == set(ROLES) - {"frames"}
    assert all(name in (sd.compare.__doc__ or "") for name in SETTINGS)


@pytest.mark.parametrize(("name", "field"), [(I2V, "img_urls"), (PRO, "urls")])
def test_a_first_frame_alone_is_a_list_of_one_and_a_last_one_alone_has_no_place(name: str, field: str) -> None:
    assert inputs(name, first_frame=FIRST)[field] == [FIRST]
    alone = model_request(name, last_frame=LAST)
    assert field not in alone.fields
    assert alone.unsupported == (("last_frame", "this model takes a last frame only together with a first frame"),)


def test_seconds_are_written_as_the_document_writes_them_and_never_changed_to_fit() -> None:
    assert [type(inputs(T2V, seconds=value)["duration"]) for value in (5, 5.0, 4.5)] == [int, int, float]
    assert [inputs(PRO, seconds=value)["duration"] for value in (5, 5.0, 4.5, "5s")] == ["5s", "5s", "4.5s", "5s"]
    too_long = model_request(R2V, seconds=16, reference_images=[IMAGE])
    assert too_long.fields["duration"] == 16
    assert [problem.message for problem in too_long.problems] == ["16 s is too large; at most 15 s is allowed"]
    assert [problem.message for problem in model_request(T2V, seconds=4.5).problems] == [
        "must be a whole number, not the number 4.5"
    ]
    assert [problem.path for problem in model_request(PRO, seconds=float("nan"), first_frame=FIRST).problems] == [
        "/inputs/duration"
    ]
    assert [problem.path for problem in model_request(T2V, seconds=True).problems] == ["/input/duration"]


def test_what_only_other_sources_forbid_is_a_warning() -> None:
    made = model_request(PRO, seconds=30, resolution="sharp", first_frame=FIRST)
    assert made.problems == ()
    assert {problem.field for problem in made.warnings} == {"duration", "resolution"}


def test_a_word_that_is_none_counts_as_not_given() -> None:
    assert model_request(T2V, audio=None, seconds=None).unsupported == ()
    assert model_request(T2V, seconds=None).fields == {"prompt": "A fox"}


def test_a_field_whose_name_is_there_twice_is_still_found() -> None:
    seconds = {"type": "integer", "x-role": "seconds"}
    inner = {"type": "object", "properties": {"n": seconds, "last": {"type": "string", "x-role": "last_frame"}}}
    other = {"type": "object", "properties": {"n": {"type": "string"}}}
    made = request_for(
        sd.spec({"type": "object", "properties": {"a": inner, "b": other}}), {"seconds": 5, "last_frame": LAST}
    )
    assert made.body == {"a": {"n": 5, "last": LAST}}
    assert made.unsupported == ()


def test_an_unknown_setting_is_refused_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(sd.InvalidInput) as caught:
        sd.compare("A fox", [T2V], secnds=5, zzz=1)
    assert [problem.path for problem in caught.value.problems] == ["secnds", "zzz"]
    assert "did you mean 'seconds'?" in str(caught.value)
    assert all(word in caught.value.problems[1].message for word in SETTINGS)
    with pytest.raises(sd.InvalidInput, match="passed twice"):
        sd.compare("A fox", [T2V], prompt="A hen")


def test_a_list_without_models_is_refused() -> None:
    with pytest.raises(sd.InvalidInput, match="lists no model"):
        sd.compare("A fox", [])


def test_a_model_that_is_listed_twice_generates_two_takes_each_at_its_price() -> None:
    comparison = sd.compare("A fox", [T2V, T2V], seconds=4, resolution="480p")
    assert comparison.total.simulated == 2
    videos = comparison.generate()
    first, second = (video.row for video in videos if isinstance(video, sd.Video))
    assert (first.take, second.take) == (1, 2)
    assert first.seq != second.seq
    again = [video.row.seq for video in comparison.generate() if isinstance(video, sd.Video)]
    assert again == [first.seq, second.seq], "again, they are the same"
    shown = videos.view().html
    assert shown.count("<video") == 2
    assert "· take 2" in shown


def priced(name: str, amount: float | None, *, simulated: bool = False, **more: Any) -> Priced:
    spec = sd.spec(name)
    estimate = Estimate(unit=spec.price.unit, amount=amount, **more)
    return spec, estimate, simulated


TOTALS: list[tuple[list[Priced], str, str]] = [
    ([], "nothing to send", "nothing to send"),
    ([priced(T2V, 9, simulated=True)] * 2, "simulated (free)", "simulated (free)"),
    ([priced(PRO, 200, money=1.0), priced(PRO, 160, money=0.8)], "360 credits ($1.80)", "360 credits ($1.80)"),
    ([priced(T2V, 12.5), priced(I2V, 30)], "42.5 credits", "42.5 credits"),
    ([priced(T2V, 12), priced(PRO, 200, money=1.0)],
     "12 crun credits + 200 seedance2-pro credits ($1.00)", "12 crun credits + 200 seedance2-pro credits ($1.00)"),
    ([priced(VAST, 99111, at_least=True), priced(T2V, None)],
     f"at least 99,111 vastnum tokens, price unknown for {T2V}", "at least 99,111 vastnum tokens, some prices unknown"),
    ([priced(T2V, None)], f"price unknown for {T2V}", "price unknown"),
    ([priced(T2V, None), priced(I2V, None)], f"price unknown for {T2V}, {I2V}", "price unknown"),
    ([priced(PRO, 200, money=1.0), priced(VAST, 9, money=0.25), priced(T2V, 1, money=2.0, currency="EUR")],
     "200 seedance2-pro credits ($1.00) + 9 vastnum tokens ($0.25) + 1 crun credits (€2.00), in total $1.25 + €2.00",
     "200 seedance2-pro credits ($1.00) + 9 vastnum tokens ($0.25) + 1 crun credits (€2.00), in total $1.25 + €2.00"),
    ([priced(PRO, 200, money=1.0), priced(VAST, 9, simulated=True)],
     "200 credits ($1.00), 1 simulated (free)", "200 credits ($1.00), 1 simulated (free)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("requests", "text", "brief"), TOTALS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_total_sums_what_is_of_one_kind_and_is_plain_about_the_rest(
    requests: list[Priced], text: str, brief: str
) -> None:
    assert (str(total_of(requests)), total_of(requests).text()) == (text, brief)


def test_a_total_holds_its_numbers() -> None:
    total = total_of([priced(PRO, 200, money=1.0), priced(T2V, None), priced(VAST, 9, simulated=True)])
    assert ([one.money for one in total.sums], total.unknown, total.simulated, total.paid) == ([1.0], (T2V,), 1, 2)
    assert total_of([]) == Total()


def compared(session: sd.Session, documents: Any, *, take: int = 1, **words: Any) -> Comparison:
    return Comparison(session, documents, SHORT | words, take=take)


def models(provider: Provider) -> list[str]:
    return sorted(json.loads(body)["model"] for body in provider.charges)


BOTH = ["bytedance/seedance1-0-pro-t2v", "bytedance/seedance2-0-i2v"]


def test_nothing_paid_is_sent_without_confirm_and_the_total_is_shown(session: sd.Session, paying: Provider) -> None:
    paying.on_estimate = [12]
    comparison = compared(session, [T2V, I2V, R2V, PRO], first_frame=FIRST)
    assert paying.estimates == [], "making one asks nobody"
    with pytest.raises(sd.SeedanceError) as caught:
        comparison.generate()
    assert f"paid requests to {T2V}, {I2V}. Total: 24 credits, 1 simulated (free)." in str(caught.value)
    assert f"{R2V} is left out: 1 problem" in str(caught.value)
    assert "confirm=True" in caught.value.next_step
    assert caught.value.charged == "not charged"
    assert len(paying.estimates) == 2, "the free estimate calls, once each"
    assert paying.charges == []
    assert session.ledger.rows() == []


@pytest.mark.filterwarnings("ignore:crun/seedance-1.0-pro-t2v is sent without first_frame")
def test_confirm_sends_each_model_one_request_and_again_none(session: sd.Session, paying: Provider) -> None:
    paying.on_estimate = [12.5]
    for total in ("25 credits", "nothing to send"):
        comparison = compared(session, [T2V, I2V], first_frame=FIRST)
        assert str(comparison.total) == total
        videos = comparison.generate(confirm=True, timeout=30)
        assert [type(video) for video in videos] == [sd.Video, sd.Video]
        assert models(paying) == BOTH
    assert [row.estimate for row in session.ledger.rows()] == [12.5, 12.5], "the ledger has the price that was shown"
    assert [getattr(task, "is_new", None) for task in comparison.tasks] == [False, False]
    again = compared(session, [T2V, I2V], first_frame=FIRST, take=2).generate(confirm=True, timeout=30)
    assert len(again) == 2
    assert models(paying) == sorted(BOTH * 2)


def test_what_is_left_behind_is_said_before_anything_is_paid(session: sd.Session, paying: Provider) -> None:
    comparison = compared(session, [T2V], first_frame=FIRST)
    with pytest.raises(sd.SeedanceError, match="is sent without first_frame: not supported by this model"):
        comparison.generate()
    with pytest.raises(UserWarning, match="is sent without first_frame"):  # pytest makes every warning an error
        comparison.generate(confirm=True)
    assert paying.charges == []


def test_an_estimate_that_fails_is_a_price_that_is_not_known(session: sd.Session, paying: Provider) -> None:
    paying.on_estimate = [(200, {"code": 402, "message": "no <b>credits</b>"})]
    comparison = compared(session, [T2V])
    assert str(comparison.total) == f"price unknown for {T2V}"
    assert "no <b>credits</b>" in repr(comparison)
    assert paying.charges == []


def test_a_limit_from_other_sources_is_a_warning_before_anything_is_sent(session: sd.Session, paying: Provider) -> None:
    with pytest.raises(sd.LimitWarning, match=f"{T2V}, warning: /input/duration: 13 s is too large"):
        compared(session, [T2V], seconds=13).generate(confirm=True)
    assert paying.charges == []
    with pytest.warns(sd.LimitWarning):
        compared(session, [T2V], seconds=13).generate(confirm=True)
    assert len(paying.charges) == 1


def test_confirm_must_be_true_itself(session: sd.Session, paying: Provider) -> None:
    with pytest.raises(sd.SeedanceError, match="confirm=True"):
        compared(session, [T2V]).generate(confirm="no")  # type: ignore[arg-type]
    assert paying.charges == []


def test_a_model_with_problems_is_said_and_the_others_go(session: sd.Session, paying: Provider) -> None:
    comparison = compared(session, [R2V, T2V])
    videos = comparison.generate(confirm=True, timeout=30)
    assert [task.row.spec for task in comparison.tasks if isinstance(task, sd.Task)] == [T2V]
    assert isinstance(videos[0], sd.InvalidInput)
    assert isinstance(videos[1], sd.Video)
    assert models(paying) == ["bytedance/seedance1-0-pro-t2v"]


def test_where_no_model_can_be_sent_anything_it_says_why(session: sd.Session, paying: Provider) -> None:
    bare = {"type": "object", "properties": {"prompt": {"type": "string", "x-role": "prompt"}}}
    comparison = compared(session, [R2V, bare])
    with pytest.raises(sd.SeedanceError, match="cannot be sent to any") as caught:
        comparison.generate(confirm=True)
    assert "no x-task table" in str(caught.value)
    assert str(comparison.total) == "nothing to send"
    assert paying.headers == []
    assert comparison._view()._go.disabled


def test_a_model_that_fails_loses_no_other_one(session: sd.Session, paying: Provider) -> None:
    paying.on_create = [(200, {"code": 402, "message": "Insufficient <b>Credits</b>"})]
    videos = compared(session, [T2V, VAST]).generate(confirm=True, timeout=60)
    assert isinstance(videos[0], sd.NoCredits)
    assert isinstance(videos[1], sd.Video)
    assert videos[1].simulated
    shown = videos.view().html
    assert "Insufficient &lt;b&gt;Credits&lt;/b&gt;" in shown
    assert "<b>Credits" not in shown
    assert shown.count("<video") == 1
    assert shown.count("SIMULATED") == 1
    assert "generated in" in shown
    assert "Insufficient" in repr(videos).splitlines()[0]
    assert "SIMULATED" in repr(videos).splitlines()[1]


def test_a_timeout_is_in_the_models_place_and_the_task_goes_on(session: sd.Session, paying: Provider) -> None:
    paying.on_status = ["running"]
    (error,) = compared(session, [T2V]).generate(confirm=True, timeout=0)
    assert isinstance(error, sd.WaitTimeout)
    assert " after " not in str(error), "no time was waited for it alone"
    paying.on_status = ["success"]
    assert session.task(error.task).wait(30).path.exists()
    assert len(paying.charges) == 1


def test_keys_that_come_later_are_not_spent(session: sd.Session, provider: Provider, monkeypatch: Any) -> None:
    comparison = compared(session, [T2V])
    monkeypatch.setenv("CRUN_API_KEY", "a-key-of-crun")
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    with pytest.raises(sd.SeedanceError, match="The keys have changed"):
        comparison.generate(confirm=True)
    assert provider.headers == []


def test_a_key_that_cannot_be_sent_keeps_only_its_own_model_out(session: sd.Session, monkeypatch: Any) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "a key")
    comparison = compared(session, [T2V, VAST])
    assert [one.name for one in comparison.ready] == [VAST]
    assert "CRUN_API_KEY cannot be sent" in repr(comparison)


@pytest.mark.usefixtures("paying")
def test_the_table_says_for_each_model_what_goes_where_and_what_does_not(session: sd.Session) -> None:
    text = repr(compared(session, [T2V, R2V, PRO], audio=True, first_frame=FIRST))
    first, second, third, total = text.splitlines()[1:]
    assert first.split("  ")[0] == T2V
    assert "  audio, first_frame  " in first
    assert "12 credits" in first
    assert "reference_images: add at least one reference image" in second
    assert second.endswith("not sent")
    assert "Simulated (free). With a key: 160 credits ($0.80)" in third
    assert total == "2 of 3 can be sent: 12 credits, 1 simulated (free)"


def test_without_keys_everything_is_simulated_and_one_name_is_enough() -> None:
    comparison = sd.compare("A fox", T2V, seconds=4)
    assert [one.simulated for one in comparison.items] == [True]
    assert str(comparison.total) == "simulated (free)"
    _, head, table, *_ = (getattr(child, "value", "") for child in made(comparison).widget.children)
    assert (head.count("SIMULATED"), table.count("SIMULATED"), table.count("simulator")) == (1, 0, 1)


def test_what_is_simulated_beside_what_is_paid_is_marked(session: sd.Session, paying: Provider) -> None:
    paying.on_estimate = [12]
    _, head, table, *_ = made(compared(session, [T2V, VAST])).widget.children
    assert (head.value.count("SIMULATED"), table.value.count("<div>simulator</div>")) == (0, 1)


@pytest.mark.usefixtures("paying")
def test_a_page_that_is_reloaded_before_they_end_names_the_future_files(session: sd.Session) -> None:
    comparison = compared(session, [VAST])
    ENGINE.run(comparison.send(comparison.reset()))
    later = comparison._output(pending=True)
    (row,) = session.ledger.rows()
    name = video_path(session.outputs, row).stem
    assert [f"/{name}.{kind}" in later.html for kind in ("mp4", "webm")] == [True, True]
    assert later.text == f"{VAST}: no video yet"
    assert "<video" not in comparison._output().html


@pytest.fixture
def view(session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch) -> BatchView:
    paying.on_estimate = [12]
    monkeypatch.setattr(view_module, "PAUSE_S", 0)
    monkeypatch.setattr(view_module, "_UPDATE_S", 0.005)
    return made(compared(session, [T2V, I2V], first_frame=FIRST, prompt="A <b>fox</b>"))


def made(comparison: Comparison) -> BatchView:
    view: BatchView = comparison._view()
    return view


def shown(view: BatchView) -> str:
    """The HTML of the videos in the view."""
    html: str = view._output._videos.outputs[0]["data"]["text/html"]
    return html


def hidden(widget: Any) -> bool:
    return "sdn-hidden" in widget._dom_classes


def test_the_button_asks_once_with_the_total_and_then_sends(view: BatchView, paying: Provider) -> None:
    assert view._go.description == "Generate 2 videos · 24 credits"
    view._go.click()
    assert (hidden(view._go), hidden(view._yes), hidden(view._cancel)) == (True, False, False)
    assert view._yes.description == "Really generate 2 videos for 24 credits?"
    assert paying.charges == []
    view._yes.click()
    until(lambda: not view._busy.locked())
    assert models(paying) == BOTH
    assert shown(view).count("<video ") == 2
    assert "2 of 2 done" in view._status.value
    assert (hidden(view._go), hidden(view._yes), hidden(view._cancel)) == (False, True, True)


def test_a_double_click_asks_and_does_not_answer(
    view: BatchView, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "PAUSE_S", 60)
    view._go.click()
    view._go.click()
    view._yes.click()
    assert not view._busy.locked()
    assert paying.charges == []
    assert not hidden(view._yes)


def test_a_double_click_on_the_answer_is_one_submission_each(view: BatchView, paying: Provider) -> None:
    view._go.click()
    for _ in range(3):
        view._yes.click()
    view._go.click()
    until(lambda: not view._busy.locked())
    assert models(paying) == BOTH


def test_cancel_sends_nothing_and_the_button_can_be_pressed_again(view: BatchView, paying: Provider) -> None:
    view._go.click()
    view._cancel.click()
    view._yes.click()
    assert paying.charges == []
    assert not hidden(view._go)
    view._go.click()
    assert not hidden(view._yes)


def test_to_press_again_shows_the_same_videos_and_pays_nothing(view: BatchView, paying: Provider) -> None:
    for _ in range(2):
        view._go.click()
        view._yes.click()
        until(lambda: not view._busy.locked())
    assert models(paying) == BOTH
    assert "You already generated 2 of them. No charge" in view._status.value


def test_where_all_are_simulated_there_is_no_question(session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "_UPDATE_S", 0.005)
    view = made(compared(session, [VAST, R2V]))
    assert view._go.description == "Generate 1 video · simulated (free)"
    assert "1 left out" in view._note.value
    view._go.click()
    view._go.click()
    until(lambda: not view._busy.locked())
    assert hidden(view._yes)
    assert (shown(view).count("<video "), shown(view).count('role="alert"')) == (1, 1)
    assert len(session.ledger.rows()) == 1
    assert "1 of 2 done; the errors are below." in view._status.value


def test_progress_names_each_model_until_its_video_or_error_is_there(view: BatchView, paying: Provider) -> None:
    paying.on_create = [(200, {"code": 402, "message": "<i>none</i>"}), "ok"]
    paying.on_status = ["running"]
    view._go.click()
    view._yes.click()
    until(lambda: "No video; see the error below" in view._table.value and "Generating" in view._table.value)
    assert T2V in view._table.value
    assert I2V in view._table.value
    assert "0 of 2 done · 1 running" in view._status.value
    until(lambda: ">No video yet<" in shown(view))
    paying.on_status = ["success"]
    until(lambda: not view._busy.locked())
    assert "&lt;i&gt;none&lt;/i&gt;" in shown(view)
    assert "1 of 2 done" in view._status.value


def test_what_is_unexpected_is_shown_in_the_cell(view: BatchView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view._batch, "send", lambda *_, **__: 1 / 0)
    view._go.click()
    view._yes.click()
    until(lambda: not view._busy.locked())
    assert "ZeroDivisionError" in view._status.value
    odd: dict[str, None] = {}
    monkeypatch.setattr(view, "_show_buttons", lambda **_: odd["<b>"])
    view._go.click()
    assert "KeyError(&#x27;&lt;b&gt;&#x27;)" in view._status.value


def test_no_text_becomes_html(view: BatchView, session: sd.Session) -> None:
    view._go.click()
    view._yes.click()
    until(lambda: not view._busy.locked())
    odd = made(compared(session, [PRO], prompt="<b>x</b>", resolution="<i>", first_frame="<u>"))
    for text in (shown(view), *(child.value for child in odd.widget.children[1:4])):
        assert "<b>fox" not in text
        assert "<b>x" not in text
        assert "<i>" not in text.replace('<div class="sdn-run"><i>', "")
        assert "<u>" not in text
    assert "A &lt;b&gt;fox&lt;/b&gt;" in shown(view)
    assert "&lt;b&gt;x&lt;/b&gt;" in odd.widget.children[1].value


def test_showing_it_in_a_cell_sends_nothing(
    session: sd.Session, paying: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = Comparison(session, [T2V], SHORT)
    comparison._ipython_display_()
    assert (paying.charges, len(paying.estimates)) == ([], 1)
    assert "sdn-comparison" in made(comparison).widget._dom_classes
    bundle = made(comparison).widget._repr_mimebundle_()
    assert "1 of 1 can be sent: 12 credits" in bundle["text/plain"]
    assert "12 credits" in bundle["text/html"]
    assert capsys.readouterr()


def test_a_comparison_whose_creation_failed_can_still_be_shown_in_a_traceback() -> None:
    with pytest.raises(sd.SpecError) as raised:
        sd.compare("x", ["nothing"])
    told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    assert "self = Comparison (not created)" in "".join(told.format())


def test_a_locked_ledger_would_hold_up_no_other_task_while_a_comparison_waits_for_it(
    view: BatchView, on_the_loop: list[tuple[str, bool]]
) -> None:
    view._go.click()
    view._yes.click()
    until(lambda: not view._busy.locked())
    assert any("claim" in what for what, _ in on_the_loop)
    assert not [what for what, is_held_up in on_the_loop if is_held_up]


def test_the_order_of_prompt_and_models_is_said() -> None:
    compare: Any = sd.compare
    for arguments, named in ((([T2V],), {"prompt": "A fox"}), (("A fox",), {})):
        with pytest.raises(sd.InvalidInput, match=r'names: .* sd\.compare\("A fox", \[...\]\)'):
            compare(*arguments, **named)
