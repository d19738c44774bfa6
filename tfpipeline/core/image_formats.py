"""What an image file is, by its content, before its pixels are decoded."""

import contextlib
import io
import re
import threading
import warnings
from collections.abc import Iterator

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from tfpipeline.core import hardware
from tfpipeline.core.tiff import kinds, pages

# Pillow tells of odd tags and of large pictures; the audit says what matters of it.
warnings.filterwarnings("ignore", module=r"PIL\.")

# The largest sensor of a phone has 200 million; more is an attack on memory, unless the
# user says otherwise. Settings called `max_pixels` have the same number.
MAX_PIXELS = 250_000_000

# As so many pixels of 8 bits counts one of 16 in a graph, where it becomes floats.
DEEP_WEIGHT = 4

# The EXIF tag of the orientation.
ORIENTATION = 0x0112

# How the reason ends for which an image is refused that another request might take.
TOGETHER = " in one request"

_POINTER, _JXL = b"version https://git-lfs", b"\x00\x00\x00\x0cJXL "

# The first bytes of each format, at their offset.
MAGIC: tuple[tuple[str, int, bytes], ...] = (
    ("jpeg", 0, b"\xff\xd8\xff"),
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    ("gif", 0, b"GIF8"),
    ("webp", 8, b"WEBP"),
    ("avif", 4, b"ftypavi"),
    ("tiff", 0, b"II*\x00"),
    ("tiff", 0, b"MM\x00*"),
    ("tiff", 0, b"II+\x00"),
    ("tiff", 0, b"MM\x00+"),
    ("jp2", 0, b"\x00\x00\x00\x0cjP  "),
    ("qoi", 0, b"qoif"),
    ("ico", 0, b"\x00\x00\x01\x00"),
    ("bmp", 0, b"BM"),
    ("jp2", 0, b"\xff\x4f\xff\x51"),
    ("dds", 0, b"DDS "),
    ("sgi", 0, b"\x01\xda"),
    *(("pcx", 0, b"\x0a%c\x01" % version) for version in (0, 2, 3, 5)),
    *(("dib", 0, b"%c\x00\x00\x00" % n) for n in (12, 40, 52, 56, 64, 108, 124)),
    *(("pfm", 0, b"P%c%c" % (kind, space)) for kind in b"fF" for space in b"\n "),
    *(("pnm", 0, b"P%d" % number) for number in range(1, 7)),
)


# What stands where a picture is expected, and is none that is read.
_TO_PNG = "which is not read: convert it to PNG"
_OTHERS: tuple[tuple[str, int, bytes], ...] = (
    ("a pointer of Git LFS: fetch the picture by git lfs pull", 0, _POINTER),
    (f"DICOM, {_TO_PNG}", 128, b"DICM"),
    *((f"NIfTI, {_TO_PNG}", 344, magic) for magic in (b"n+1\0", b"ni1\0")),
    *((f"JPEG XL, {_TO_PNG}", 0, magic) for magic in (b"\xff\x0a", _JXL)),
    (f"a NumPy array, {_TO_PNG}", 0, b"\x93NUMPY"),
    (f"PDF, {_TO_PNG}", 0, b"%PDF"),
    ("an archive: unpack it", 0, b"PK\3\4"),
    ("an archive: unpack it", 0, b"\x1f\x8b"),
)


def too_large(
    max_pixels: int, setting: str = "max_pixels", *, deep: bool = False
) -> str:
    """Return the reason for which an image with more pixels is refused.

    Where it is `deep`, of 16 bits, which a server weighs as `DEEP_WEIGHT` of 8 bits.
    """
    if deep:
        limit = max_pixels // DEEP_WEIGHT
        return f"more than {limit:,} pixels (a quarter of {setting}, for 16 bits)"
    return f"more than {max_pixels:,} pixels ({setting})"


def is_too_large(reason: str) -> bool:
    """Tell whether an image was refused for its size alone, whatever its kind."""
    # Models of earlier versions name no setting.
    setting = r"( \((a quarter of )?max_pixels(, for 16 bits)?\))?"
    return re.fullmatch(rf"more than \S+ pixels{setting}", reason) is not None


class ImageError(ValueError):
    """A file that is no usable image; the message is the reason, in a few words."""


def sniff(data: bytes) -> str | None:
    """Return the format of an image by its first bytes; None for anything else."""
    for name, offset, magic in MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return name
    # A general brand, and AVIF among those that it is compatible with.
    compatible = data[16 : int.from_bytes(data[:4], "big")]
    if data[4:8] == b"ftyp" and b"avif" in compatible:
        return "avif"
    return "tga" if _is_tga(data) else None


def _is_tga(data: bytes) -> bool:
    """Tell whether a header is one of TGA, which has no number of its own."""
    head = data[:18]
    return (
        len(data) > len(head)
        and head[1] in (0, 1)
        and head[2] in (1, 2, 3, 9, 10, 11)
        and head[16] in (1, 8, 16, 24, 32)
        and any(head[12:14])
        and any(head[14:16])
        # Colours of a map stand at its beginning, and where there is none, nothing.
        and (head[1] == 1 or not any(head[3:8]))
        and head[17] & 0xC0 == 0
    )


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open an image without decoding it, and refuse what is no picture or too large."""
    if not data:
        raise ImageError("empty file")
    kind = sniff(data)
    if kind is None:
        raise ImageError(_describe(data))
    try:
        picture = _open(data, max_pixels)
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            if reason := pages.settle(picture):
                raise ImageError(reason)
    except ImageError:
        raise
    except UnidentifiedImageError:
        if data[:2] == b"PF":
            raise ImageError(
                "colour PFM, which is not read: convert it to TIFF or PNG"
            ) from None
        if kind == "tiff" and (reason := kinds.describe(data)):
            raise ImageError(reason) from None
        raise ImageError(f"damaged {kind} header") from None
    except Image.DecompressionBombError:
        raise ImageError(too_large(max_pixels)) from None
    except Exception as error:  # Broken files make the codecs raise anything.
        raise ImageError(f"damaged {kind} header: {brief(error)}") from None
    if picture.width < 1 or picture.height < 1:
        raise ImageError("no pixels: a side is 0 long")
    if picture.width * picture.height > max_pixels:
        raise ImageError(f"{picture.height}x{picture.width} is {too_large(max_pixels)}")
    return picture


def _open(data: bytes, max_pixels: int) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        grey = kinds.open_grey(data) if sniff(data) == "tiff" else None
        if grey is None:
            raise
        return grey
    except Image.DecompressionBombError:
        with one_large(max_pixels):
            return Image.open(io.BytesIO(data))


@contextlib.contextmanager
def one_large(max_pixels: int) -> Iterator[None]:
    """Let one thread at a time open or decode what is large, up to a limit.

    Pillow's is one for the whole process, and belongs to the user. It is lifted, not
    taken away: some formats are decoded when they are opened.
    """
    with _ONE_LARGE:
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None:
            # What Pillow refuses has more than twice as many.
            Image.MAX_IMAGE_PIXELS = max(limit, -(-max_pixels // 2))
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


_ONE_LARGE = threading.RLock()

# Bytes that a pixel takes at most while it is decoded: of transparent pictures, which
# are laid over white, and of floats. Measured on 64 million pixels.
_BYTES = 28

_NO_MEMORY = "GB of memory to decode it"


def is_for_now(reason: str) -> bool:
    """Tell whether an image may be read at another time: it is not to be remembered."""
    return _NO_MEMORY in reason


@contextlib.contextmanager
def decoded_alone(picture: Image.Image) -> Iterator[None]:
    """Let one thread at a time decode a large picture, if memory holds it.

    Raises:
        ImageError: It says how much memory is needed, and how much is left.
    """
    pixels = picture.width * picture.height
    with one_large(pixels):
        needed, left = pixels * _BYTES, hardware.free()
        if needed > left:
            raise ImageError(
                f"{picture.height}x{picture.width} needs {needed / 1e9:.1f} "
                f"{_NO_MEMORY}; {left / 1e9:.1f} GB are free"
            )
        yield


def _describe(data: bytes) -> str:
    """Return what content is that is none of the formats that are read."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1"):
        return "HEIC, which is not read: convert it to JPEG"
    for name, offset, magic in _OTHERS:
        if data[offset : offset + len(magic)] == magic:
            return name
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "not an image (a web page)"
    # Formats that Pillow knows, but which are rare, vague or run programs (EPS).
    Image.init()
    for name, (_, accept) in sorted(Image.OPEN.items()):
        # Some look at more letters than a short file has.
        if accept is not None and accept(data[:16].ljust(16, b"\0")):
            return f"{name}, which is not read: convert it to PNG"
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:200])
    if printable > 0.95 * len(data[:200]):
        return "not an image (text)"
    return "not an image (unknown content): if it is one, convert it to PNG"


def brief(error: Exception) -> str:
    """Return the first line of what an error says, or its name."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:100]


def read_orientation(picture: Image.Image) -> int:
    """Return the orientation by EXIF or XMP, 1 to 8; 1 where there is none.

    Raises:
        Exception: Of the codec, for damaged pixels of a format that keeps the tag
            behind them.
    """
    if picture.format in ("GIF", "BMP"):
        return 1
    if picture.format in ("PNG", "TIFF"):
        # Asking a PNG for the tag loads its pixels, and would hide that they are
        # damaged; a TIFF is turned by Pillow itself when it is loaded.
        picture.load()
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # A damaged tag turns nothing.
        return 1
    known = isinstance(orientation, int) and 1 <= orientation <= 8
    return orientation if known else 1
