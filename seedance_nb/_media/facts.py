"""The facts of a media file, and their JSON text, which child processes return and the ledger saves."""

import json
from dataclasses import asdict, dataclass

from seedance_nb._media.sniff import Kind

_OPTIONAL = ("kind", "format", "turned", "estimated")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """The facts of a media file. 0 and "" stand for what it does not have or could not be read, None for an unknown size.

    `format` is a name as in schemas (jpeg, mp4, wav), `size` in bytes; `width` and `height` are px as stored, `fps` frames
    per second, `codec` that of the video. `turned` is True if it is displayed rotated by 90 degrees, `estimated` if `seconds`
    is calculated. Of a decoded video, `is_open` means that a cut between two fragments would leave no trace; `damaged` counts
    repaired frames, `undecoded` the seconds at the end that took too long. `remark` is further text for the user.
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

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height as displayed, in px. *pure*."""
        return (self.height, self.width) if self.turned else (self.width, self.height)


def write_facts(facts: MediaFacts) -> str:
    """Facts as one JSON text. *pure*."""
    # These keys came later than the others, so a row in the ledger has them only where they differ from the default.
    default = asdict(MediaFacts())
    values = asdict(facts).items()
    return json.dumps({name: value for name, value in values if name not in _OPTIONAL or value != default[name]})


def read_facts(text: str) -> MediaFacts | None:
    """The facts in a text by `write_facts`, None for any other text. *pure*."""
    try:
        return MediaFacts(**json.loads(text))
    except (ValueError, TypeError):
        return None
