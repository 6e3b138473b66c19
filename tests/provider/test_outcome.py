"""What an answer means for the money, for each provider's own envelope."""

from typing import Any

import pytest

from seedance_nb._document.load import spec
from seedance_nb._ledger.row import State
from seedance_nb._provider.outcome import Answer, classify
from seedance_nb._provider.status import TaskStatus, read_status

CRUN, PRO, VASTNUM = "crun/seedance-1.0-pro-t2v", "seedance2-pro/seedance-20-i2v", "vastnum/doubao-seedance-2.0"

OUTCOMES: list[tuple[str, int, Any, str, Any]] = [
    # document, HTTP status, body, outcome, code or id
    (CRUN, 200, {"code": 200, "message": "success", "data": {"task_id": "task_1"}}, "accepted", "task_1"),
    (CRUN, 200, {"code": 402, "message": "Insufficient Credits", "data": {"balance": 137.96}}, "NoCredits", 402),
    (CRUN, 402, {"code": 402, "message": "Insufficient Credits"}, "NoCredits", 402),
    (CRUN, 200, {"code": 422, "message": "Missing Params or Type Error", "errors": ["prompt: wrong"]}, "Refused", 422),
    (CRUN, 200, {"code": 429, "message": "Rate Limited"}, "RateLimited", 429),
    (CRUN, 200, {"code": 455, "message": "maintenance"}, "Unavailable", 455),
    (CRUN, 200, {"code": 505, "message": "disabled"}, "Refused", 505),
    (CRUN, 200, {"code": 403, "message": "API key disabled", "data": None}, "Unauthorized", 403),
    (CRUN, 200, {"code": 501, "message": "Generation failed"}, "unknown", None),
    (CRUN, 500, {"code": 500, "message": "oops"}, "unknown", None),
    (CRUN, 200, {"code": 200, "message": "success", "data": {}}, "unknown", None),
    (CRUN, 402, {"message": "Payment required"}, "unknown", None),
    (PRO, 200, {"taskId": "task_clxxxxxx"}, "accepted", "task_clxxxxxx"),
    (PRO, 402, {"message": "Insufficient credits", "required": 200, "available": 12}, "NoCredits", 402),
    (PRO, 400, {"message": "urls is required"}, "Refused", 400),
    (PRO, 401, {"message": "Unauthorized"}, "Unauthorized", 401),
    (PRO, 403, {"message": "API access is off"}, "Unauthorized", 403),
    (PRO, 404, {"message": "not found"}, "Refused", 404),
    (PRO, 429, {"message": "too many"}, "RateLimited", 429),
    (PRO, 500, {"message": "oops"}, "unknown", None),
    (PRO, 502, {"message": "bad gateway"}, "unknown", None),
    (PRO, 400, {"error": "another shape"}, "unknown", None),
    (PRO, 200, {}, "unknown", None),
    (PRO, 200, {"message": "ok"}, "unknown", None),
    (PRO, 200, {"taskId": 7}, "accepted", "7"),
    (PRO, 200, {"taskId": True}, "unknown", None),
    (PRO, 500, {"message": "oops", "taskId": "task_9"}, "unknown", "task_9"),
    (CRUN, 200, {"code": 501, "message": "failed", "data": {"task_id": "t1"}}, "unknown", "t1"),
    (VASTNUM, 200, {"code": "success", "data": {"task_id": "abc"}}, "accepted", "abc"),
    (VASTNUM, 403, {"error": {"message": "quota", "type": "new_api_error", "code": "insufficient_user_quota"}}, "NoCredits", "insufficient_user_quota"),
    (VASTNUM, 402, {"error": {"message": "quota"}}, "NoCredits", 402),
    (VASTNUM, 200, {"task_id": "task_1"}, "accepted", "task_1"),
    (VASTNUM, 200, {"id": "task_2", "object": "video", "status": "queued", "progress": 0}, "accepted", "task_2"),
    (VASTNUM, 200, {"code": "success", "task_id": "task_3"}, "accepted", "task_3"),
    (VASTNUM, 400, {"code": "invalid_request", "message": "prompt is required", "data": None}, "Refused", "invalid_request"),
    (VASTNUM, 401, {"error": {"message": "bad token", "type": "new_api_error", "code": ""}}, "Unauthorized", 401),
    (VASTNUM, 429, {"error": {"message": "slow down", "type": "new_api_error", "code": "x"}}, "RateLimited", 429),
    (VASTNUM, 500, {"code": "do_request_failed", "message": "upstream broke", "data": None}, "unknown", None),
    (VASTNUM, 400, {"code": "fail_to_fetch_task", "message": "upstream said no"}, "unknown", None),
    (VASTNUM, 400, {"code": "something_new", "message": "no"}, "unknown", None),
    (VASTNUM, 200, {"code": "success", "data": None}, "unknown", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "body", "outcome", "fact"), OUTCOMES)
def test_an_answer_to_the_paid_request_means(name: str, status: int, body: Any, outcome: str, fact: Any) -> None:
    sent = classify(spec(name), Answer(status=status, value=body))
    if outcome in ("accepted", "unknown"):
        assert (sent.outcome, sent.task_id or None, sent.error) == (outcome, fact, None)
    else:
        assert (sent.outcome, type(sent.error).__name__, getattr(sent.error, "code", None)) == (
            "refused",
            outcome,
            fact,
        )


def test_what_is_missing_on_the_account_is_part_of_the_message() -> None:
    pro = classify(spec(PRO), Answer(status=402, value={"message": "no", "required": 200, "available": 12}))
    assert "required: 200" in str(pro.error)
    assert "available: 12" in str(pro.error)
    crun = classify(spec(CRUN), Answer(status=200, value={"code": 402, "message": "no", "data": {"balance": 137.96}}))
    assert "balance: 137.96" in str(crun.error)


def seen(name: str, answer: Any) -> TaskStatus | None:
    document = spec(name)
    assert document.task is not None
    return read_status(document.task, answer, document.errors)


def relayed(status: str, **more: Any) -> dict[str, Any]:
    return {
        "code": "success",
        "message": "",
        "data": {"task_id": "t", "status": status, "fail_reason": "", "progress": "50%", **more},
    }


URL = "https://cdn.example.com/v.mp4"


@pytest.mark.parametrize("word", ["SUCCESS", "succeed", "succeeded", "success", "completed", "Completed"])
@pytest.mark.parametrize("name", [CRUN, PRO, VASTNUM])
def test_every_spelling_of_done_is_done(name: str, word: str) -> None:
    answers = {
        CRUN: {"code": 200, "data": {"status": word, "result": {"media_urls": [URL]}}},
        PRO: {"status": word, "output": [{"url": URL, "width": 1280, "height": 720}]},
        VASTNUM: relayed(word, data={"result": {"content": {"video_url": URL}, "status": "running"}}),
    }
    told = seen(name, answers[name])
    assert told is not None
    assert (told.state, told.word, told.outputs) == (State.DONE, word, (URL,))


@pytest.mark.parametrize(("word", "state"), [
    ("FAILURE", State.FAILED), ("fail", State.FAILED), ("failed", State.FAILED), ("NOT_START", State.QUEUED), ("SUBMITTED", State.QUEUED),
    ("QUEUED", State.QUEUED), ("pending", State.QUEUED), ("waiting", State.QUEUED), ("IN_PROGRESS", State.RUNNING), ("running", State.RUNNING),
    ("generating", State.RUNNING), ("UNKNOWN", State.OTHER), ("paused for tea", State.OTHER)])  # fmt: skip
@pytest.mark.parametrize("name", [CRUN, PRO, VASTNUM])
def test_every_other_word_has_its_state_and_an_unknown_one_is_shown_as_it_is(
    name: str, word: str, state: State
) -> None:
    answer = {CRUN: {"code": 200, "data": {"status": word}}, PRO: {"status": word}, VASTNUM: relayed(word)}[name]
    told = seen(name, answer)
    assert told is not None
    assert (told.state, told.word) == (state, word)


def test_a_fail_reason_that_is_the_videos_address_is_one_on_success_only() -> None:
    done, failed = (
        seen(VASTNUM, relayed("SUCCESS", fail_reason=URL)),
        seen(VASTNUM, relayed("FAILURE", fail_reason=URL)),
    )
    assert done is not None
    assert failed is not None
    assert (done.state, done.outputs, done.error) == (State.DONE, (URL,), "")
    assert (failed.state, failed.outputs, failed.error) == (State.FAILED, (), URL)


def test_the_deepest_cause_of_a_failure_is_reported() -> None:
    told = seen(VASTNUM, relayed("FAILURE", fail_reason="task failed", data={"error": {"message": "a real face"}}))
    assert told is not None
    assert told.error == "a real face"


def test_of_several_places_for_the_video_the_documented_one_counts() -> None:
    told = seen(
        VASTNUM, relayed("SUCCESS", result_url="https://b/2.mp4", data={"result": {"content": {"video_url": URL}}})
    )
    assert told is not None
    assert told.outputs == (URL,)


def test_a_success_whose_address_is_not_there_yet_is_looked_at_again() -> None:
    told = seen(VASTNUM, relayed("SUCCESS", data={"result": {"content": {"video_url": "video download URL"}}}))
    assert told is not None
    assert told.state is State.OTHER


@pytest.mark.parametrize(
    ("text", "percent"),
    [("100%", 100), ("7%", 7), ("33.5 %", 33.5), ("50", 50), ("999%", 100), ("soon", None), ("", None), (None, None)],
)
def test_a_percentage_is_read_where_it_is_one(text: Any, percent: float | None) -> None:
    told = seen(VASTNUM, relayed("IN_PROGRESS", progress=text))
    assert told is not None
    assert told.progress == percent


def test_tokens_and_credits_are_read_where_each_provider_says_them() -> None:
    pro = seen(PRO, {"status": "success", "creditsUsed": 200, "output": [{"url": URL}]})
    vastnum = seen(
        VASTNUM, relayed("SUCCESS", data={"result": {"content": {"video_url": URL}, "usage": {"total_tokens": 99111}}})
    )
    assert pro is not None
    assert vastnum is not None
    assert (pro.credits, vastnum.credits) == (200, 99111)


@pytest.mark.parametrize(
    "answer", [{"code": "success", "data": None}, {}, [], None, {"code": 455, "message": "maintenance"}]
)
def test_an_answer_without_a_state_says_nothing(answer: Any) -> None:
    assert seen(VASTNUM, answer) is None
    assert seen(CRUN, answer) is None


def test_cruns_code_for_a_failed_generation_ends_the_task_with_its_words() -> None:
    told = seen(CRUN, {"code": 501, "message": "Content generation task failed", "data": None})
    assert told is not None
    assert (told.state, told.word, told.error) == (State.FAILED, "501", "Content generation task failed")


def test_a_failed_fast_task_does_not_call_the_envelopes_success_its_reason() -> None:
    told = seen(CRUN, {"code": 200, "message": "success", "data": {"status": "failed", "result": None}})
    assert told is not None
    assert told.error == ""


def test_an_id_that_came_with_no_clear_yes_is_saved_and_shown() -> None:
    sent = classify(spec(CRUN), Answer(status=200, value={"code": 501, "message": "failed", "data": {"task_id": "t1"}}))
    assert "it returned the task id t1" in sent.why


def test_a_signed_address_in_a_providers_words_loses_its_query() -> None:
    said = {"code": 422, "message": "cannot read https://a.example.com/b.png?X-Amz-Signature=SECRET&x=1 today"}
    sent = classify(spec(CRUN), Answer(status=422, value=said))
    assert "SECRET" not in str(sent.error)
    assert "https://a.example.com/b.png?… today" in str(sent.error)


def test_a_done_without_an_address_says_so() -> None:
    told = seen(VASTNUM, relayed("SUCCESS", fail_reason="still moving it"))
    assert told is not None
    assert "reports SUCCESS but no video URL yet (still moving it)" in told.error
