"""A storyboard: shots that continue each other are paid for once, whatever becomes of the kernel and of the frames' URLs."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.provider import Provider
from support.waiting import interrupt_when, short, until

import seedance_nb as sd
from seedance_nb._media.inspect import inspect
from seedance_nb._notebook import storyboard as module
from seedance_nb._notebook.storyboard import Storyboard
from seedance_nb._session.batch import Batch, Run
from seedance_nb._task.engine import ENGINE

pytestmark = pytest.mark.filterwarnings("ignore::seedance_nb.MediaWarning")  # its first frames are nowhere
T2V, I2V, PRO = "crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-i2v", "seedance2-pro/seedance-20-i2v"
IMAGE = "https://example.com/fox.png"
START = Batch._start
SHOTS: list[dict[str, Any]] = [
    {"prompt": "A fox wakes", "model": T2V}, {"prompt": "It runs"}, {"prompt": "The end"},
]  # fmt: skip


@pytest.fixture
def paying(paying: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider also gives each upload a new URL, from which frames are fetched."""
    monkeypatch.setattr(module, "fetch_small", fetched)
    return paying


async def fetched(url: str) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
        return answer.content if answer.status_code == 200 else b""


def board(session: sd.Session, shots: Any = SHOTS, budget: float | None = 1000, **shared: Any) -> Storyboard:
    options = {"model": I2V, "seconds": 4, "resolution": "480p", "ratio": "16:9"} | shared
    return Storyboard(session, [{**options, **shot} for shot in shots], budget=budget)


def prompts(provider: Provider) -> list[str]:
    return [json.loads(body)["input"]["prompt"] for body in provider.charges]


def frames(provider: Provider) -> list[str]:
    return [json.loads(body)["input"].get("img_urls", ["-"])[0] for body in provider.charges]


def states(story: Storyboard) -> list[str]:
    """The last column of the plan, without costs."""
    lines = repr(story.plan()).splitlines()[1:-1]
    return [re.split(r"\s{2,}", line)[-1].partition(" · ")[0] for line in lines]


def test_each_shot_starts_from_the_last_frame_of_the_one_before_and_is_paid_once(
    session: sd.Session, paying: Provider
) -> None:
    for _ in range(3):
        videos = board(session).generate(confirm=True)
        assert [type(video) for video in videos] == [sd.Video] * 3
    assert prompts(paying) == [shot["prompt"] for shot in SHOTS]
    assert frames(paying) == ["-", *(f"{paying.url}/uploads/{number}.png" for number in range(2))]
    assert len(paying.uploads) == 2
    assert all(content.startswith(b"\x89PNG") for content in paying.uploads)
    assert {row.estimate for row in session.ledger.rows()} == {12}, "the ledger has the price that was shown"


def test_a_loop_without_it_pays_again_where_an_upload_has_a_new_url(session: sd.Session, paying: Provider) -> None:
    """The naive control: the same loop by hand, run twice."""
    for _ in range(2):
        video, account = session.generate(T2V, prompt="A fox wakes", duration=4), session.sender.account(sd.spec(I2V))
        for shot in SHOTS[1:]:
            frame = video.path.with_name("frame.png")
            video.last_frame.save(frame)
            url = ENGINE.run(account.upload(frame))
            video = session.generate(I2V, prompt=shot["prompt"], img_urls=[url], duration=4)
    assert len(paying.charges) == 5


def test_one_total_is_asked_about_and_nothing_is_sent_before(session: sd.Session, paying: Provider) -> None:
    story = board(session)
    assert paying.estimates == [], "making one asks nobody"
    view = story._view()
    assert view._go.description == "Generate 3 videos · 36 credits"
    view._press()
    assert view._yes.description == "Really generate 3 videos for 36 credits?"
    assert (paying.charges, paying.uploads, session.ledger.rows()) == ([], [], [])
    assert "3 of 3 shots to generate: 36 credits" in repr(story.plan())
    with pytest.raises(sd.SeedanceError, match=r"paid requests for 3 shots\. Total: 36 credits\.") as caught:
        story.generate()
    assert "confirm=True" in caught.value.next_step
    assert paying.charges == []


def test_what_a_model_does_not_support_is_reported_before_anything_is_sent(
    session: sd.Session, paying: Provider
) -> None:
    story = board(session, [SHOTS[0] | {"audio": True}])
    assert "audio" in repr(story)
    with pytest.raises(UserWarning, match="Shot 1 is sent without audio: not supported by this model"):
        story.generate(confirm=True)
    assert paying.charges == []


def test_where_nobody_can_confirm_it_needs_a_budget(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    results = Storyboard(session, [{"model": I2V, **shot} for shot in SHOTS]).generate(confirm=True)
    assert "no one is here to confirm" in str(results[0])
    assert paying.charges == []


def test_an_edit_makes_stale_what_continues_it_and_pays_for_that_alone(session: sd.Session, paying: Provider) -> None:
    shots = [*SHOTS, {"prompt": "Credits", "model": T2V, "chain": False}]
    first = board(session, shots)
    first.generate(confirm=True)
    edited = board(session, [shots[0], {"prompt": "It jumps"}, *shots[2:]])
    for changed in (first.replace(1, prompt="It jumps"), edited):
        assert "2 of 4 shots to generate: 24 credits" in repr(changed.plan())
        assert states(changed) == ["done", "new", "stale: shot 2 changes", "done"]
    assert len(paying.charges) == 4
    edited.generate(confirm=True)
    assert prompts(paying)[4:] == ["It jumps", "The end"]
    assert "0 of 4 shots to generate: nothing to send" in repr(first.plan()), "the shots of before are still there"
    assert states(first) == ["done"] * 4


def test_a_shot_that_is_left_out_or_comes_between_says_why_the_next_is_stale(
    session: sd.Session, paying: Provider
) -> None:
    results = board(session).generate(confirm=True)
    captions = [line.partition(":")[0] for line in repr(results).splitlines()]
    assert captions == ['1. "A fox wakes"', '2. "It runs"', '3. "The end"']
    assert states(board(session, [SHOTS[0], SHOTS[2]])) == ["done", "stale: it continues another shot now"]
    between = [SHOTS[0], {"prompt": "It yawns"}, *SHOTS[1:]]
    assert states(board(session, between)) == ["done", "new", "stale: shot 2 changes", "stale: shot 3 changes"]
    for change in ({"take": 2}, {"seconds": 5}, {"return_last_frame": True}):
        changed = board(session).replace(1, **change)
        assert states(changed) == ["done", "new", "stale: shot 2 changes"], "it is edited, and continues the same shot"
    assert len(paying.charges) == 3


@pytest.mark.parametrize(
    ("order", "paid", "said"),
    [
        ("A B c D", "c D", ["done", "done", "new", "stale: shot 3 changes"]),
        ("A X B C D", "X B C D", ["done", "new", "stale: shot 2 changes", "stale: shot 3 changes", "stale: shot 4 changes"]),
        ("A B D", "D", ["done", "done", "stale: it continues another shot now"]),
        ("A C B D", "C B D", ["done", "stale: it continues another shot now", "stale: shot 2 changes", "stale: shot 3 changes"]),
        ("Am B C D", "Am B C D", ["new", "stale: shot 1 changes", "stale: shot 2 changes", "stale: shot 3 changes"]),
        ("A B C D X", "X", ["done", "done", "done", "done", "new"]),
        ("A B", "", ["done", "done"]),
    ],
)  # fmt: skip
def test_a_storyboard_is_a_makefile(
    session: sd.Session, paying: Provider, order: str, paid: str, said: list[str]
) -> None:
    """Shots edited, put between, left out, put in another order, of another model: what is stale and its price is said, and nothing else is paid."""

    def named(names: str) -> list[dict[str, Any]]:
        own: dict[str, Any] = {"A": {"model": T2V}, "Am": {"first_frame": IMAGE}}
        return [{"prompt": f"Shot {name[0]}"} | own.get(name, {}) for name in names.split()]

    board(session, named("A B C D")).generate(confirm=True)
    edited = board(session, named(order))
    assert states(edited) == said
    assert (len(edited.due), str(edited.total)) == (
        len(paid.split()),
        f"{12 * len(paid.split())} credits" if paid else "nothing to send",
    )
    assert edited.rehearse().clips == len(paid.split())
    assert [type(video) for video in edited.generate(confirm=True)] == [sd.Video] * len(said)
    assert prompts(paying)[4:] == [f"Shot {name[0]}" for name in paid.split()]
    assert board(session, named("A B C D")).due == [], "to undo an edit costs nothing"


def test_another_take_of_a_shot_is_a_change_of_it(session: sd.Session, paying: Provider) -> None:
    story = board(session)
    story.generate(confirm=True)
    again = story.replace(1, take=2)
    assert again.due == [1, 2]
    again.generate(confirm=True)
    assert prompts(paying)[3:] == ["It runs", "The end"]
    assert again.due == story.due == []


def test_a_frame_whose_url_no_longer_works_gets_a_new_one_for_new_shots_only(
    session: sd.Session, paying: Provider
) -> None:
    board(session).generate(confirm=True)
    paying.files.clear()
    assert board(session).due == [], "what was paid needs no frame"
    changed = board(session).replace(2, prompt="Another end")
    changed.generate(confirm=True)
    assert frames(paying)[-1] == f"{paying.url}/uploads/2.png"
    assert (changed.due, board(session).due, len(paying.charges)) == ([], [], 4)


def signed(provider: Provider, picture: bytes) -> Callable[[Any], None]:
    """A status call that returns the last frame too, and signs every URL anew each time."""
    number = iter(range(1000))

    def answer(handler: Any) -> None:
        if "/upload-url" in handler.path or handler.path.endswith("/balance"):
            Provider._status(provider, handler)
            return
        mark = f"?signature={next(number)}"
        urls = [f"{provider.url}/outputs/video.mp4{mark}", f"{provider.url}/last.png{mark}"]
        provider.files[f"/last.png{mark}"] = picture
        data = {
            "task_id": handler.path.rpartition("=")[2],
            "status": "success",
            "result": {"media_urls": urls},
            "credits": 12,
        }
        provider._json(handler, 200, {"code": 200, "message": "success", "data": data})

    return answer


@pytest.mark.parametrize("can_upload", [True, False])
def test_a_signed_frame_of_the_provider_is_used_only_where_nothing_can_be_uploaded_and_never_pays_twice(
    session: sd.Session, paying: Provider, made: tuple[sd.Session, sd.Video], tmp_path: Path, can_upload: bool
) -> None:
    picture = tmp_path / "frame.png"
    made[1].last_frame.save(picture)
    paying._status = signed(paying, picture.read_bytes())  # type: ignore[method-assign,assignment]
    spec = sd.spec(I2V)
    calls = {name: call for name, call in spec.calls.items() if can_upload or name != "upload"}
    shots = [{"return_last_frame": True, "model": replace(spec, calls=calls), **shot} for shot in SHOTS]
    for _ in range(3):
        assert [type(video) for video in board(session, shots).generate(confirm=True)] == [sd.Video] * 3
        paying.files.clear()  # what was signed expires
    assert len(paying.charges) == 3
    assert all(("signature" in frame) is not can_upload for frame in frames(paying)[1:])


@pytest.mark.parametrize(("take", "count"), [(1, 2), (2, 4)])
def test_equal_shots_are_one_request_everywhere_unless_their_takes_differ(
    session: sd.Session, paying: Provider, take: int, count: int
) -> None:
    story = board(session, [*SHOTS[:2], SHOTS[0] | {"chain": False, "take": take}, SHOTS[1]])
    price = f"{12 * count} credits"
    assert f"{count} of 4 shots to generate: {price}" in repr(story.plan())
    assert states(story)[2:] == (["the same as shot 1", "the same as shot 2"] if count == 2 else ["new", "new"])
    assert (story.rehearse().clips, story.rehearse().cost) == (count, price)
    assert story._view()._go.description == f"Generate {count} videos · {price}"
    with pytest.raises(sd.SeedanceError, match=f"paid requests for {count} shots. Total: {price}"):
        story.generate()
    assert [type(video) for video in story.generate(confirm=True)] == [sd.Video] * 4
    assert (len(paying.charges), story.due) == (count, [])


def test_shots_that_continue_nothing_are_sent_at_once(session: sd.Session, paying: Provider) -> None:
    paying.on_status = ["running"]
    shots = [
        SHOTS[0],
        {"prompt": "Own", "first_frame": IMAGE},
        {"prompt": "Alone", "model": T2V, "chain": False},
        SHOTS[2] | {"model": I2V},
    ]
    story = board(session, shots)
    work = ENGINE.submit(story.perform(story.reset()))
    until(lambda: len(paying.charges) == 3)
    assert sorted(prompts(paying)) == ["A fox wakes", "Alone", "Own"]
    story.stop()
    paying.on_status = ["success"]
    work.result(60)
    assert [type(one).__name__ for one in story.results] == ["Video", "Video", "Video", "NoneType"]
    assert len(paying.charges) == 3, "Stop: nothing further is sent"


def test_a_shot_that_fails_stops_those_that_continue_it_and_nothing_else(session: sd.Session, paying: Provider) -> None:
    paying.on_status = ["failed"]
    story = board(session, [*SHOTS, {"prompt": "Alone", "model": T2V, "chain": False}])
    first, second, third, alone = results = list(story.generate(confirm=True))
    assert isinstance(second, sd.SeedanceError)
    assert len(results) == 4
    assert [type(first), type(alone)] == [sd.TaskFailed] * 2
    assert "Shot 2 was not sent: shot 1, which it continues, has no video," in str(second)
    assert ".replace(0, take=2)" in second.next_step
    assert "shot 2, which it continues" in str(third)
    assert (len(paying.charges), story.due) == (2, [])
    paying.on_status = ["success"]
    again = story.replace(0, take=2)
    assert again.due == [0, 1, 2]
    videos = again.generate(confirm=True)
    assert [type(video) for video in videos] == [sd.Video, sd.Video, sd.Video, sd.TaskFailed]
    assert len(paying.charges) == 5


def test_a_frame_that_cannot_be_uploaded_says_which_shot_was_not_sent_and_the_same_call_goes_on(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = paying._status

    def refuse(handler: Any) -> None:
        if "/upload-url" in handler.path:
            paying._json(handler, 200, {"code": 402, "message": "Insufficient storage"})
        else:
            look(handler)

    with monkeypatch.context() as patch:
        patch.setattr(paying, "_status", refuse)
        first, second, third = list[Any](board(session).generate(confirm=True))
    assert isinstance(first, sd.Video)
    assert isinstance(second, sd.NoCredits)
    assert str(second) == (
        "Shot 2 was not sent, because the last frame of shot 1 could not be used: "
        "crun rejected the request (402): Insufficient storage\nNothing was charged.\n"
        "Next: top up the account, then run the cell again; shots that have a video cost nothing"
    )
    assert third.next_step == "solve the problem of shot 2, then run this again", "a new take of shot 2 would not help"
    board(session).generate(confirm=True)
    assert prompts(paying) == [shot["prompt"] for shot in SHOTS]


def test_stop_in_a_script_says_what_was_sent_and_what_to_do(session: sd.Session, paying: Provider) -> None:
    story = board(session)
    paying.on_status = ["running"]
    interrupt_when(lambda: paying.charges and story.tasks[0])
    with pytest.raises(
        KeyboardInterrupt, match=r"0 of 3 done · 1 running · 2 not sent\. .* 12 credits\. .*run this again"
    ):
        story.generate(confirm=True)
    assert len(paying.charges) == 1


@pytest.mark.parametrize(
    ("shots", "reason"),
    [
        ([SHOTS[0], {"prompt": "It runs", "model": T2V}], "crun/seedance-1.0-pro-t2v does not start from an image"),
        ([{"prompt": "A", "model": PRO, "first_frame": IMAGE, "ratio": None}] * 2 + [{"prompt": "B", "model": PRO, "ratio": None}],
         "seedance2-pro accepts no uploads, and the shot before returns no last frame"),
        ([SHOTS[0], {"prompt": "It runs", "seconds": "long"}], "/input/duration"),
        ([{"prompt": "A", "first_frame": IMAGE}, {"prompt": "B", "promt": "C"}], "did you mean 'prompt'?"),
        ([{"prompt": "A", "model": PRO, "first_frame": IMAGE, "ratio": None}, {"prompt": "B"}],
         "it would be paid, but the shot that it continues is only simulated"),
    ],
)  # fmt: skip
def test_a_board_with_a_shot_that_cannot_be_sent_sends_nothing(
    session: sd.Session, paying: Provider, shots: Any, reason: str
) -> None:
    story = board(session, shots)
    with pytest.raises(sd.SeedanceError, match=re.escape(reason)) as caught:
        story.generate(confirm=True)
    assert caught.value.charged == "not charged"
    assert "Total" not in str(caught.value)
    assert (story.due, paying.charges, paying.uploads) == ([], [], [])
    assert repr(story).count("not sent") >= len(shots)


RUN = """
import sys
sys.path[:0] = {paths}
import httpx
import seedance_nb as sd
from support.waiting import short
from seedance_nb._notebook.storyboard import Storyboard
from seedance_nb._notebook import storyboard

async def fetched(url):
    return httpx.get(url, trust_env=False).content

storyboard.fetch_small = fetched
session = sd.Session(api_key="a-key-of-crun", base_url={url!r}, ledger="l.sqlite3", outputs="o", sleep=short)
Storyboard(session, {shots}, budget=1000).generate(confirm=True)
"""


@pytest.mark.parametrize("charge", [1, 2, 3])
def test_a_kernel_that_is_killed_in_the_middle_and_runs_again_pays_each_shot_once(
    session: sd.Session, paying: Provider, tmp_path: Path, charge: int
) -> None:
    shots = [{"model": I2V, "seconds": 4, "resolution": "480p", **shot} for shot in SHOTS]
    command = [sys.executable, "-c", RUN.format(paths=sys.path, url=paying.url, shots=shots)]
    child = subprocess.Popen(command, cwd=tmp_path)
    look = paying._status

    def killing(handler: Any) -> None:
        if handler.path.endswith(f"=task_{charge}"):
            child.send_signal(signal.SIGKILL)
        look(handler)

    paying._status = killing  # type: ignore[method-assign]
    assert child.wait(60) == -signal.SIGKILL
    assert len(paying.charges) == charge
    for _ in range(2):
        Storyboard(session, shots, budget=1000).generate(confirm=True)
    assert prompts(paying) == [shot["prompt"] for shot in SHOTS]
    assert len({*frames(paying)}) == 3


def test_a_shot_whose_answer_was_lost_is_not_sent_again_and_nothing_after_it(
    session: sd.Session, paying: Provider
) -> None:
    paying.on_create = ["ok", "reset", "ok"]
    for _ in range(2):
        first, second, third = board(session).generate(confirm=True)
        assert isinstance(first, sd.Video)
        assert isinstance(second, sd.UnknownOutcome)
        assert "Shot 3 was not sent" in str(third)
        assert (len(paying.charges), board(session).due) == (2, [])


def test_a_kernel_that_ends_between_the_upload_and_the_request_pays_once(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL is in the ledger before the request is, so both runs send the same request."""

    async def start(self: Storyboard, run: Run, at: int, item: Any, *rest: Any, **more: Any) -> None:
        if "img_urls" not in item.body["input"]:
            await START(self, run, at, item, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Storyboard, "_start", start)
        work = ENGINE.submit((story := board(session)).perform(story.reset()))
        until(lambda: paying.uploads)
        work.cancel()
    assert (len(paying.charges), len(paying.uploads)) == (1, 1)
    board(session).generate(confirm=True)
    assert frames(paying)[1] == f"{paying.url}/uploads/0.png"
    assert (len(paying.charges), len(paying.uploads)) == (3, 2)


def test_two_kernels_at_the_same_shot_agree_on_its_frame(session: sd.Session, paying: Provider, tmp_path: Path) -> None:
    other = sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", sleep=short)
    works = [ENGINE.submit(story.perform(story.reset())) for story in map(board, (session, other))]
    for work in works:
        work.result(120)
    assert len(paying.charges) == 3
    assert len(paying.uploads) == 2


def test_what_was_forgotten_leaves_no_url_of_its_frame(session: sd.Session, paying: Provider, tmp_path: Path) -> None:
    board(session).generate(confirm=True)
    first = session.task(1)
    assert any(b"/uploads/0.png" in file.read_bytes() for file in tmp_path.glob("l.sqlite3*"))
    for number in (1, 2):
        session.task(number).forget()
    assert session.ledger.marks(first.row, "frame") == []
    assert not any(b"/uploads/0.png" in file.read_bytes() for file in tmp_path.glob("l.sqlite3*"))
    story = board(session)
    assert "done, forgotten" in repr(story.plan())
    assert story.due == [], "what may have been paid is not paid again by itself"
    assert "was forgotten" in str(story.generate(confirm=True)[1])
    assert len(paying.charges) == 3


def test_stop_ends_the_waiting_and_sends_nothing_further(session: sd.Session, paying: Provider) -> None:
    story = board(session)

    for _ in story.waiting():
        if paying.charges:
            break  # as Stop does
    until(lambda: story.results[0] is not None)
    assert len(paying.charges) == 1
    story.generate(confirm=True)
    assert prompts(paying) == [shot["prompt"] for shot in SHOTS]


def test_over_budget_nothing_is_sent(session: sd.Session, paying: Provider) -> None:
    options = {"model": I2V, "seconds": 4, "resolution": "480p"}
    story = Storyboard(session, [options | shot for shot in SHOTS], budget=20)
    with pytest.raises(sd.OverBudget, match="These 3 requests cost 36 credits, but only 20 of the budget"):
        story.generate(confirm=True)
    assert (paying.charges, paying.uploads) == ([], [])


def test_where_shots_cost_more_than_estimated_nothing_beyond_the_budget_is_sent(
    session: sd.Session, paying: Provider
) -> None:
    options = {"model": I2V, "seconds": 4, "resolution": "480p"}
    story = Storyboard(session, [options | shot for shot in SHOTS], budget=36)
    with pytest.warns(UserWarning, match="2 of 3 done · 1 not sent, because that would exceed the budget"):
        first, second, third = story.generate(confirm=True)
    assert [isinstance(one, sd.Video) for one in (first, second)] == [True, True]
    assert isinstance(third, sd.OverBudget)
    assert len(paying.charges) == 2


def test_a_rehearsal_adds_up_what_waits_for_each_other_and_spends_nothing(paying: Provider, tmp_path: Path) -> None:
    session = sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", queue_s=0, run_s=100)
    alone = {"model": T2V, "chain": False}
    chained, at_once = board(session), board(session, [shot | alone for shot in SHOTS])
    assert chained.rehearse().seconds[0] >= 300
    assert at_once.rehearse().seconds[1] < 110
    assert "36 credits" in repr(chained.rehearse())
    assert (paying.charges, paying.uploads) == ([], [])


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Storyboard:
    """A simulated storyboard of two shots, which has run."""
    folder = tmp_path_factory.mktemp("filmed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEDANCE_SIMULATOR", str(folder / "simulator"))
        session = sd.Session(ledger=folder / "l.sqlite3", outputs=folder / "o", queue_s=0, run_s=0, sleep=short)
        story = board(session, SHOTS[:2], None)
        story.generate(confirm=True)
    return story


def test_the_film_is_joined_from_the_shots_and_shown_as_a_player(filmed: Storyboard, tmp_path: Path) -> None:
    view = filmed.film(tmp_path / "film.mp4")
    assert view.text == f"Film {tmp_path / 'film.mp4'}: 2 shots, joined without loss"
    facts, fault = inspect(tmp_path / "film.mp4")
    assert facts is not None, fault
    assert facts.seconds == pytest.approx(8, abs=0.1)
    assert str(view.html).count("<video") == 1
    assert filmed.film(tmp_path / "film.mp4").text == view.text, "the same film again"


def test_only_an_earlier_film_of_the_shots_is_replaced(filmed: Storyboard, tmp_path: Path) -> None:
    with pytest.raises(sd.MediaError, match="has no folder"):
        filmed.film(tmp_path / "missing" / "film.mp4")
    for name, content in {"mine.mp4": b"mine", "film.txt": b"mine"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(sd.MediaError, match="nothing was written"):
            filmed.film(tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"mine"
    filmed.film(tmp_path / "film.mp4")
    edited = filmed.replace(1, prompt="It jumps")
    edited.generate(confirm=True)
    assert "2 shots" in edited.film(tmp_path / "film.mp4").text, "it has the first shot of the earlier film"
    (tmp_path / "film.mp4").write_bytes((tmp_path / "film.mp4").read_bytes() + b"changed by hand")
    with pytest.raises(sd.MediaError, match="no earlier film of these shots"):
        edited.film(tmp_path / "film.mp4")
    assert {one.name for one in tmp_path.iterdir() if one.is_file()} == {"film.mp4", "film.txt", "mine.mp4"}


def test_without_every_video_there_is_no_film(filmed: Storyboard) -> None:
    with pytest.raises(sd.SeedanceError, match=r"There is no film yet\. Shots without a video: 2\."):
        filmed.replace(1, prompt="Never made").film()


def test_a_shot_that_does_not_exist_is_not_replaced(filmed: Storyboard) -> None:
    for index in (2, -3):
        with pytest.raises(sd.InvalidInput, match=f"index: must be from 0 to 1, not {index}"):
            filmed.replace(index, prompt="x")
    assert filmed.replace(-1, prompt="x").shots[1]["prompt"] == "x"


def test_shots_that_are_no_shots_are_refused() -> None:
    for shots in ("A fox", [], ["A fox"], {"prompt": "A fox"}):
        with pytest.raises(sd.InvalidInput, match="must be a list of dicts"):
            sd.storyboard(shots, I2V)  # type: ignore[arg-type]
    with pytest.raises(sd.InvalidInput, match="is missing for shot 1"):
        sd.storyboard([{"prompt": "A fox"}])
    with pytest.raises(sd.InvalidInput, match="take"):
        sd.storyboard([{"prompt": "A fox", "take": 0}], T2V)


def test_a_shared_first_frame_begins_the_first_shot_and_the_second_continues_it() -> None:
    shots = [{"prompt": "A fox wakes"}, {"prompt": "It runs away"}]
    fox = "https://example.com/fox.png"
    board = sd.storyboard(shots, model="crun/seedance-2.0-i2v", first_frame=fox, seconds=4, simulate=True)
    first, second = (item.body["input"]["img_urls"] for item in board.items)
    assert first == [fox]
    assert "last-frame-of-shot-1" in second[0]


def test_the_button_says_what_cannot_be_sent_because_it_continues_a_shot_without_a_video(
    session: sd.Session, paying: Provider
) -> None:
    paying.on_status = ["failed"]
    board(session).generate(confirm=True)
    view: Any = board(session)._view()
    assert view._go.description == "Show 3 errors · no charge"
    assert "1 of 3 cost nothing: they have a task" in view._note.value
    assert "2 of 3 cannot be sent: what they continue has no video." in view._note.value
    alone = board(session, [*SHOTS, {"prompt": "Alone", "model": T2V, "chain": False}])._view()
    assert alone._go.description == "Generate 1 video · 12 credits"
    assert "2 of 4 cannot be sent" in alone._note.value


def test_a_shot_is_changed_by_replace_and_never_behind_its_table(session: sd.Session) -> None:
    story = board(session, [{"prompt": "A fox wakes"}])
    shot: Any = story.shots[0]
    with pytest.raises(TypeError, match="does not support item assignment"):
        shot["prompt"] = "It sleeps"
    assert story.replace(0, prompt="It sleeps").shots[0]["prompt"] == "It sleeps"
    assert story.shots[0]["prompt"] == "A fox wakes"
