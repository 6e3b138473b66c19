"""A sheet of glass in front of a moving picture: ink on it, and shade behind the ink so that it can be read."""

import stat
import warnings
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from seedance_nb._simulator.text import faces, runs

_MAX_PIXELS = 40_000_000
_LARGE = 4_000_000
_SMOOTH = 4

Fill = tuple[int, ...]
WHITE = (255, 255, 255, 255)


class Sheet:
    """The glass, `size` px wide and high. Places are px from the top left corner."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._ink = Image.new("RGBA", size, (255, 255, 255, 0))
        self._shade = Image.new("L", size)
        self._glow = Image.new("L", size)
        self._pen = ImageDraw.Draw(self._ink)
        self._soft = ImageDraw.Draw(self._glow)

    def text(self, x: float, y: float, text: str, size: int, fill: Fill = WHITE) -> float:
        """The x where the text ends; `x` and `y` are the left end of its baseline."""
        for face, run in runs(text):
            if face is None:
                for _ in run:
                    box = (x + 0.08 * size, y - 0.66 * size, x + 0.66 * size, y + 0.02 * size)
                    self._pen.rounded_rectangle(box, size * 0.08, outline=fill, width=max(1, size // 14))
                    x += 0.75 * size
                continue
            self._pen.text((x, y), run, fill, faces(size)[face], anchor="ls")
            self._soft.text((x, y), run, 255, faces(size)[face], anchor="ls")
            x += faces(size)[face].getlength(run)
        return x

    def spaced(self, x: float, y: float, text: str, size: int, fill: Fill) -> None:
        """Plain letters, drawn wide apart and a little bold."""
        for char in text:
            self._pen.text((x, y), char, fill, faces(size)[0], anchor="ls", stroke_width=size / 50)
            x += faces(size)[0].getlength(char) + size * 0.14

    def box(self, place: tuple[int, int, int, int], radius: float, fill: Fill | Image.Image) -> None:
        """A box (x, y, width, height) with round corners in a colour or a picture; black ones darken what is behind."""
        x, y, wide, high = place
        mask = Image.new("L", (wide * _SMOOTH, high * _SMOOTH))
        corner = (0, 0, wide * _SMOOTH - 1, high * _SMOOTH - 1)
        ImageDraw.Draw(mask).rounded_rectangle(corner, radius * _SMOOTH, fill=255)
        mask = mask.reduce(_SMOOTH)
        if isinstance(fill, tuple) and not any(fill[:3]):
            self._shade.paste(fill[3], (x, y), mask)
            return
        full = Image.new("RGBA", (wide, high), fill) if isinstance(fill, tuple) else fill
        clear = full.copy()
        clear.putalpha(0)
        self._ink.alpha_composite(Image.composite(full, clear, mask), (x, y))

    def flat(self) -> Image.Image:
        """Everything as one RGBA picture."""
        # Strong enough that white words stay legible on the sun.
        soft = ImageFilter.GaussianBlur(min(self._glow.size) / 80)
        blurred = self._glow.filter(soft).point(lambda value: min(135, value * 2))
        under = Image.new("RGBA", self._ink.size, (0, 0, 0, 255))
        under.putalpha(ImageChops.lighter(self._shade, blurred))
        return Image.alpha_composite(under, self._ink)


def picture(file: str | None, size: tuple[int, int]) -> Image.Image | None:
    """A reference picture cropped to `size` px, None if it cannot be read or should not be. *reads files*."""
    try:
        if file is None or not stat.S_ISREG(Path(file).stat().st_mode):  # a pipe would never end
            return None
        with warnings.catch_warnings(), Path(file).open("rb") as data:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(data, formats=("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")) as image:
                if image.width * image.height > _MAX_PIXELS:
                    return None
                image.draft("RGB", (size[0] * 2, size[1] * 2))
                if image.width * image.height > _LARGE:  # before there are several copies of it
                    image.thumbnail((2 * max(size), 2 * max(size)))
                upright = ImageOps.exif_transpose(image).convert("RGBA")
            small = ImageOps.fit(upright, size)
            return Image.alpha_composite(Image.new("RGBA", size, (40, 40, 46, 255)), small)
    except Exception:  # noqa: BLE001 - whatever a hostile file raises, it is only a picture less
        return None
