"""Every file in a request is checked before it is sent: it is ok, fails a rule, or was not checked and why."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.shelf import Shelf, shelf

import seedance_nb as sd
from seedance_nb import SeedanceError, Spec, spec
from seedance_nb._media import preflight as preflight_module
from seedance_nb._media.inspect import probe
from seedance_nb._media.preflight import Report
from seedance_nb._web.addresses import BlockedURL, check_addresses


@pytest.fixture(scope="module")
def web() -> Iterator[Shelf]:
    with shelf() as made:
        made.put("/good.png", media.picture(640, 480))
        made.put("/small.png", media.picture(200, 200))
        made.put("/odd.jpg", media.picture(640, 480, "JPEG"), kind="text/html")
        made.put("/page.png", b"<!doctype html><html>Sign in", kind="image/png")
        made.put("/good.mp4", media.video(960, 540, 25, 75))
        made.put("/long.mp4", media.video(960, 540, 25, 250))
        made.put("/good.wav", media.wav(3))
        for name, status in {"shut": 403, "gone": 410, "busy": 429, "down": 503}.items():
            made.put(f"/{name}.png", b"", status)
        yield made


async def preflight(model: Spec, body: Any, origin: str = "", asset_state: Any = None, total_s: float = 8) -> Report:
    return (await preflight_module.preflight([(model, body, origin, asset_state)], total_s))[0]


def look(crun: Spec, web: Shelf | None = None, total_s: float = 8.0, **fields: Any) -> Report:
    lists = {
        name: [f"{web.origin}/{item}" if web and str(item).count("/") == 0 else item for item in items]
        for name, items in fields.items()
    }
    origin = web.origin if web else ""
    return asyncio.run(preflight(crun, {"model": "m", "input": lists}, origin=origin, total_s=total_s))


def outcomes(report: Report, path: str) -> dict[str, str]:
    return {finding.rule: finding.outcome for finding in report.findings if finding.path == path}


def test_good_files_are_reported_as_ok_for_every_rule(crun: Spec, web: Shelf) -> None:
    report = look(
        crun,
        web,
        reference_images=["good.png", "odd.jpg"],
        reference_videos=["good.mp4"],
        reference_audios=["good.wav"],
    )
    assert report.problems == ()
    assert [finding.message.partition(":")[0] for finding in report.unchecked] == ['"Resolution']
    assert set(outcomes(report, "/input/reference_images/1")) == {"formats", "ratio", "width", "height", "megabytes"}
    assert set(outcomes(report, "/input/reference_videos/0")) == {
        "formats", "seconds", "ratio", "width", "height", "pixels", "megabytes", "fps", "unclear",
    }  # fmt: skip
    assert outcomes(report, "/input/reference_videos") == {"total_seconds": "fits"}
    assert outcomes(report, "/input/reference_audios") == {"total_seconds": "fits"}
    assert "/input/reference_images/0: ok: is png, has the aspect ratio 1.3333 (640 x 480 px), is 640 px wide" in str(
        report
    )


def test_a_broken_limit_is_a_problem_at_its_entry_with_the_documents_sentence(crun: Spec, web: Shelf) -> None:
    report = look(crun, web, reference_images=["good.png", "small.png"])
    quote = '\n      From crun\'s docs: "Width and height: 300 to 6000 px"'
    assert [str(problem) for problem in report.problems] == [
        f"/input/reference_images/1: is 200 px wide; must be at least 300 px{quote}",
        f"/input/reference_images/1: is 200 px high; must be at least 300 px{quote}",
    ]
    assert report.unchecked == ()


def test_videos_that_fit_alone_can_be_too_long_together(crun: Spec, web: Shelf) -> None:
    report = look(crun, web, reference_videos=["long.mp4", "long.mp4"])
    (problem,) = report.problems
    assert (problem.path, problem.message) == (
        "/input/reference_videos",
        "last 20 s together; must be at most 15 s",
    )
    assert problem.quote == "total reference video duration must not exceed 15 seconds"


def test_a_file_in_two_entries_is_downloaded_once_and_reported_for_both(crun: Spec, web: Shelf) -> None:
    web.asked.clear()
    report = look(crun, web, reference_images=["small.png", "small.png"])
    assert len(web.asked) == 1
    assert {problem.path for problem in report.problems} == {"/input/reference_images/0", "/input/reference_images/1"}


UNCHECKED = {
    "busy.png": "127.0.0.1 answered HTTP 429",
    "down.png": "127.0.0.1 answered HTTP 503",
    "asset://asset-1": "it is an uploaded asset, which the provider checked when it was uploaded",
    "https://localhost./a.png?token=s3cr3t": "the host localhost. cannot be found",
    "http://example.com/a.png?token=s3cr3t": "its URL does not use https",
    "data:image/png;base64,AAAA": "it is Base64 data, not a URL",
    "nul/\0": "no such file, and not a URL",
    "long/" + "x" * 9000: "no such file, and not a URL",
}


@pytest.mark.parametrize("address", UNCHECKED, ids=lambda address: address[:30].replace("\0", "0"))
def test_what_cannot_be_read_is_unchecked_with_the_reason(address: str, crun: Spec, web: Shelf) -> None:
    report = look(crun, web, reference_images=[address])
    (finding,) = [finding for finding in report.findings if finding.rule == ""]
    assert (finding.outcome, finding.message) == ("unchecked", UNCHECKED[address])
    assert report.problems == ()
    assert "s3cr3t" not in repr(report.findings) + str(report)
    assert f"/input/reference_images/0: not checked: {UNCHECKED[address]}" in str(report)


@pytest.mark.parametrize(("name", "status"), [("shut", 403), ("none", 404), ("gone", 410)])
def test_an_address_that_gives_nothing_warns_what_it_may_cost_and_what_to_do(
    name: str, status: int, crun: Spec, web: Shelf
) -> None:
    (problem,) = look(crun, web, reference_images=[f"{name}.png"]).problems
    assert problem.warns, "the provider may be answered otherwise, so it is no refusal"
    assert problem.message == (
        f"127.0.0.1 answered HTTP {status}, so the provider most likely cannot fetch it; "
        "a task without it may fail and still be charged: use a URL that opens in a private browser window"
    )


def test_an_address_that_only_this_network_reaches_warns_that_the_provider_cannot_fetch_it(
    crun: Spec, web: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = look(crun, web, reference_images=["https://127.0.0.1/a.png?token=s3cr3t"])
    (problem,) = report.problems
    assert problem.warns
    assert problem.message == (
        "127.0.0.1 is not on the public internet, so the provider most likely cannot fetch it; "
        "if you trust it, set SEEDANCE_ALLOW_HOSTS=127.0.0.1"
    )
    assert "s3cr3t" not in str(report)

    async def fetched(*_: Any, **__: Any) -> tuple[None, str]:
        with pytest.raises(BlockedURL) as made_up:
            check_addresses("cdn.test", ["198.18.0.5"])
        return None, str(made_up.value)

    monkeypatch.setattr(preflight_module, "fetch_parts", fetched)
    assert look(crun, web, reference_images=["https://cdn.test/a.png"]).problems == (), "there may be a public one"


PAGE: dict[str, Any] = {"type": "object", "properties": {
    "prompt": {"type": "string"},
    "image_urls": {"type": "array", "items": {"type": "string"}, "description": "The file must show one person only. If `mode` is fast, at most 2 MB. Formats: png."},
    "audio_url": {"type": "string", "description": "The sound must be sung. Formats: wav, mp3."},
}}  # fmt: skip


@pytest.mark.parametrize("document", [PAGE, "crun/seedance-2.0-fast-r2v"], ids=["a page", "a packaged model"])
def test_each_sentence_that_no_check_tests_is_unchecked_for_each_file_it_binds(document: Any, web: Shelf) -> None:
    model = spec(document)
    paths = {rule.path for rule in model.unchecked}
    assert paths, "the page has such sentences"
    for path in paths:
        name, is_list = path.rpartition("/")[2], "audio_url" not in path
        files = [f"{web.origin}/good.png"] * 2 if is_list else f"{web.origin}/good.wav"
        body = {"input": {name: files}} if path.startswith("/input") else {name: files}
        report = asyncio.run(preflight(model, body, origin=web.origin))
        places = [f"{path}/0", f"{path}/1"] if is_list else [path]
        said = [(finding.path, finding.message) for finding in report.unchecked]
        for rule in (rule for rule in model.unchecked if rule.path == path):
            assert [at for at, message in said if f'"{rule.quote}"' in message] == places
        assert f" {len(report.unchecked)} unchecked" in str(report)
    assert asyncio.run(preflight(model, {"prompt": "x"})).unchecked == (), "a field without a file binds nothing"


@pytest.mark.parametrize(
    ("state", "outcome"), [("Active", "fits"), ("ACTIVE", "fits"), ("Processing", "breaks"), ("Failed", "breaks")]
)
def test_an_assets_state_is_compared_with_the_sentence_that_asks_for_it(state: str, outcome: str, crun: Spec) -> None:
    asked = []

    async def look_up(asset_id: str) -> str:
        asked.append(asset_id)
        return state

    body = {"input": {"reference_images": ["asset://a-1", "asset://a-1"], "reference_audios": ["asset://a-2"]}}
    report = asyncio.run(preflight(crun, body, asset_state=look_up))
    found = [finding for finding in report.findings if finding.rule == "asset"]
    assert sorted(asked) == ["a-1", "a-2"], "each once"
    assert [finding.outcome for finding in found] == [outcome] * 3
    assert {finding.quote.rpartition(" ")[2] for finding in found} == {"Active"}
    assert [problem.warns for problem in report.problems] == [False] * (3 if outcome == "breaks" else 0)


def test_an_asset_without_such_a_sentence_only_warns_and_one_without_an_answer_is_unchecked(crun: Spec) -> None:
    async def processing(_: str) -> str:
        return "Processing"

    async def lost(_: str) -> str:
        raise SeedanceError("No answer.")

    fields = {"img_urls": {"type": "array", "items": {"type": "string"}, "x-media": {"kind": "image"}}}
    bare = replace(crun, schema={"type": "object", "properties": fields})
    (problem,) = asyncio.run(preflight(bare, {"img_urls": ["asset://a"]}, asset_state=processing)).problems
    assert (problem.message, problem.warns) == ("is Processing; must be Active", True)
    report = asyncio.run(preflight(crun, {"input": {"reference_images": ["asset://a"]}}, asset_state=lost))
    assert report.problems == ()
    assert "its status is unknown (No answer)" in report.unchecked[0].message


NO_FILES = [
    "/no/such.png",
    "no-such.png",
    "~/no.png",
    "file:///no/such.png",
    "file://server/a.png",
    "//server/a.png",
    "file:///etc",
]


@pytest.mark.parametrize("path", NO_FILES)
def test_a_path_without_a_file_is_an_error(path: str, crun: Spec) -> None:
    report = look(crun, None, reference_images=[path])
    said = ("no such file, and not a URL", False)
    assert [(problem.message, problem.warns) for problem in report.problems] == [said]
    assert report.unchecked == ()


def test_a_size_is_judged_even_where_nothing_else_can_be(crun: Spec, web: Shelf) -> None:
    web.put("/heavy.mp4", media.longer(media.video(), 60_000_000), "whole")
    report = look(crun, web, reference_videos=["heavy.mp4"])
    assert [finding.outcome for finding in report.findings] == [
        "unchecked", "breaks", "unchecked", "unchecked",
    ]  # fmt: skip
    assert report.problems[0].message.endswith("; must be at most 50 MB")


def test_an_unreadable_video_leaves_the_total_open(crun: Spec, web: Shelf) -> None:
    report = look(crun, web, reference_videos=["good.mp4", "asset://asset-1"])
    assert outcomes(report, "/input/reference_videos") == {"total_seconds": "unchecked"}
    assert "the duration of 1 of 2 files is unknown" in str(report)


@pytest.mark.parametrize("many", [False, True])
def test_a_field_of_a_file_takes_its_path_and_the_file_is_checked_by_what_the_page_says(
    many: bool, tmp_path: Path
) -> None:
    one: dict[str, Any] = {"type": "string", "format": "binary"}
    words = "PNG or JPEG, at least 300 px wide. GIF and BMP are not supported."
    for field in ({"type": "array", "items": one} if many else one, {"type": "string"}):
        content = {"multipart/form-data": {"schema": {"properties": {"image": field | {"description": words}}}}}
        body = {"requestBody": {"content": content}, "responses": {}}
        model = spec({"openapi": "3.1.0", "info": {}, "paths": {"/a": {"post": body}}})
        for form, width, problems in (("PNG", 400, 0), ("PNG", 200, 1), ("GIF", 400, 1)):
            path = tmp_path / f"a.{form.lower()}"
            path.write_bytes(media.picture(width, 640, form))
            value: Any = [str(path)] if field.get("type") == "array" else str(path)
            refused = sd.check(model, image=value)
            if "items" not in field and "format" not in field:
                assert [problem.message.split(",")[0] for problem in refused] == ["looks like a local file"], "control"
                continue
            report = sd.preflight(model, image=value)
            assert not refused
            assert len(report.problems) == problems
            assert "this computer" not in str(report)


@pytest.mark.parametrize("given", ["text", "url", "path", "relative", "home"])
def test_a_local_file_is_checked_in_place_and_reported_as_local(given: str, crun: Spec, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = (home if given == "home" else tmp_path) / "a picture.png"
    path.write_bytes(media.picture(200, 640))
    value = {"text": str(path), "url": path.as_uri(), "path": path, "relative": path.name, "home": f"~/{path.name}"}
    report = look(crun, None, reference_images=[value[given]])
    assert [problem.message for problem in report.problems] == [
        "has the aspect ratio 0.3125 (200 x 640 px); must be more than 0.4",
        "is 200 px wide; must be at least 300 px",
    ]
    (said,) = report.unchecked
    assert said.message == "is a file on this computer: it was checked here, but the provider cannot reach it"
    assert said.quote == "Input method: public URL or active uploaded AssetId only"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_never_opened(crun: Spec, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    report = look(crun, None, reference_images=[str(tmp_path / "pipe.png")])
    assert report.problems[0].message == "no such file, and not a URL"


def test_a_slow_server_costs_no_more_than_the_time_and_leaves_the_others_their_answer(crun: Spec, web: Shelf) -> None:
    web.put("/slow.png", media.picture(640, 480), "drip")
    before = time.monotonic()
    report = look(crun, web, 1.0, reference_images=["slow.png", "small.png"])
    assert time.monotonic() - before < 3
    assert "did not send it within" in report.unchecked[0].message
    assert len(report.problems) == 2


def test_when_no_time_is_left_the_report_says_so(crun: Spec, web: Shelf) -> None:
    report = look(crun, web, 0.0, reference_images=["good.png"])
    assert report.unchecked[0].message == "there was no time left to check it (0 s for all files)"


def test_no_more_than_four_files_are_checked_at_once(crun: Spec, web: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most = [0], [0]

    def counted(*given: Any) -> Any:
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            return probe(*given)
        finally:
            running[0] -= 1

    monkeypatch.setattr(preflight_module, "probe", counted)
    for number in range(9):
        web.put(f"/{number}.png", media.picture(640, 480))
    report = look(crun, web, reference_images=[f"{number}.png" for number in range(9)])
    assert report.unchecked == ()
    assert 1 < most[0] <= 4


def test_nothing_stays_on_disk(crun: Spec, web: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert look(crun, web, reference_images=["good.png"]).problems == ()
    assert list((tmp_path / "temporary").iterdir()) == []


DOCUMENT = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://api.example.com"}],
    "paths": {
        "/make": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "metadata": {
                                        "type": "object",
                                        "properties": {
                                            "first_frame": {
                                                "type": "string",
                                                "x-media": {
                                                    "kind": "image",
                                                    "formats": {"any": ["png"], "quote": "PNG only"},
                                                },
                                                "x-upstream": {
                                                    "source": "the maker's own page",
                                                    "x-media": {"width": {"from": 700, "quote": "700 px and more"}},
                                                },
                                            },
                                            "clip": {
                                                "type": "string",
                                                "x-upstream": {
                                                    "source": "the maker's own page",
                                                    "x-media": {"seconds": {"to": 2, "quote": "up to 2 s"}},
                                                },
                                            },
                                        },
                                    },
                                    "content": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {
                                                "url": {
                                                    "type": "string",
                                                    "x-media": {
                                                        "kind": "image",
                                                        "width": {"from": 300, "quote": "from 300 px"},
                                                    },
                                                }
                                            },
                                        },
                                    },
                                },
                            }
                        }
                    }
                }
            }
        }
    },
}


def test_media_are_found_anywhere_in_a_body_and_limits_from_other_sources_warn(web: Shelf) -> None:
    body = {
        "metadata": {"first_frame": f"{web.origin}/odd.jpg", "clip": f"{web.origin}/good.mp4"},
        "content": [{"url": f"{web.origin}/good.png"}, {"url": f"{web.origin}/small.png"}, {}, 7],
    }
    report = asyncio.run(preflight(spec(json.dumps(DOCUMENT)), body, origin=web.origin))
    assert [(problem.path, problem.warns, problem.source) for problem in report.problems] == [
        ("/metadata/first_frame", False, ""),
        ("/content/1/url", False, ""),
        ("/metadata/first_frame", True, "the maker's own page"),
        ("/metadata/clip", True, "the maker's own page"),
    ]
    assert report.problems[-1].message == "lasts 3 s; must be at most 2 s"
    assert report.unchecked == ()


@pytest.mark.parametrize(
    "body", [None, 7, "text", [], {}, {"input": None}, {"input": {"reference_images": [None, 7, "", {}]}}]
)
def test_a_body_without_media_is_no_trouble(body: Any, crun: Spec) -> None:
    report = asyncio.run(preflight(crun, body))
    assert report.findings == ()
    assert str(report) == repr(report) == "media: no files to check"


def test_a_report_has_no_truth_of_its_own() -> None:
    assert not hasattr(Report, "__bool__")
    assert not hasattr(Report, "__len__")


def test_a_cancelled_preflight_ends(crun: Spec, web: Shelf) -> None:
    web.put("/slow.png", media.picture(640, 480), "drip")

    async def cancelled() -> None:
        body = {"input": {"reference_images": [f"{web.origin}/slow.png"]}}
        task = asyncio.create_task(preflight(crun, body, origin=web.origin))
        while not web.ranges("/slow.png"):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    web.asked.clear()
    asyncio.run(cancelled())


def test_a_page_where_a_picture_should_be_is_doubted_and_nothing_of_it_fits(crun: Spec, web: Shelf) -> None:
    report = look(crun, web, reference_images=["page.png"])
    assert [(f.outcome, bool(f.source), f.message) for f in report.findings] == [
        ("breaks", True, "is an HTML page, not an image, video or audio file")]  # fmt: skip
    assert "what this computer sees" in report.problems[0].source


def test_the_files_of_a_page_without_a_task_table_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(media.picture(640, 480))
    image = {"type": "string", "description": "The first frame. JPEG only, at most 10 MB."}
    page = {"type": "object", "properties": {"prompt": {"type": "string"}, "image": image}}
    report = sd.preflight(page, prompt="A fox", image=str(tmp_path / "a.png"))
    assert [problem.path for problem in report.problems] == ["/image"]
    assert "JPEG" in str(report)
