"""One self-contained page: a template, its pictures inside, and no way to a network."""

import base64
import functools
import hashlib
import io
import math
import re
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from tfpipeline.core import file_io, image_formats, image_io, result_dir
from tfpipeline.core.brightness import WHOLE, Ranges

TEMPLATES = Path(__file__).parent / "templates"

_QUALITY = 84

# Width of a picture on a page, at most.
_WIDEST = 1400

# Data URIs of pictures that were written by this process, and have been on no page yet,
# by what tells their files from others.
_written: dict[tuple[tuple[int, int, int], int], str] = {}
_MOST_WRITTEN = 500

_SPACE = "\N{NARROW NO-BREAK SPACE}"


def write(file: Path, template: str, **content: Any) -> None:
    """Write a page from a template of this package, whole or not at all."""
    file_io.write_text(file, result_dir.stamped(render(template, **content)))


def render(template: str, **content: Any) -> str:
    """Return a page as text. Everything that is no markup already is escaped."""
    # Exactly what stands between the tags, or a browser runs nothing.
    script = Markup((TEMPLATES / "page.js").read_text(encoding="utf-8"))
    style = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(**content, script=script, style=style, script_hash=f"sha256-{digest}")
    )


def load(*templates: str) -> None:
    """Compile templates before they are needed."""
    for name in templates:
        _environment().get_template(name)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # A run of an earlier version lacks some of what is told today.
        undefined=jinja2.ChainableUndefined,
    )
    environment.filters |= {
        f.__name__: f for f in (percent, number, points, seconds, count, breakable)
    }
    return environment


def picture(file: Path, widest: int = _WIDEST) -> str | None:
    """Return a picture as a data URI, made smaller if wider; None if unreadable."""
    try:
        if known := _written.pop((_identity(file), widest), None):
            return known
        with Image.open(file) as opened:
            return _narrowed(opened.convert("RGB"), widest)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def save_picture(file: Path, image: np.ndarray, *, durable: bool = True) -> None:
    """Write an image as PNG; a page that this process writes need not read it again.

    Args:
        file: To write.
        image: RGB, uint8 or float in [0, 1].
        durable: See `file_io.replacing`.
    """
    image_io.save_png(file, image, durable=durable)
    if len(_written) >= _MOST_WRITTEN:
        _written.clear()
    shown = Image.fromarray(image_io.to_uint8(image))
    _written[_identity(file), _WIDEST] = _narrowed(shown, _WIDEST)


def _identity(file: Path) -> tuple[int, int, int]:
    """Return what tells a file from others, whatever its name has become."""
    own = file.stat()
    return own.st_ino, own.st_mtime_ns, own.st_size


def _narrowed(shown: Image.Image, widest: int) -> str:
    if shown.width > widest:
        height = max(1, round(shown.height * widest / shown.width))
        shown = shown.resize((widest, height), Image.Resampling.LANCZOS)
    return data_uri(shown)


def thumbnail(
    content: bytes,
    pixels: int,
    ranges: Ranges = WHOLE,
    max_pixels: int = image_formats.MAX_PIXELS,
) -> str | None:
    """Return a small copy of an encoded image as a data URI; None if unreadable.

    Args:
        content: Of the file, of any format that is read here, turned as it says.
        pixels: The longer side, at most.
        ranges: What is black and white in samples of more than 8 bits.
        max_pixels: Height times width of the image, at most.
    """
    size, limit = (pixels, pixels), max_pixels
    try:
        image = Image.fromarray(
            image_io.decode(content, ranges=ranges, at_least=size, max_pixels=limit)
        )
    except image_formats.ImageError:
        return None
    image.thumbnail((pixels, pixels))
    return data_uri(image)


def data_uri(image: Image.Image) -> str:
    """Return an RGB picture as a data URI."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, jinja2.Undefined):
        return True
    return isinstance(value, float) and not math.isfinite(value)


def percent(share: Any, digits: int = 1) -> str:
    """Return a share in percent, e.g. `95.8 %`; a dash where there is none."""
    if _is_missing(share):
        return "–"
    return f"{100 * share:.{digits}f}{_SPACE}%"


def breakable(text: str) -> Markup:
    """Return a text with names of files or runs, which may wrap after `_` and `/`."""
    return Markup("<wbr>").join(re.split("(?<=[_/])", text))


def points(share: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")


def number(value: Any) -> str:
    """Return a number with the digits that tell; a dash where there is none."""
    if _is_missing(value):
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", _SPACE)
    return f"{value:.3f}" if 0.001 <= abs(value) < 100 else f"{value:.3g}"


def seconds(value: float) -> str:
    """Return a time in words."""
    if value < 100:
        return f"{value:.1f}{_SPACE}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 100:
        return f"{minutes}{_SPACE}min {rest}{_SPACE}s"
    return f"{minutes // 60}{_SPACE}h {minutes % 60}{_SPACE}min"


def count(value: int, one: str, many: str | None = None) -> str:
    """Return a number of things, e.g. `1 image` and `2 images`."""
    return f"{number(value)} {one if value == 1 else many or f'{one}s'}"
