"""Which page of a TIFF is its picture, and what Pillow lays out unlike libtiff."""

from PIL import ImageFile, ImagePalette, TiffImagePlugin

_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS = 254, 255, 256, 257, 258
_PLANAR, _COLOURS, _INNER = 284, 320, 330

# Bits of the kind of a page: a smaller copy, a mask; and the number of old for a copy.
_NO_PICTURE, _OLD_COPY = 1 | 4, 2

# Pages that are looked at, at most.
_MOST = 100

_IN_PLANES = 2


def settle(picture: TiffImagePlugin.TiffImageFile) -> str:
    """Go to the picture of a TIFF, and lay it out as libtiff does.

    Returns:
        Why it is refused; an empty string where it is not.
    """
    if _is_copy(picture) and (reason := _leave_copies(picture)):
        return reason
    tags = picture.tag_v2
    if tags.get(_PLANAR) == _IN_PLANES and picture.info.get("compression") == "raw":
        if _most(tags.get(_BITS, 1)) == 16 and picture.mode in ("RGB", "RGBA", "CMYK"):
            # Pillow takes planes of 16 bits for such of 8.
            # As stored: the size of the picture is that after it is turned.
            area, args = (0, 0, tags[_WIDTH], tags[_HEIGHT]), (False, tags.offset)
            mode = f"{picture.mode};16N"
            picture.tile = [ImageFile._Tile("libtiff", area, 0, (mode, *args))]
            picture.use_load_libtiff = True
    colours = tags.get(_COLOURS, ())
    if picture.mode == "P" and max(colours, default=0) in range(1, 256):
        # Of 8 bits though the standard wants 16: libtiff knows them by that as well.
        picture.palette = ImagePalette.raw("RGB;L", bytes(colours))
    return ""


def _most(value: int | tuple[int, ...]) -> int:
    return max(value) if isinstance(value, tuple) else value


def _is_copy(picture: TiffImagePlugin.TiffImageFile) -> bool:
    tags = picture.tag_v2
    new, old = tags.get(_SUBFILE, 0), tags.get(_OLD_SUBFILE, 0)
    return bool(_most(new) & _NO_PICTURE) or _most(old) == _OLD_COPY


def _leave_copies(picture: TiffImagePlugin.TiffImageFile) -> str:
    """Go to the first page that is no copy of another one; say why that cannot be."""
    inner = _INNER in picture.tag_v2
    for page in range(1, _MOST):
        try:
            picture.seek(page)
        except EOFError:
            break
        except SyntaxError:  # It has samples that Pillow has no mode for.
            inner = True
            break
        if not _is_copy(picture):
            return ""
        inner |= _INNER in picture.tag_v2
    if inner:
        return "TIFF of which only a reduced copy can be read: convert it to PNG"
    picture.seek(0)
    return ""
