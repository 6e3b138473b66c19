"""What a media file holds, as one value, and as the JSON text that travels from a child process and is saved in the ledger."""

import json
from dataclasses import asdict, dataclass

from seedance_nb._media.sniff import Kind

_BESIDES = ("kind", "format", "turned", "estimated")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What a media file holds. 0 and "" stand for what it does not have or what could not be read, None for an unknown `size` in bytes.

    `format` is written as documents do (jpeg, mp4, wav); `width` and `height` are px as stored, `fps` frames per second;
    `codec` is the codec of its pictures, `audio` of its sound. `turned` says that it is shown turned by a quarter,
    `estimated` that `seconds` is only reckoned from size and bit rate.

    Of a video that was decoded, `is_open` says that a cut between two of its pieces would leave no trace; `damaged` counts
    pictures that the decoder had to patch, `undecoded` are the seconds at the end that were not decoded because it took
    too long. `remark` is what a person should know beyond that.
    """

    kind: Kind = "video"
    format: str = "mp4"
    size: int | None = None
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    fps: float = 0.0
    codec: str = ""
    audio: str = ""
    turned: bool = False
    estimated: bool = False
    is_open: bool = False
    damaged: int = 0
    undecoded: float = 0.0
    remark: str = ""


def write_facts(facts: MediaFacts) -> str:
    """Facts as one JSON text. *pure*."""
    # The ledger has always saved the other keys, of MP4 videos only; these are there where they say something else.
    usual = MediaFacts()
    known = {
        name: value for name, value in asdict(facts).items() if name not in _BESIDES or value != getattr(usual, name)
    }
    return json.dumps(known)


def read_facts(text: str) -> MediaFacts | None:
    """The facts in a text that `write_facts` wrote, None if there are none. *pure*."""
    try:
        return MediaFacts(**json.loads(text))
    except (ValueError, TypeError):
        return None
