"""A clip knows its request: in one box behind the provider's bytes, which stay as they are, or in a file beside it."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from support import media
from support.clips import provider_bytes

import seedance_nb as sd
from seedance_nb._base.secret import Secret
from seedance_nb._ledger.row import Row
from seedance_nb._media.isobmff import boxes_fault
from seedance_nb._task import files as provenance
from seedance_nb._task.files import file_text, has_bytes, is_saved, save_request, saved_request

SIGNED = "HTTPS://example.com/a.png?X-Signature=31337"
KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def row(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> Row:
    """A saved row whose file is a copy of its own."""
    file = tmp_path / made[1].path.name
    file.write_bytes(made[1].path.read_bytes())
    return replace(made[1].row, file=str(file))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    file = tmp_path / "v.part"
    file.write_bytes(media.video())
    return file


def saved(part: Path, crun: sd.Spec, row: Row, **body: Any) -> list[str]:
    text = json.dumps({"model": "m", "input": {"prompt": "A fox", **body}})
    return save_request(part, part.with_suffix(".mp4"), crun, replace(row, body=text), "0" * 64)


def test_a_saved_video_ends_with_its_request_in_one_box_behind_the_providers_bytes(row: Row) -> None:
    file = Path(row.file)
    data, own = file.read_bytes(), provider_bytes(file)
    assert hashlib.sha256(own).hexdigest() == row.sha256
    assert data.startswith(own)
    assert [kind for kind, _, _ in media.outer(data)] == [*(kind for kind, _, _ in media.outer(own)), b"uuid"]
    assert json.loads(data[len(own) + 24 :]) == {
        "version": 1, "model": row.spec, "request": json.loads(row.body), "take": 1, "task": row.name, "simulated": True,
        "created": saved_request(file)[0]["created"], "sha256": row.sha256,
    }  # fmt: skip
    assert boxes_fault(file) == ""
    with av.open(str(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 96


def test_without_a_request_the_file_is_what_the_provider_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEDANCE_EMBED_REQUEST", "0")
    video = sd.Session(queue_s=0, run_s=0, outputs=tmp_path / "o").generate(
        "crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p", duration=4
    )
    assert hashlib.sha256(video.path.read_bytes()).hexdigest() == video.sha256
    assert sorted(file.suffix for file in (tmp_path / "o").iterdir()) == [".jpg", ".mp4"]


def test_no_key_and_no_signature_is_saved_with_a_clip(part: Path, crun: sd.Spec, row: Row) -> None:
    secret = Secret(KEY, "a test")
    saved(part, crun, row, reference_images=[SIGNED], note=f"the key is {secret.reveal()}")
    assert saved_request(part)[0]["request"]["input"] == {
        "prompt": "A fox", "reference_images": ["HTTPS://example.com/a.png?…"], "note": "the key is •••",
    }  # fmt: skip
    assert not {word for word in (b"31337", KEY.encode()) if word in part.read_bytes()}


CHANGES: dict[str, tuple[Callable[[bytes, bytes], bytes], bool]] = {
    "the clip as saved": (lambda own, box: own + box, True),
    "without its request, as versions before saved it": (lambda own, _: own, True),
    "with another request": (lambda own, box: own + box.replace(b"take", b"tale"), True),
    "one byte changed": (lambda own, box: own[:-1] + bytes([own[-1] ^ 1]) + box, False),
    "a byte behind the request": (lambda own, box: own + box + b"\n", False),
    "a cut request": (lambda own, box: own + box[:-1], False),
    "two requests": (lambda own, box: own + box + box, False),
    "a cut video": (lambda own, box: own[:-9] + box, False),
    "nothing": (lambda *_: b"", False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_ledgers_hash_finds_every_change_of_the_providers_bytes(name: str, row: Row) -> None:
    change, is_same = CHANGES[name]
    file = Path(row.file)
    own, size = provider_bytes(file), file.stat().st_size
    file.write_bytes(change(own, file.read_bytes()[len(own) :]))
    assert is_saved(row) is is_same
    # The list of tasks reads no more than a file's size, unless that differs.
    is_seen = not is_same and file.stat().st_size != size
    assert ("was changed" in file_text(row) or "empty" in file_text(row)) is is_seen


def test_a_provider_may_send_a_file_that_ends_with_a_request_of_ours(row: Row, crun: sd.Spec, tmp_path: Path) -> None:
    part = tmp_path / "again.part"
    part.write_bytes(Path(row.file).read_bytes())
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    assert has_bytes(part, digest)
    assert save_request(part, part.with_suffix(".mp4"), crun, row, digest) == []
    assert has_bytes(part, digest)
    assert not has_bytes(part, row.sha256)
    assert saved_request(part)[0]["sha256"] == digest


@pytest.mark.parametrize("name", ["webm", "a last box without an end", "a line break at the end"])
def test_a_file_that_takes_no_box_has_its_request_beside_it(name: str, part: Path, crun: sd.Spec, row: Row) -> None:
    own = media.video()
    start = media.outer(own)[-1][1]
    part.write_bytes({
        "webm": media.film("webm", "libvpx-vp9"),
        "a last box without an end": own[:start] + bytes(4) + own[start + 4 :],
        "a line break at the end": own + b"\n",
    }[name])  # fmt: skip
    before = part.read_bytes()
    assert saved(part, crun, row) == []
    assert part.read_bytes() == before
    part.rename(part.with_suffix(".mp4"))
    assert saved_request(part.with_suffix(".mp4"))[0]["request"]["input"] == {"prompt": "A fox"}


def test_a_full_disk_costs_the_request_and_not_the_video(
    part: Path, crun: sd.Spec, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = part.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    assert saved(part, crun, row) == [
        "its request could not be saved with it (the disk is full: No space left on device)"
    ]
    assert part.read_bytes() == before
    assert saved(part, crun, row, prompt="x" * 300_000) == ["its request is too long to be saved with it"]
    assert part.read_bytes() == before


def box(content: bytes) -> bytes:
    return media.box(b"uuid", provenance._KIND[4:] + content)


DAMAGED = {
    "no JSON": b"{", "a list": b"[]", "a number": b"1", "a text": b'"model"', "nothing of it": b'{"a": 1}', "no text": b"\xff",
    "a key twice": b'{"model": "a", "model": "b"}', "deep": b'{"model": ' + b"[" * 9999 + b"]" * 9999 + b"}",
    "another type": json.dumps({"model": "m", "request": [], "take": 1, "task": "", "simulated": True, "created": "", "sha256": ""}).encode(),
    "a truth for a number": json.dumps({"model": "m", "request": {}, "take": True, "task": "", "simulated": True, "created": "", "sha256": ""}).encode(),
    "half a surrogate pair": json.dumps({"model": "m", "request": {"\ud800": 1}, "take": 1, "task": "", "simulated": True, "created": "", "sha256": ""}).encode(),
    "a deep request": json.dumps({"model": "m", "request": {"a": json.loads("[" * 90 + "]" * 90)}, "take": 1, "task": "", "simulated": True, "created": "", "sha256": ""}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("beside", [False, True])
def test_a_damaged_request_is_reported_in_one_sentence(name: str, part: Path, *, beside: bool) -> None:
    content = DAMAGED[name]
    if beside:
        part.with_name(f"{part.name}.request.json").write_bytes(content)
    else:
        part.write_bytes(part.read_bytes() + box(content))
    assert saved_request(part) == ({}, "the request saved with it is damaged")


def test_a_request_of_any_size_is_read_in_bounded_memory(part: Path) -> None:
    part.with_name(f"{part.name}.request.json").write_bytes(b" " * 300_000 + b"{}")
    assert saved_request(part) == ({}, "the request saved with it is damaged")
    part.write_bytes(part.read_bytes() + box(b'{"a":"' + b"x" * 300_000 + b'"}'))
    assert provenance._box(part) == (None, b"")
