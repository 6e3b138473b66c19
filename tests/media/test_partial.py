"""Only a few bytes of a public file are downloaded, no URL leads to a private network, and no server can delay the check."""

import asyncio
import random
import socket
import struct
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.shelf import Shelf, shelf
from support.tricks import HOSTS, NAMES, naive, system
from support.tunnel import Authority

from seedance_nb._media.inspect import probe
from seedance_nb._media.partial import PartialFile, fetch_parts, next_range
from seedance_nb._media.sniff import MediaFacts
from seedance_nb._web import addresses
from seedance_nb._web.addresses import is_public, lookup

SECRET = "?X-Signature=s3cr3t"


@pytest.fixture(scope="module")
def web() -> Iterator[Shelf]:
    with shelf() as made:
        yield made


def fetch(url: str, into: Path, kind: str = "video", origin: str = "", **more: Any) -> tuple[PartialFile | None, str]:
    got = asyncio.run(fetch_parts(url + SECRET, into, kind=kind, allowed_origin=origin, **more))
    assert "s3cr3t" not in got[1]
    return got


def taken(web: Shelf, path: str, into: Path, kind: str = "video") -> tuple[PartialFile, MediaFacts | None]:
    """What was fetched without a fault, and what the probe makes of it."""
    got, why = fetch(web.origin + path, into, kind, web.origin)
    assert got, why
    assert not why
    return got, probe(into, got.size)[0]


@pytest.mark.parametrize(("form", "kind"), [("PNG", "image"), ("JPEG", "image"), ("GIF", "image"), ("BMP", "image")])
def test_the_front_of_a_picture_is_enough(form: str, kind: str, web: Shelf, tmp_path: Path) -> None:
    data = media.picture(900, 700, form)
    web.put("/front", data + bytes(3_000_000))
    got, facts = taken(web, "/front", tmp_path / "a", kind)
    assert (got.size, got.count, got.requests) == (len(data) + 3_000_000, 131_072, 1)
    assert facts
    assert (facts.width, facts.height, facts.size) == (900, 700, got.size)


def test_a_photo_with_much_before_its_size_is_read_on(web: Shelf, tmp_path: Path) -> None:
    plain = media.picture(900, 700, "JPEG")
    note = b"\xff\xe2" + struct.pack(">H", 65_002) + bytes(65_000)
    web.put("/noted", plain[:2] + note * 5 + plain[2:] + bytes(5_000_000))
    got, facts = taken(web, "/noted", tmp_path / "a", "image")
    assert facts
    assert facts.width == 900
    assert got.count < 700_000


def test_more_than_a_megabyte_before_a_size_is_given_up(web: Shelf, tmp_path: Path) -> None:
    plain = media.picture(900, 700, "JPEG")
    note = b"\xff\xe2" + struct.pack(">H", 65_002) + bytes(65_000)
    url = web.put("/noted-much", plain[:2] + note * 40 + plain[2:])
    got, why = fetch(url, tmp_path / "a", "image", web.origin)
    assert got
    assert why.startswith("its header was not found in ")
    assert got.count <= 131_072 + 1024**2
    assert got.requests <= 6


def test_a_tiff_with_its_table_at_the_end_is_found_there(web: Shelf, tmp_path: Path) -> None:
    plain = media.picture(900, 700, "TIFF")
    table = int.from_bytes(plain[4:8], "little")
    assert table == 8  # in front, as Pillow writes it; moved behind four million bytes here, with what it points to
    count = int.from_bytes(plain[8:10], "little")
    end = 4_000_000
    entries = [plain[10 + 12 * number : 22 + 12 * number] for number in range(count)]
    moved = []
    extra = b""
    for entry in entries:
        tag, form, number, value = struct.unpack("<HHII", entry)
        size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}.get(form, 1) * number
        if size > 4:
            place = end + 2 + 12 * count + 4 + len(extra)
            extra += plain[value : value + size]
            value = place
        moved.append(struct.pack("<HHII", tag, form, number, value))
    data = plain[:4] + struct.pack("<I", end) + bytes(end - 8)
    data += struct.pack("<H", count) + b"".join(moved) + bytes(4) + extra
    web.put("/tiff", data)
    got, facts = taken(web, "/tiff", tmp_path / "a", "image")
    assert facts
    assert (facts.format, facts.width, facts.height) == ("tiff", 900, 700)
    assert got.count < 300_000


def test_the_index_at_the_end_of_twenty_megabytes_is_found_in_two_requests(web: Shelf, tmp_path: Path) -> None:
    data = media.longer(media.video(320, 240, fps=25, frames=50), 20_000_000)
    web.put("/end", data)
    got, facts = taken(web, "/end", tmp_path / "a")
    assert facts == MediaFacts(
        kind="video", format="mp4", size=len(data), width=320, height=240, seconds=2.0, fps=25.0, codec="mpeg4"
    )
    assert got.requests == 2
    assert got.count < 140_000
    assert (tmp_path / "a").stat().st_size == len(data)
    assert web.ranges("/end")[0] == "bytes=0-131071"


def test_an_index_in_front_needs_one_request(web: Shelf, tmp_path: Path) -> None:
    web.put("/start", media.video(frames=50, movflags="faststart") + media.box(b"free", bytes(9_000_000)))
    got, facts = taken(web, "/start", tmp_path / "a")
    assert (got.requests, got.count) == (1, 131_072)
    assert facts
    assert facts.seconds


def test_an_index_longer_than_one_slice_is_fetched_whole(web: Shelf, tmp_path: Path) -> None:
    plain = media.longer(media.video(320, 240, fps=25, frames=50), 1_000_000)
    *_, (_, start, _) = media.outer(plain)
    index = media.box(b"moov", plain[start + 8 :] + media.box(b"free", bytes(300_000)))
    web.put("/index", plain[:start] + index)
    got, facts = taken(web, "/index", tmp_path / "a")
    assert facts
    assert facts.seconds == 2.0
    assert got.requests == 3


@pytest.mark.parametrize("how", ["ranges", "short"])
def test_audio_is_recognised_by_its_beginning(how: str, web: Shelf, tmp_path: Path) -> None:
    web.put("/wav", media.wav(20, 44_100), how)
    got, facts = taken(web, "/wav", tmp_path / "a", "audio")
    assert facts
    assert facts.seconds == 20
    assert got.count <= 131_072


def test_a_cover_picture_before_a_sound_is_stepped_over(web: Shelf, tmp_path: Path) -> None:
    tune = media.sound("libmp3lame", "mp3", 6.0, id3v2_version="0")
    size = 1_500_000
    tag = b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + bytes(size)
    web.put("/cover", tag + tune)
    got, facts = taken(web, "/cover", tmp_path / "a", "audio")
    assert facts
    assert facts.seconds == pytest.approx(6.0, abs=0.1)
    assert got.count < 200_000


@pytest.mark.parametrize("how", ["whole", "unsized"])
def test_a_server_without_ranges_gives_the_front_and_is_left(how: str, web: Shelf, tmp_path: Path) -> None:
    data = media.picture(900, 700) + bytes(30_000_000)
    web.put("/plain", data, how)
    got, facts = taken(web, "/plain", tmp_path / "a", "image")
    assert got.size == (len(data) if how == "whole" else None)
    assert got.count < 300_000
    assert facts
    assert facts.width == 900


@pytest.mark.parametrize("how", ["whole", "unsized"])
def test_a_small_file_without_ranges_is_read_whole(how: str, web: Shelf, tmp_path: Path) -> None:
    data = media.video()
    web.put("/small", data, how)
    got, facts = taken(web, "/small", tmp_path / "a")
    assert (got.size, got.count, got.requests) == (len(data), len(data), 1)
    assert facts


def test_without_ranges_an_index_behind_four_megabytes_is_not_looked_for(web: Shelf, tmp_path: Path) -> None:
    data = media.longer(media.video(), 6_000_000)
    got, why = fetch(web.put("/far", data, "whole"), tmp_path / "a", origin=web.origin)
    assert got
    assert got.size == len(data)
    assert got.count <= 4 * 1024**2
    assert why == "127.0.0.1 cannot send parts of files, and its header is not in the first 4.2 MB"
    near = media.longer(media.video(), 2_000_000)
    web.put("/near", near, "whole")
    assert taken(web, "/near", tmp_path / "a")[1]


def test_an_answer_without_end_is_left(web: Shelf, tmp_path: Path) -> None:
    head = media.box(b"ftyp", b"isom" + bytes(4)) + struct.pack(">I", 2_000_000_000) + b"mdat"
    got, why = fetch(web.put("/endless", head + bytes(60_000), "endless"), tmp_path / "a", origin=web.origin)
    assert got
    assert got.size is None
    assert got.count <= 4 * 1024**2
    assert "cannot send parts" in why


def test_a_file_of_ten_terabytes_by_its_server_is_not_written_that_long(web: Shelf, tmp_path: Path) -> None:
    url = web.put(
        "/huge", media.box(b"ftyp", b"isom" + bytes(4)) + struct.pack(">IIQ", 1, 0x6D646174, 9 * 10**12), "huge"
    )
    got, why = fetch(url, tmp_path / "a", origin=web.origin)
    assert got
    assert got.size == 10 * 10**12
    assert why == "it is too large (10,000,000 MB) to look for its header"
    assert (tmp_path / "a").stat().st_size < 200_000


def test_dripping_ends_with_the_time(web: Shelf, tmp_path: Path) -> None:
    url = web.put("/drip", media.video(), "drip")
    got, why = fetch(url, tmp_path / "a", origin=web.origin, total=0.3)
    assert why == "127.0.0.1 did not send it within 0.3 s"
    assert got
    assert 0 < got.count < 100


FAULTS = {
    "gzip": "127.0.0.1 sent it compressed, though that was not requested",
    "cut": "the response from 127.0.0.1 was incomplete or invalid (RemoteProtocolError)",
    "shifted": "127.0.0.1 sent another part of it than the one requested",
    "growing": "127.0.0.1 reported two different sizes for it",
    404: "127.0.0.1 answered HTTP 404",
    403: "127.0.0.1 answered HTTP 403",
    204: "127.0.0.1 answered HTTP 204",
    500: "127.0.0.1 answered HTTP 500",
    "/loop": "127.0.0.1 redirects too many times",
    "http://127.0.0.1:1/": "its URL does not use https",
    "https://[fe80::1%25eth0]/": "cannot be found",
    "https://[": "",
}


@pytest.mark.parametrize("how", FAULTS, ids=str)
def test_a_faulty_answer_ends_in_words(how: Any, web: Shelf, tmp_path: Path) -> None:
    web.put("/loop", b"", "/loop")
    url = web.put("/faulty", media.longer(media.video(), 1_000_000), how)
    got, why = fetch(url, tmp_path / "a", origin=web.origin)
    assert FAULTS[how] in why
    assert why
    assert got is None or how in ("cut", "growing")


def test_three_redirects_are_followed_and_a_fourth_is_not(web: Shelf, tmp_path: Path) -> None:
    web.put("/hop0", media.picture(640, 480))
    for number in range(1, 5):
        web.put(f"/hop{number}", b"", f"/hop{number - 1}")
    assert taken(web, "/hop3", tmp_path / "a", "image")[1]
    assert fetch(f"{web.origin}/hop4", tmp_path / "b", "image", web.origin) == (
        None,
        "127.0.0.1 redirects too many times",
    )


def test_a_long_length_that_is_cut_by_the_end_of_a_part_is_read_whole() -> None:
    file = PartialFile()
    file.add(0, media.box(b"ftyp", b"isom" + bytes(4)) + struct.pack(">I", 1) + b"mdat")
    assert next_range(file) == (24, 24 + 131_072)
    file.add(24, struct.pack(">Q", 5_000_000) + bytes(8))
    file.size = 6_000_000
    assert next_range(file) == (5_000_016, 5_000_016 + 131_072)
    file.size = 5_000_016
    assert next_range(file) is None


def test_no_bytes_upset_the_search_for_the_next_ones() -> None:
    chance = random.Random(7)
    seeds = [media.video(), media.picture(form="JPEG"), media.picture(), media.picture(form="TIFF"), media.wav(0.1),
             media.heic(640, 480), b"ID3\4" + bytes(90)]  # fmt: skip
    for _ in range(3_000):
        data = bytearray(chance.choice(seeds)[:4_000])
        for _ in range(chance.randrange(1, 9)):
            place = chance.randrange(len(data))
            data[place : place + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", chance.randbytes(4)))
        arrived = bytes(data[: chance.randrange(1, len(data))])
        size = chance.choice((None, len(data), 10**15))
        file = PartialFile(size)
        file.add(0, arrived)
        need = next_range(file)
        assert need is None or 0 <= need[0] < need[1] <= (size or 2**65)
        assert need is None or not file.read(need[0], 1)


def test_an_empty_file_is_reported(web: Shelf, tmp_path: Path) -> None:
    assert fetch(web.put("/empty", b""), tmp_path / "a", origin=web.origin) == (
        None,
        "it is empty, or its server cannot send parts of files",
    )


def test_a_missing_server_is_reported(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert fetch(f"{origin}/a", tmp_path / "a", origin=origin) == (None, "could not connect to 127.0.0.1")


def test_a_redirect_within_the_allowed_origin_is_followed_without_cookies_keys_or_proxy(
    web: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("CRUN_API_KEY", "k")
    web.put("/there", media.longer(media.video(), 1_000_000))
    web.put("/moved", b"", "/there?X-Signature=s3cr3t")
    web.asked.clear()
    got, why = fetch(f"{web.origin}/moved", tmp_path / "a", origin=web.origin)
    assert (got is not None, why) == (True, "")
    assert len(web.asked) == 3
    for _, headers in web.asked:
        assert set(headers) == {"host", "accept", "accept-encoding", "user-agent", "range", "connection"}
        assert headers["accept-encoding"] == "identity"


def test_what_goes_wrong_inside_is_no_exception_but_cancelling_is(web: Shelf, tmp_path: Path) -> None:
    async def broken(_host: str, _port: int) -> list[str]:
        raise RuntimeError("at " + SECRET)

    got, why = fetch("https://media.test/a", tmp_path / "a", resolve=broken)
    assert (got, why) == (None, "the response from media.test was incomplete or invalid (RuntimeError)")

    async def cancelled() -> None:
        url = web.put("/drip", media.video(), "drip")
        task = asyncio.create_task(fetch_parts(url, tmp_path / "a", kind="video", allowed_origin=web.origin))
        while not web.ranges("/drip"):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    web.asked.clear()
    asyncio.run(cancelled())


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_no_way_of_writing_an_address_leads_to_this_computer(scheme: str, tmp_path: Path) -> None:
    assert len(HOSTS) >= 27
    with shelf() as inside:
        for host in HOSTS:
            url = f"{scheme}://{host}:{inside.port}/secret"
            got, why = asyncio.run(fetch_parts(url, tmp_path / "a", kind="image", resolve=system, total=2))
            assert (got, bool(why)) == (None, True), host
        assert inside.connections == 0
        for host in HOSTS:
            asyncio.run(naive(host, inside.port))
        assert inside.connections >= 12  # the control: most of them do lead here
        assert inside.asked == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_redirect_leads_to_this_computer(host: str, web: Shelf, tmp_path: Path) -> None:
    with shelf() as inside:
        web.put("/away", b"", f"https://{host}:{inside.port}/secret".encode("ascii", "replace").decode())
        got, why = fetch(f"{web.origin}/away", tmp_path / "a", origin=web.origin, resolve=system)
        assert (got, bool(why)) == (None, True)
        assert inside.connections == 0


def test_a_redirect_to_the_same_host_on_another_port_is_refused_and_a_naive_client_follows_it(
    web: Shelf, tmp_path: Path
) -> None:
    with shelf() as inside:
        url = web.put("/aside", b"", inside.put("/secret", b"x"))
        assert fetch(url, tmp_path / "a", origin=web.origin) == (None, "its URL does not use https")
        assert inside.connections == 0
        request = urllib.request.Request(url, headers={"Range": "bytes=0-9"})
        with urllib.request.urlopen(request) as answer:
            assert answer.read() == b"x"
        assert inside.connections == 1


def test_a_name_is_looked_up_once_and_the_address_that_was_checked_is_the_one_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    reached: list[Any] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34" if len(asked) == 1 else "127.0.0.1"]

    refuse = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> Any:
        reached.append(address[0])
        return refuse(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    got, why = fetch("https://media.test/a.png", tmp_path / "a", "image", resolve=rebinding)
    assert (got, why) == (None, "could not connect to media.test")
    assert asked == ["media.test"]
    assert reached == ["93.184.216.34"]


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"]
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address", [*sorted(set(NAMES.values())), "198.18.0.1", "240.0.0.1", "::", "2001:db8::1", "no", ""]
)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_public(address)


def test_the_system_resolver_gives_the_addresses_of_a_host() -> None:
    assert asyncio.run(lookup("127.0.0.1", 80)) == ["127.0.0.1"]


def at(address: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(_host: str, _port: int) -> list[str]:
        return [address]

    return resolve


def test_a_certificate_is_checked_for_the_host_name_and_not_the_ip_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    server = authority.context("media.test")
    said: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: said.append(name)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with shelf(server) as web:
        web.put("/a.png", media.picture(900, 700))
        url = f"https://media.test:{web.port}/a.png"
        got, why = fetch(url, tmp_path / "a", "image", resolve=at("127.0.0.1"))
        assert (bool(got), why) == (True, "")
        assert said == ["media.test"]
        assert web.asked[0][1]["host"] == f"media.test:{web.port}"
        for other in (f"https://other.test:{web.port}/a.png", f"https://127.0.0.1:{web.port}/a.png"):
            got, why = fetch(other, tmp_path / "a", "image", resolve=at("127.0.0.1"))
            assert got is None
            assert why.startswith("the certificate of ")
        assert len(web.asked) == 1
