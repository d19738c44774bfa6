"""TIFFs for which Pillow has no mode: grey that is read, and what to say of others."""

import io
from typing import Any

from PIL import TiffImagePlugin

_BITS, _COMPRESSION, _PHOTOMETRIC, _COUNT, _FORMAT = 258, 259, 262, 277, 339
_MIN_IS_WHITE, _MIN_IS_BLACK, _UNSIGNED, _SIGNED = 0, 1, 1, 2

_KINDS = {_UNSIGNED: "unsigned", _SIGNED: "signed", 3: "float", 5: "complex"}
_COMPRESSIONS = {
    **dict.fromkeys((33003, 33005, 34712), "JPEG 2000"),
    **{34887: "LERC", 34933: "PNG", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"},
}
# Pillow knows its name, but what it decodes TIFFs by may not.
_MAYBE = (50001,)


class Grey(TiffImagePlugin.TiffImageFile):
    """A TIFF that is opened as another one whose samples lie just as well.

    The smallest sample is taken for black, and large unsigned ones for signed. Its tags
    stay those of the file, by which `deep_samples` reads what it holds.
    """

    def _setup(self) -> None:
        tags = self.tag_v2
        had = _FORMAT in tags
        kept = {tag: tags.get(tag) for tag in (_PHOTOMETRIC, _FORMAT)}
        if kept[_PHOTOMETRIC] == _MIN_IS_WHITE:
            tags[_PHOTOMETRIC] = _MIN_IS_BLACK
        if _most(tags, _BITS) == 32 and _most(tags, _FORMAT) == _UNSIGNED:
            tags[_FORMAT] = (_SIGNED,)
        try:
            super()._setup()
        finally:
            tags[_PHOTOMETRIC] = kept[_PHOTOMETRIC]
            tags[_FORMAT] = kept[_FORMAT] if had else (_UNSIGNED,)


def _most(tags: Any, tag: int) -> int:
    value = tags.get(tag, 1)
    return max(value) if isinstance(value, tuple) else int(value)


def open_grey(data: bytes) -> Grey | None:
    """Open a TIFF that Pillow does not; None where it has no samples that are known."""
    try:
        picture = Grey(io.BytesIO(data))
    except Exception:  # Broken files make the codecs raise anything.
        return None
    # Of 8 bits and less Pillow turns what is white by its mode, which is another here.
    return picture if picture.mode[0] in "IF" else None


def describe(data: bytes) -> str:
    """Return what a whole TIFF holds that is not read; nothing where it is damaged."""
    if reason := describe_codec(data):
        return reason
    try:
        TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    except SyntaxError as error:
        if "pixel mode" not in str(error) and "channels" not in str(error):
            return ""
    except Exception:  # Broken files make the codecs raise anything.
        return ""
    tags = _tags(data)
    form, count = _KINDS.get(_most(tags, _FORMAT), "unknown"), tags.get(_COUNT, 1)
    kind = f"{_most(tags, _BITS)}-bit {form} samples"
    many = f", {count} a pixel" if count > 1 else ""
    return f"TIFF of {kind}{many}, which is not read: convert it to 8 or 16 bits"


def describe_codec(data: bytes) -> str:
    """Return by what a TIFF is compressed, where that is not read; else nothing."""
    how = _tags(data).get(_COMPRESSION, 1)
    if how in TiffImagePlugin.COMPRESSION_INFO and how not in _MAYBE:
        return ""
    name = _COMPRESSIONS.get(how, f"method {how}")
    return f"TIFF that is compressed by {name}, which is not read: convert it to PNG"


def _tags(data: bytes) -> Any:
    """Return the tags of the first page, as far as they can be read."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if data[2] == 43 else 8])
        content = io.BytesIO(data)
        content.seek(tags.next)
        tags.load(content)
        # What is wrong in itself is found as it is asked for.
        return {
            tag: tags[tag]
            for tag in (_BITS, _COMPRESSION, _COUNT, _FORMAT)
            if tag in tags
        }
    except Exception:  # Broken files make the codecs raise anything.
        return {}
