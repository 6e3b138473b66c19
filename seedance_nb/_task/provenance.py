"""The request that made a clip, saved with it: in one box behind the provider's bytes, or in a JSON file beside it."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from seedance_nb._base.problem import Problem
from seedance_nb._base.secret import mask_keys
from seedance_nb._base.values import ABSENT, json_text, map_leaves, read_json, strip_queries
from seedance_nb._check.check import masked, sound, to_json_value
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.row import Row
from seedance_nb._media.isobmff import MOST_BOXES, boxes, reader
from seedance_nb._web.regular_files import append, is_there, on_disk, read, sha256, write

_KIND = b"uuid" + bytes.fromhex("9b7a2c80ca0a4df8a9a1ccdcd20a657d")
_MOST = 256 * 1024
_TYPES = {"model": str, "request": dict, "take": int, "task": str, "simulated": bool, "created": str, "sha256": str}


def save_request(part: Path, final: Path, spec: Spec, row: Row, digest: str) -> list[str]:
    """Append a row's request, without secrets, to its checked download, or save it beside `final`; remarks if neither works. *writes files*. Raises: OSError."""
    if os.getenv("SEEDANCE_EMBED_REQUEST") == "0":
        return []
    body = mask_keys(masked(spec, read_json(row.body), ABSENT))
    body = map_leaves(body, lambda value: strip_queries(value) if isinstance(value, str) else value)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.created))
    facts = (row.spec, body, row.take, row.name, row.simulated, created, digest)
    content = json.dumps({"version": 1} | dict(zip(_TYPES, facts, strict=True))).encode()
    box = (len(content) + 4 + len(_KIND)).to_bytes(4) + _KIND + content
    size = part.stat().st_size
    try:
        if len(box) > _MOST:
            return ["its request is too long to be saved with it"]
        with read(part) as file:  # an MP4 or MOV that a box may follow is one whose last box states its end
            outer = list(boxes(reader(file), 0, size))
            file.seek(outer[-1].start if outer else 0)
            is_bounded = file.read(4) != bytes(4) and len(outer) < MOST_BOXES
        if not is_bounded or [box.kind for box in outer[:1]] != [b"ftyp"] or outer[-1].end != size:
            write(_beside(final), content)
            return []
        with append(part) as file:
            file.write(box)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        os.truncate(part, size)
        return [f"its request could not be saved with it ({on_disk(error)})"]
    return []


def has_bytes(path: Path, digest: str) -> bool:
    """Whether a file has the provider's bytes with this SHA-256, alone or with a request behind them. *reads files*."""
    return bool(digest) and any(sha256(path, size) == digest for size in dict.fromkeys((_box(path)[0], None)))


def saved_request(path: Path) -> tuple[dict[str, Any], str]:
    """What `save_request` saved with a file, its types checked; {} and why if there is nothing. *reads files*."""
    text = _box(path)[1]
    if not text and is_there(_beside(path)):
        with read(_beside(path)) as file:
            text = file.read(_MOST)
    if not text:
        return {}, "no request was saved with it"
    with suppress(ValueError, TypeError, LookupError):
        values, problems = read_json(text), list[Problem]()
        sound(to_json_value(values), (), problems)
        json_text(values).encode()  # raises for half of a surrogate pair
        if not problems and [type(values[name]) for name in _TYPES] == [*_TYPES.values()]:
            return {name: values[name] for name in _TYPES}, ""
    return {}, "the request saved with it is damaged"


def _box(path: Path) -> tuple[int | None, bytes]:
    """The size of a file without its request box, None if it has none; and the JSON text in it."""
    tail, size = b"", 0
    with suppress(OSError, ValueError), read(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST))
        tail = file.read(_MOST)
    at = tail.rfind(_KIND) - 4
    is_last = at >= 0 and int.from_bytes(tail[at : at + 4]) == len(tail) - at
    return (size - len(tail) + at, tail[at + 4 + len(_KIND) :]) if is_last else (None, b"")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.request.json")
