"""Colours become sRGB, which networks are trained on, by the ICC profile of a picture.

A profile of a matrix and three curves (Display P3 of phones, Adobe RGB, ProPhoto), or
of one curve for grey, is applied here, by the formulas that `data.profile_graph` has in
a graph; any other by LittleCMS, relative to white. What is sRGB already, whatever wrote
the profile, stays as it is, bit for bit.

Source: ICC.1:2022, 8.3 (matrix and curves), 10.6 and 10.18 (`curv` and `para`).
"""

import functools
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

RGB, GREY, CMYK = b"RGB ", b"GRAY", b"CMYK"

# The classes of profiles that describe pixels.
CLASSES = (b"mntr", b"scnr", b"prtr", b"spac")

# A profile with such a tag has a table of colours, which goes before its matrix.
TABLES = (b"A2B0", b"A2B1", b"D2B0", b"D2B1")

# Where a profile has what each channel is in XYZ, and its curve.
COLUMNS, CURVES = (b"rXYZ", b"gXYZ", b"bXYZ"), (b"rTRC", b"gTRC", b"bTRC")
GREY_CURVE = b"kTRC"

# Numbers of a `para` curve, by its type.
PARAMETERS = (1, 3, 4, 5, 7)

# From linear sRGB to XYZ under D50, as profiles of sRGB have it in their 16 bits.
_SRGB = np.array(
    [
        [0.43606567, 0.38514709, 0.14306641],
        [0.22248840, 0.71687317, 0.06060791],
        [0.01391602, 0.09707642, 0.71409607],
    ]
)
TO_LINEAR = np.linalg.inv(_SRGB)

# A profile that changes no colour by more is sRGB.
ROUNDING = 1

# Pixels that are converted at a time: what is computed on the way takes much more.
TOGETHER = 2**18


def _encoded() -> np.ndarray:
    """Return the sRGB value of each 65535th of linear light, uint8."""
    light = np.arange(65536) / 65535
    curve = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )
    return np.floor(255 * curve + 0.5).astype(np.uint8)


def _probes() -> np.ndarray:
    """Return the colours by which a profile is compared to sRGB, shape (1, any, 3)."""
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    levels = np.array([0, 31, 63, 95, 127, 159, 191, 223, 255], np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    return np.concatenate([greys, lattice])[None]


ENCODED, PROBES = _encoded(), _probes()


@dataclass(frozen=True)
class _Plan:
    """What is done with the pixels; nothing at all where both ways are None."""

    table: np.ndarray | None = None
    transform: ImageCms.ImageCmsTransform | None = None
    problem: str = ""


def judge(picture: Image.Image) -> tuple[bool, str]:
    """Return whether a profile changes a picture, and what is wrong with it, if so."""
    plan = _plan_of(picture)
    return plan.table is not None or plan.transform is not None, plan.problem


def to_srgb(picture: Image.Image) -> Image.Image:
    """Return a loaded picture in sRGB, by its profile; the same one where none applies.

    Grey of more than 8 bits and floats are never changed. An alpha channel is kept.
    """
    plan = _plan_of(picture)
    if plan.table is None and plan.transform is None:
        return picture
    if plan.transform is not None and picture.mode == "CMYK":
        return plan.transform.apply(picture)
    alpha = None
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
    colours = picture.convert("RGB")
    if plan.table is not None:
        colours = Image.fromarray(convert(np.asarray(colours), plan.table))
    elif plan.transform is not None:
        colours = plan.transform.apply(colours.convert(plan.transform.input_mode))
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def convert(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return pixels, uint8, shape (any, any, 3), in sRGB; see `table_of`."""
    result = np.empty_like(image)
    rows = max(1, TOGETHER // image.shape[1])
    for top in range(0, len(image), rows):
        part = image[top : top + rows]
        light = table[0].take(part[..., 0], axis=0)
        light += table[1].take(part[..., 1], axis=0)
        light += table[2].take(part[..., 2], axis=0)
        places = (np.clip(light, 0, 1, out=light) * 65535 + 0.5).astype(np.int32)
        ENCODED.take(places, out=result[top : top + rows], mode="clip")
    return result


def table_of(profile: bytes) -> np.ndarray:
    """Return what each of 256 values of each channel adds to linear sRGB.

    Returns:
        float32, shape (3, 256, 3): channel, value, linear sRGB.

    Raises:
        ValueError: The profile is not one of a matrix and curves.
    """
    space = profile[16:20]
    count = int.from_bytes(profile[128:132], "big")
    entries = np.frombuffer(profile, ">u4", 3 * count, 132).reshape(-1, 3).tolist()
    tags = {int(s).to_bytes(4, "big"): profile[at : at + n] for s, at, n in entries}
    if (
        len(tags) < count
        or profile[36:40] != b"acsp"
        or profile[12:16] not in CLASSES
        or profile[20:24] != b"XYZ "
        or any(name in tags for name in TABLES)
        or any(at + size > len(profile) for _, at, size in entries)
    ):
        raise ValueError("not a profile of a matrix and curves")
    if space == GREY:
        light = _curve(tags.get(GREY_CURVE, b""))
        first = np.repeat(light[:, None], 3, axis=1)
        return np.stack([first, 0 * first, 0 * first]).astype(np.float32)
    if space != RGB:
        raise ValueError("neither of colours nor of grey")
    return np.stack(
        [
            _curve(tags.get(curve, b""))[:, None]
            * (TO_LINEAR @ _xyz(tags.get(xyz, b"")))
            for xyz, curve in zip(COLUMNS, CURVES)
        ]
    ).astype(np.float32)


def _xyz(tag: bytes) -> np.ndarray:
    if tag[:4] != b"XYZ ":
        raise ValueError("no colour")
    return np.frombuffer(tag, ">i4", 3, 8) / 65536


def _curve(tag: bytes) -> np.ndarray:
    """Return what a curve makes of 0 to 255, in [0, 1], float64."""
    values = np.arange(256) / 255
    with np.errstate(all="ignore"):
        if tag[:4] == b"curv":
            count = int.from_bytes(tag[8:12], "big")
            numbers = np.frombuffer(tag, ">u2", count, 12)
            if count < 2:
                light = values ** (numbers[0] / 256 if count else 1)
            else:
                places = np.arange(count) / (count - 1)
                light = np.interp(values, places, numbers / 65535)
        elif tag[:4] == b"para":
            light = _parametric(tag, values)
        else:
            raise ValueError("no curve")
    return np.clip(np.nan_to_num(light), 0, 1)


def _parametric(tag: bytes, x: np.ndarray) -> np.ndarray:
    kind = int.from_bytes(tag[8:10], "big")
    if kind >= len(PARAMETERS):
        raise ValueError("a curve of an unknown type")
    given = np.frombuffer(tag, ">i4", PARAMETERS[kind], 12) / 65536
    g, a, b, c, d, e, f = np.pad(given, (0, 7 - len(given)))
    if kind == 0:
        a = np.float64(1)
    if kind in (1, 2):
        c, d, e, f = np.float64(0), -b / a, c, c
    return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _plan_of(picture: Image.Image) -> _Plan:
    profile = picture.info.get("icc_profile", b"")
    if profile is None:
        return _Plan(problem="colour profile not used: it is damaged")
    deep = picture.mode == "F" or picture.mode.startswith("I")
    if not profile or deep or picture.mode == "LAB":
        return _Plan()
    modes = {"L": "L", "LA": "L", "La": "L", "1": "L", "CMYK": "CMYK"}
    return _plan(bytes(profile), modes.get(picture.mode, "RGB"))


@functools.lru_cache(maxsize=32)
def _plan(profile: bytes, mode: str) -> _Plan:
    """Return what a profile does to pixels of `L`, `RGB` or `CMYK`."""
    space = profile[16:20]
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return _Plan(problem="colour profile not used: it is damaged")
    # Grey under a profile of colours is taken for equal colours.
    other = space not in (RGB, GREY, CMYK) or (mode == "RGB" and space == GREY)
    if other or (mode == "CMYK") != (space == CMYK):
        name = space.decode("ascii", "replace").strip()
        return _Plan(problem=f"colour profile not used: of {name} for {mode}")
    try:
        table = table_of(profile)
        return _Plan(None if is_srgb(convert(PROBES, table)) else table)
    except ValueError:
        pass
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            {RGB: "RGB", GREY: "L", CMYK: "CMYK"}[space],
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        if space == RGB:
            if is_srgb(np.asarray(transform.apply(Image.fromarray(PROBES)))):
                return _Plan()
        return _Plan(transform=transform)
    except Exception:  # LittleCMS says no more than that it cannot.
        return _Plan(problem="colour profile not used: it is damaged")


def is_srgb(converted: np.ndarray) -> bool:
    """Tell whether the probes, once converted, are as before to within rounding."""
    return bool(np.abs(converted.astype(int) - PROBES).max() <= ROUNDING)
