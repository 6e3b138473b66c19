"""A finished video is found and saved whatever its headers, URL and response look like; nothing else is taken for it."""

import asyncio
import base64
import gzip
import itertools
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults import media_server as ms
from faults.keeping import Errand, errand
from faults.media_server import Exchange, MediaServer, Step
from support import media
from support.clips import provider_bytes

import seedance_nb as sd
from seedance_nb._base.secret import Secret
from seedance_nb._base.values import find_all
from seedance_nb._provider.status import result_urls
from seedance_nb._provider.transport import access_policy
from seedance_nb._task.display.video import video_of
from seedance_nb._task.files import read_extras
from seedance_nb._task.results import absolute_url, save_results
from seedance_nb._web.client import data_bytes, parse_url
from seedance_nb._web.download import Bounds, DownloadError, download

VIDEO = media.video(frames=96)
PICTURE = media.picture(64, 48)
KEY = "a-key-for-the-test"


@pytest.fixture
def server() -> Iterator[MediaServer]:
    made = MediaServer()
    yield made
    made.stop()


def with_headers(status: int = 200, data: Callable[[bytes], bytes] = bytes, **headers: Any) -> Step:
    """Sends the file with these headers, and no others; `{n}` in a header is its length, `{last}` the number of its last byte."""

    def step(x: Exchange) -> None:
        body = data(x.data)
        filled = {name: str(text).format(n=len(body), last=len(body) - 1) for name, text in headers.items()}
        x.head(status, **filled)
        x.send(body)

    return step


def whole_and_silent(x: Exchange) -> None:
    """The whole file under a length that is too long, and a connection that stays open."""
    x.head(200, Content_Length=len(x.data) + 9)
    x.send(x.data)
    x.wait()


def endless_chunk(x: Exchange) -> None:
    """One chunk with the whole file, and no end of the chunks."""
    x.head(200, Transfer_Encoding="chunked")
    x.send(f"{len(x.data):x}\r\n".encode() + x.data)


HEADERS: dict[str, Step] = {
    "aws-chunked": with_headers(Content_Encoding="aws-chunked", Content_Length="{n}"),
    "a character set as encoding": with_headers(Content_Encoding="UTF-8"),
    "two words that mean nothing": with_headers(Content_Encoding="none, binary", Content_Length="{n}"),
    "gzip in name only": with_headers(Content_Encoding="gzip", Content_Length="{n}"),
    "brotli in name only": with_headers(Content_Encoding="br"),
    "gzip": with_headers(data=gzip.compress, Content_Encoding="x-gzip", Content_Length="{n}"),
    "gzip that is not named": with_headers(data=gzip.compress, ETag='"z"', Content_Length="{n}"),
    "a page's type": with_headers(Content_Type="text/html", Content_Length="{n}"),
    "a picture's type": with_headers(Content_Type="image/png", Content_Length="{n}"),
    "an empty type": with_headers(Content_Type="", Content_Length="{n}"),
    "206, the whole file": with_headers(206, Content_Range="bytes 0-{last}/{n}", Content_Length="{n}"),
    "206 of unknown size": with_headers(206, Content_Range="bytes 0-{last}/*", Content_Length="{n}"),
    "206 without a range": with_headers(206, Content_Length="{n}"),
    "206 with an unreadable range": with_headers(206, Content_Range="0-{last}/{n}"),
    "206 with an end that is off by one": with_headers(206, Content_Range="bytes 0-{n}/{n}", Content_Length="{n}"),
    **{str(status): with_headers(status, Content_Length="{n}") for status in (201, 202, 203, 226)},
    "gzip of two members": with_headers(data=lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:])),
    "gzip with padding": with_headers(data=lambda data: gzip.compress(data) + bytes(9)),
    "no length": with_headers(),
    "a length that is too long": ms.too_long,
    "chunks without an end": endless_chunk,
    "silence behind the file": whole_and_silent,
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_the_bytes_decide_and_not_the_headers(name: str, server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v", VIDEO, HEADERS[name]))
    row = job.fetch()
    assert (provider_bytes(Path(row.file)), len(server.asked)) == (VIDEO, 1)
    assert "Content-Range" not in str(server.asked[0])


COMMENT = b"\n<!-- cached -->\n"


@pytest.mark.parametrize(
    ("before", "behind"), [(b"\xef\xbb\xbf", b""), (b"\r\n", b""), (b"", COMMENT), (b"\xef\xbb\xbf\n", COMMENT)]
)
def test_text_before_a_whole_video_is_removed_and_behind_it_stays(
    before: bytes, behind: bytes, server: MediaServer, tmp_path: Path
) -> None:
    row = errand(server, tmp_path, server.put("/v", before + VIDEO + behind)).fetch()
    assert (provider_bytes(Path(row.file)), len(server.asked)) == (VIDEO + behind, 1)


@pytest.mark.parametrize(("before", "behind"), [(b"\r\n", b""), (b"", COMMENT)])
def test_text_around_half_a_video_makes_no_whole_one_of_it(
    before: bytes, behind: bytes, server: MediaServer, tmp_path: Path
) -> None:
    job = errand(server, tmp_path, server.put("/v", before + VIDEO[: len(VIDEO) // 2] + behind))
    with pytest.raises(sd.MediaError, match="the download cannot be used"):
        job.fetch()
    assert list(tmp_path.rglob("2*")) == []


@pytest.mark.parametrize(("form", "name"), [("mpegts", "ts"), ("avi", "avi"), ("flv", "flv")])
def test_a_video_in_a_format_that_is_not_supported_is_saved_under_a_name_that_says_so(
    form: str, name: str, server: MediaServer, tmp_path: Path
) -> None:
    film = media.film(form, "libx264")
    job = errand(server, tmp_path, server.put("/v.mp4", film))
    with pytest.raises(sd.MediaError, match=f"it is {name}, which is not supported; it is saved as") as refused:
        job.fetch()
    (file,) = tmp_path.rglob(f"*-unsupported.{name}")
    assert file.read_bytes() == film
    assert refused.value.next_step == f"play or convert {file} with another program"
    assert len(server.asked) == 1


def test_a_client_that_believes_headers_loses_most_of_them(server: MediaServer) -> None:
    lost = 0
    for step in HEADERS.values():
        url = server.put("/v", VIDEO, step)
        try:
            answer = httpx.get(url, trust_env=False, headers={"Accept-Encoding": "identity"}, timeout=0.5)
        except httpx.HTTPError:
            lost += 1
            continue
        headers = answer.headers
        is_plain = headers.get("content-encoding", "identity") == "identity"
        is_video = headers.get("content-type", "video/mp4").startswith("video/")
        lost += not (answer.status_code == 200 and is_plain and is_video and answer.content == VIDEO)
    assert lost >= 12


@pytest.mark.parametrize("cut", random.Random(3).sample(range(1, len(VIDEO)), 3))
@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_half_a_body_under_a_length_that_is_wrong_is_not_the_file(
    cut: int, pack: Callable[[bytes], bytes], server: MediaServer, tmp_path: Path
) -> None:
    half = with_headers(data=lambda data: pack(data)[: min(cut, len(pack(data)) // 2)], Content_Length=9_999_999)
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, half), most=20_000_000)
    with pytest.raises(sd.MediaError, match="RemoteProtocolError"):
        job.fetch()
    assert job.files == []


@pytest.mark.parametrize("form", [" {}", "{}\n", "\t{}\r\n ", "\x01{}\x1f", "  {}\n\n"])
def test_spaces_and_line_breaks_around_a_url_do_not_count(form: str, server: MediaServer, tmp_path: Path) -> None:
    url = server.put("/v.mp4", VIDEO)
    assert provider_bytes(Path(errand(server, tmp_path, form.format(url)).fetch().file)) == VIDEO
    assert str(parse_url(form.format("https://a.test/v.\nm\tp4"))) == "https://a.test/v.mp4"
    with pytest.raises(httpx.InvalidURL):
        httpx.URL(form.format("https://a.test/v.\nm\tp4"))  # the control


PATHS = {
    "/v.mp4?s=1": "/v.mp4", "v.mp4": "/v.mp4", "files/v.mp4": "/files/v.mp4", "//{host}/v.mp4": "/v.mp4",
    "./v.mp4": "/v.mp4", "/a b.mp4": "/a%20b.mp4",
}  # fmt: skip


@pytest.mark.parametrize("written", PATHS)
def test_a_path_without_a_host_is_one_at_the_providers_origin(
    written: str, server: MediaServer, tmp_path: Path
) -> None:
    server.put(PATHS[written], VIDEO)
    row = errand(server, tmp_path, written.format(host=server.origin.partition("//")[2])).fetch()
    assert provider_bytes(Path(row.file)) == VIDEO


def test_a_host_without_a_scheme_is_requested_over_https() -> None:
    base = "https://api.test/v1"
    assert absolute_url("cdn.test/a/v.mp4", base) == "https://cdn.test/a/v.mp4"
    assert absolute_url("//cdn.test/v.mp4", base) == "https://cdn.test/v.mp4"
    for whole in ("https://a.test/x/../v.mp4?", "HTTP://a.test", "data:video/mp4;base64,AA/AA"):
        assert absolute_url(whole, base) == whole


def test_http_is_tried_over_https_and_what_happened_is_reported(server: MediaServer, tmp_path: Path) -> None:
    other = MediaServer()
    url = other.put("/v.mp4", VIDEO)
    job = errand(server, tmp_path, server.put("/moved", b"", ms.to(url)))
    with pytest.raises(sd.MediaError) as error:
        job.fetch()
    other.stop()
    assert "its URL does not use https, and over https 127.0.0.1 is not on the public internet" in str(error.value)
    assert other.connections == 0  # neither way leads inwards


def data_url(data: bytes, kind: str = "video/mp4", encode: Callable[[bytes], bytes] = base64.b64encode) -> str:
    return f"data:{kind};base64,{encode(data).decode()}"


DATA = {
    "base64": data_url(VIDEO), "url-safe": data_url(VIDEO, encode=base64.urlsafe_b64encode), "no padding": data_url(VIDEO).rstrip("="),
    "lines": data_url(VIDEO, encode=base64.encodebytes), "a wrong type": data_url(VIDEO, "application/octet-stream"),
    "with parameters": data_url(VIDEO, 'video/mp4;codecs="avc1"'),
    "percent": "data:video/mp4," + "".join(f"%{byte:02x}" for byte in VIDEO),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_a_video_in_the_response_itself_is_saved(name: str, server: MediaServer, tmp_path: Path) -> None:
    (url,) = result_urls({"video": DATA[name]}, ("/video",))
    row = errand(server, tmp_path, url).fetch()
    assert (provider_bytes(Path(row.file)), server.asked) == (VIDEO, [])


def test_a_damaged_data_url_is_an_error_with_words(server: MediaServer, tmp_path: Path) -> None:
    for url in ("data:video/mp4;base64,&&&&", "data:video/mp4", "data:video/mp4;base64,AAAA"):
        with pytest.raises(sd.MediaError, match="could not be downloaded"):
            errand(server, tmp_path / str(len(url)), url).fetch()
    assert data_bytes("data:video/mp4;base64,&&&&") == b""


A, B = "https://a.test/v.mp4", "https://a.test/w.mp4"
SHAPES: list[tuple[Any, str, tuple[str, ...]]] = [
    ({"output": [{"url": A}, {"url": B}]}, "/output/*/url", (A, B)),
    ({"output": [A, B]}, "/output/*/url", (A, B)),
    ({"output": A}, "/output/*/url", (A,)),
    ({"output": {"url": A}}, "/output/*/url", (A,)),
    ({"output": [[A], [[B]]]}, "/output/*", (A, B)),
    ({"output": json.dumps([{"url": A}])}, "/output/*/url", (A,)),
    ({"output": json.dumps({"url": A})}, "/output/*/url", (A,)),
    ({"output": json.dumps(json.dumps([A]))}, "/output/*", (A,)),
    (json.dumps({"output": [json.dumps({"url": A})]}), "/output/*/url", (A,)),
    ({"output": [{"video": {"url": A, "content_type": "video/mp4"}}]}, "/output/*", (A,)),
    ({"output": {"cover_url": A, "video_url": B}}, "/output", (B, A)),
    ({"output": [f" {A}\n", A, None, 7, "", "not a URL", "n/a", "failed: no video.", {"id": "x"}]}, "/output/*", (A,)),
    ({"output": ["/files/v.mp4", "v.webm", "//cdn.test/v"]}, "/output/*", ("/files/v.mp4", "v.webm", "//cdn.test/v")),
    ({"output": ["ftp://a.test/v.mp4", "javascript:alert(1)", "file:///etc/passwd", "data:text/html,<b>"]}, "/output/*", ()),
    ({"output": json.dumps(["https://a.test/\ud83e"])}, "/output/*", ()),
    ({"output": "[" * 100_000}, "/output/*", ()),
    ({"output": []}, "/output/*", ()),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "pointer", "urls"), SHAPES)
def test_results_of_every_shape_are_read(answer: Any, pointer: str, urls: tuple[str, ...]) -> None:
    assert result_urls(answer, ("/elsewhere", pointer)) == urls


def test_a_naive_reader_finds_only_what_is_documented() -> None:
    missed = [shape for shape in SHAPES if tuple(find_all(shape[0], shape[1])) != shape[2]]
    assert len(missed) >= 12


def test_deep_and_many_results_take_bounded_work() -> None:
    deep: Any = A
    for _ in range(500):
        deep = [deep]
    assert result_urls(deep, ("",)) == ()
    text = A
    for _ in range(8):
        text = json.dumps([text])
    assert result_urls(text, ("",)) == (A,)
    assert len(result_urls([f"{A}?{n}" for n in range(5000)], ("/*",))) == 1000


@pytest.mark.parametrize(
    ("form", "codec", "ending"), [("webm", "libvpx-vp9", ".webm"), ("mov", "libx264", ".mp4"), ("mp4", "libx264", ".mp4")]
)  # fmt: skip
def test_a_video_is_saved_under_the_suffix_of_its_container(
    form: str, codec: str, ending: str, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = media.film(form, codec, frames=96)
    job = errand(server, tmp_path, server.put("/v.mp4", film, with_headers(Content_Type="text/plain")))
    row = job.fetch()
    file = Path(row.file)
    assert (provider_bytes(file), file.suffix) == (film, ending)
    beside = [f"{file.name}.request.json"] if ending == ".webm" else []
    assert job.files == sorted([file.name, file.with_suffix(".jpg").name, *beside])
    monkeypatch.setenv("COLAB_GPU", "1")
    shown = video_of(row, "A model", {})._repr_mimebundle_()["text/html"]
    assert f"data:video/{'webm' if ending == '.webm' else 'mp4'};base64," in shown


class Waiting:
    """Counts the seconds that somebody wanted to sleep."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def patient(job: Errand, **row: Any) -> tuple[Errand, Waiting]:
    waiting = Waiting()
    changed = job.flow.ledger.update(job.row.seq, **row) if row else job.row
    place = replace(job.flow.endpoint, sleep=waiting.sleep)
    return replace(job, flow=replace(job.flow, endpoint=place), row=changed), waiting


@pytest.mark.parametrize("status", [404, 202, 204, 425])
def test_a_file_that_appears_a_little_later_is_saved(status: int, server: MediaServer, tmp_path: Path) -> None:
    late = [*[ms.status(status)] * 5, ms.whole]
    job, waiting = patient(errand(server, tmp_path, server.put("/v.mp4", VIDEO, *late)), finished=time.time())
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    assert 30 <= waiting.seconds <= 60


def test_a_file_that_never_appears_is_given_up_after_a_minute(server: MediaServer, tmp_path: Path) -> None:
    job, waiting = patient(errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.status(404))), finished=time.time())
    with pytest.raises(sd.MediaError, match="not worked since"):
        job.fetch()
    assert (waiting.seconds, len(server.asked)) == (60, 6)
    with pytest.raises(sd.MediaError, match="not worked since"):
        job.fetch()  # known to be dead: asked once more, not for another minute
    assert waiting.seconds <= 64


def test_a_file_that_was_there_long_ago_is_not_waited_for(server: MediaServer, tmp_path: Path) -> None:
    job, waiting = patient(
        errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.status(404))), finished=time.time() - 86_400
    )
    with pytest.raises(sd.MediaError, match="not worked since"):
        job.fetch()
    assert waiting.seconds <= 2


def locked(x: Exchange) -> None:
    """A file behind the provider's key."""
    (ms.whole if x.headers.get("x-api-key") == KEY else ms.status(403))(x)


def keyed(job: Errand) -> Errand:
    endpoint = replace(job.flow.endpoint, secret=Secret(KEY, "test"))
    return replace(job, flow=replace(job.flow, endpoint=endpoint))


def test_a_file_behind_the_providers_key_is_reported_and_no_key_sent(server: MediaServer, tmp_path: Path) -> None:
    job = keyed(errand(server, tmp_path, server.put("/v.mp4", VIDEO, locked)))
    with pytest.raises(sd.MediaError, match="crun may require the key for it") as error:
        job.fetch()
    assert "set SEEDANCE_KEY_FOR_RESULTS=1" in error.value.next_step
    assert not any("x-api-key" in headers for _, headers in server.asked)


def test_a_person_may_let_the_key_fetch_a_file_at_the_providers_own_origin(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDANCE_KEY_FOR_RESULTS", "1")
    job = keyed(errand(server, tmp_path, server.put("/v.mp4", VIDEO, locked)))
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    assert [headers.get("x-api-key") for _, headers in server.asked] == [None, KEY]


def test_the_key_goes_to_no_other_origin_and_over_no_redirect(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDANCE_KEY_FOR_RESULTS", "1")
    other = MediaServer()
    stolen = other.put("/v.mp4", VIDEO)

    def elsewhere(x: Exchange) -> None:
        (ms.to(stolen) if "x-api-key" in x.headers else ms.status(401))(x)

    job = keyed(errand(server, tmp_path, server.put("/v.mp4", VIDEO, elsewhere)))
    with pytest.raises(sd.MediaError, match="could not be downloaded"):
        job.fetch()
    assert (
        other.connections == 0
    )  # it is not public; the redirect is followed by the rules for results, without the key
    monkeypatch.setenv("SEEDANCE_ALLOW_HOSTS", "127.0.0.1")
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    assert not any("x-api-key" in headers for _, headers in other.asked)
    other.stop()


def test_a_redirect_from_a_result_behind_the_key_is_requested_over_https(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDANCE_KEY_FOR_RESULTS", "1")

    def elsewhere(x: Exchange) -> None:
        (ms.to("http://10.0.0.1/v.mp4") if "x-api-key" in x.headers else ms.status(401))(x)

    with pytest.raises(sd.MediaError, match=r"10\.0\.0\.1") as refused:
        keyed(errand(server, tmp_path, server.put("/v.mp4", VIDEO, elsewhere))).fetch()
    assert "does not use https" not in str(refused.value).replace("its URL does not use https, and over https", "")


@pytest.mark.parametrize("form", ["{host}", "{host}:{port}", "[{host}]:{port}", "other.test, {host}"])
def test_a_result_on_a_private_host_without_https_is_saved_once_the_setting_that_the_refusal_names_is_there(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    inside = MediaServer()
    job = keyed(errand(server, tmp_path, inside.put("/v.mp4", VIDEO)))
    with pytest.raises(sd.MediaError) as refused:
        job.fetch()
    named = re.search(r"set SEEDANCE_ALLOW_HOSTS=([0-9.]+[0-9])", str(refused.value))
    assert named
    assert inside.connections == 0
    monkeypatch.setenv("SEEDANCE_ALLOW_HOSTS", form.format(host=named[1], port=inside.port))
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    assert not any("x-api-key" in headers for _, headers in inside.asked)
    inside.stop()


def test_one_video_among_many_results_is_found_by_its_first_bytes(server: MediaServer, tmp_path: Path) -> None:
    dice = random.Random(4)
    kinds: list[tuple[bytes, Step]] = [
        (PICTURE, ms.whole),
        (b"<html>", ms.whole),
        (b"", ms.status(404)),
        (b"", ms.reset),
    ]
    urls = [server.put(f"/r{n}", *dice.choice(kinds)) for n in range(60)]
    urls[47] = server.put("/r47", VIDEO)
    asked: list[int] = []

    def counted(x: Exchange) -> None:
        asked.append(len(server.asked))
        ms.whole(x)

    server.plans["/r47"] = [counted]
    ticks = itertools.count()
    job, waiting = patient(errand(server, tmp_path, *urls, clock=lambda: next(ticks) * 8.0, total_s=1e6, least_rate=0))
    row = asyncio.run(saved(job))
    assert provider_bytes(Path(row.file)) == VIDEO
    assert (waiting.seconds <= 2, asked[1] - len(urls)) == (True, 1)  # the first whole download, after one look at each
    later = [one for one in read_extras(row.beside) if one.fault == "not downloaded yet"]
    assert len(later) > 40  # and no minutes for the rest


async def saved(job: Errand) -> Any:
    return await save_results(job.flow, job.row)


def test_trying_them_in_order_would_have_taken_minutes(server: MediaServer, tmp_path: Path) -> None:
    """The control: each result that does not arrive is tried four times, with pauses."""
    job = errand(server, tmp_path)
    policy = access_policy(job.flow.spec, job.flow.endpoint)

    async def naive() -> float:
        slept = 0.0
        for number, attempt in itertools.product(range(47), range(4)):
            slept += 2 * attempt
            with pytest.raises(DownloadError):
                await download(server.put(f"/r{number}", b"", ms.status(503)), tmp_path / "a", policy, Bounds())
        return slept

    assert asyncio.run(naive()) > 500
