"""Detects the kind and format of a media file by its first bytes, and the size of a PNG or WebP."""

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

from seedance_nb._base.values import packaged_table

Kind = Literal["image", "video", "audio"]
UNKNOWN, NO_MEDIA = "unrecognized data", ", not an image, video or audio file"
_OPTIONAL = ("kind", "format", "turned", "estimated", "reported")
FORMATS: dict[str, dict[str, Any]] = packaged_table(__file__, "formats")
_STARTS, _BRANDS = ([(re.compile(one[key].encode(), re.DOTALL), name) for name, one in FORMATS.items() if key in one]
                    for key in ("start", "brands"))  # fmt: skip


def sniff(head: bytes) -> tuple[Kind | None, str]:
    """The kind and format of a file, named as in schemas; or None and what it is instead. A file with sound only may be an MP4 video here. *pure*."""
    if not head:
        return None, "it is empty"
    name = next((name for pattern, name in _STARTS if pattern.match(head)), UNKNOWN)
    if name == "mp4":
        end = min(max(int.from_bytes(head[:4]), 16), 256)
        brands = head[8:12] + head[16 : end + 3]  # also one that begins before the end
        name = next((name for pattern, name in _BRANDS if pattern.match(brands)), name)
    kind = FORMATS.get(name, {}).get("kind")
    return (kind, name) if kind else (None, f"it is {name}{NO_MEDIA}")


def header_size(head: bytes) -> tuple[int, int]:
    """Width and height in px of a PNG or WebP, (0, 0) if its header is damaged. *pure*."""
    if head[12:16] == b"IHDR":
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    kind, data = head[12:16], head[20:30]
    if len(data) < 10:  # noqa: PLR2004
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if kind == b"VP8L" and data[0] == 0x2F:  # noqa: PLR2004
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF
    return 0, 0


def audio_start(head: bytes) -> int:
    """The offset of the audio in an MP3, by its first ten bytes. *pure*."""
    if head[:3] != b"ID3" or len(head) < 10:  # noqa: PLR2004
        return 0
    return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """The facts of a media file. 0 and "" stand for what it does not have or could not be read, None for an unknown size."""

    kind: Kind = "video"
    format: str = "mp4"  # a name as in schemas: jpeg, mp4, wav
    size: int | None = None  # in bytes
    width: int = 0  # in px, as stored
    height: int = 0
    seconds: float = 0.0
    fps: float = 0.0  # frames per second
    codec: str = ""  # of the video
    audio: str = ""  # the codec of the sound
    turned: bool = False  # whether it is displayed rotated by 90 degrees
    estimated: bool = False  # whether `seconds` is calculated
    is_open: bool = False  # of a decoded video: whether a cut between two fragments would leave no trace
    damaged: int = 0  # repaired frames
    undecoded: float = 0.0  # the seconds at the end that took too long to decode
    remark: str = ""  # further text for the user
    reported: str = ""  # what the provider's answer says of it, such as its seed

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height as displayed, in px. *pure*."""
        return (self.height, self.width) if self.turned else (self.width, self.height)


def write_facts(facts: MediaFacts) -> str:
    # These keys came later than the others, so a row in the ledger has them only where they differ from the default.
    default, values = asdict(MediaFacts()), asdict(facts).items()
    return json.dumps({name: value for name, value in values if name not in _OPTIONAL or value != default[name]})


def read_facts(text: str) -> MediaFacts | None:
    with suppress(ValueError, TypeError):
        return MediaFacts(**json.loads(text))
    return None
