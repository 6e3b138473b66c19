"""Media files that want to harm whoever looks into them, and what the readers of the library make of them."""

import contextlib
import io
import random
import resource
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av  # noqa: F401 - loaded before the children are forked
from PIL import Image
from support import media

from seedance_nb._media import inspect
from seedance_nb._simulator.encode import picture

SMALL = (64, 48)


def mutant(seed: int, number: int, whole: bytes) -> bytes:
    """One of endlessly many damaged files: bytes changed, cut out, doubled, zeroed, or a number in a box made absurd."""
    dice = random.Random(f"{seed}/{number}")
    made = bytearray(whole)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        at = dice.randrange(len(made))
        length = dice.choice((1, 1, 2, 4, 4, 8, 64))
        how = dice.randrange(7)
        if how == 0:
            made[at] = dice.randrange(256)
        elif how == 1:
            made[at] ^= 1 << dice.randrange(8)
        elif how == 2:
            made[at : at + length] = bytes(len(made[at : at + length]))
        elif how == 3:
            made[at : at + 4] = dice.choice(
                (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1", b"\x80\0\0\0")
            )
        elif how == 4 and len(made) > 200:
            del made[at : at + length]
        elif how == 5:
            made[at:at] = made[at : at + length]
        else:
            names = (
                b"moov",
                b"trak",
                b"stsd",
                b"stsz",
                b"stco",
                b"stts",
                b"mdhd",
                b"tkhd",
                b"mvhd",
                b"avcC",
                b"esds",
                b"elst",
                b"ctts",
                b"stsc",
            )
            place = made.find(dice.choice(names))
            if place > 0:
                at = place + dice.randrange(-4, 40)
                made[at : at + 4] = struct.pack(
                    ">I", dice.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**24, dice.randrange(2**32)))
                )
    return bytes(made)


def child(name: str, poster: str) -> str:
    """What the child process of `_media` does with a file, without limits of its own: those of this process hold."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            inspect.decode(name, poster, "mp4")
        except SystemExit:
            return "refused"
        except Exception as error:  # noqa: BLE001 - there it ends in a refusal, whatever it is
            return type(error).__name__
    return "shown"


def look(seed: int, first: int, count: int) -> dict[str, int]:
    """How many mutants came to what in the functions that the children run, one after the other in this process."""
    whole = (media.video(*SMALL, frames=6), media.video(*SMALL, frames=6, sound=True, movflags="faststart"))
    ends: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        path, poster = Path(folder) / "a.mp4", Path(folder) / "a.jpg"
        for number in range(first, first + count):
            path.write_bytes(mutant(seed, number, whole[number % 2]))
            before = path.read_bytes()
            end = child(str(path), str(poster))  # also for what the sizes of the boxes refuse before any child is made
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
                contextlib.suppress(SystemExit),
            ):
                inspect.read_header(str(path))
            assert path.read_bytes() == before
            ends[end] = ends.get(end, 0) + 1
    return ends


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_bomb(width: int = 12_000, height: int = 12_000) -> bytes:
    """A picture of 144 million points in a few kB: one bit for each, all alike."""
    rows = zlib.compressobj(9)
    pixels = b"".join(rows.compress(bytes(1 + width // 8) * 100) for _ in range(height // 100)) + rows.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def vast(width: int = 8000, height: int = 8000) -> bytes:
    """A video whose one frame has 64 million points and 100 kB."""
    return media.video(width, height, frames=1)


def understated(whole: bytes) -> bytes:
    """The same video, whose index says that it is small."""
    made = bytearray(whole)
    place = made.find(b"mp4v", made.find(b"stsd"))
    made[place + 28 : place + 32] = struct.pack(">HH", *SMALL)
    return bytes(made)


def playlist(origin: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{origin}/a.ts\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n".encode()


def concat(origin: str) -> bytes:
    return f"ffconcat version 1.0\nfile {origin}/a.mp4\nfile /etc/passwd\n".encode()


def write(path: str, kind: str, argument: Any = None) -> None:
    """Makes a file, in a process of its own: to encode a vast picture takes the memory that reading it must not."""
    makers: dict[str, Callable[[], bytes]] = {
        "mutant": lambda: mutant(int(argument[0]), int(argument[1]), media.video(*SMALL, frames=6)),
        "vast": vast,
        "understated": lambda: understated(vast()),
        "playlist": lambda: playlist(str(argument)),
        "playlist behind a beginning": lambda: media.video(*SMALL, frames=2)[:32] + playlist(argument),
        "concat": lambda: concat(str(argument)),
        "png": png_bomb,
        "honest": lambda: media.video(*SMALL, frames=6),
    }
    Path(path).write_bytes(makers[kind]())


def really(name: str) -> dict[str, Any]:
    """What the library says of a file over the whole way, children and all; `peak` is the most memory of any child, in MB."""
    path = Path(name)
    made = path.read_bytes()
    facts, why = inspect.inspect(path, path.with_suffix(".jpg"))
    probed, doubt = inspect.probe(path, len(made))
    shown = picture(name, (640, 360))
    return {
        "facts": facts is not None, "why": why, "probed": [probed.width, probed.height] if probed else None, "doubt": doubt,
        "drawn": shown is not None, "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "kept": path.read_bytes() == made, "bytes": len(made),
    }  # fmt: skip


def drawn(width: int, height: int) -> bool:
    """Whether a large plain picture was drawn small."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        path.write_bytes(png_bomb(width, height))
        return picture(str(path), (640, 360)) is not None


def naive() -> str:
    """What Pillow does with the bomb when it is left as it comes: it warns, and decodes."""
    import warnings

    warnings.simplefilter("ignore")
    with Image.open(io.BytesIO(png_bomb())) as image:
        return str(image.convert("RGBA").size)
