"""ICC profiles of a matrix and curves, written as the standard says, for tests."""

import struct

import numpy as np

# Primaries, and what is white, as x and y.
D65, D50 = (0.3127, 0.3290), (0.3457, 0.3585)
PRIMARIES = {
    "sRGB": ([(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)], D65),
    "P3": ([(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)], D65),
    "Adobe": ([(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)], D65),
    "ProPhoto": ([(0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)], D50),
}
_ADAPTED = np.array([0.9642, 1.0, 0.8249])
_CONES = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def _xyz(place: tuple[float, float]) -> np.ndarray:
    x, y = place
    return np.array([x / y, 1, (1 - x - y) / y])


def matrix(name: str) -> np.ndarray:
    """Return the columns of some primaries in XYZ, adapted to D50 (Bradford)."""
    primaries, white = PRIMARIES[name]
    columns = np.stack([_xyz(place) for place in primaries], axis=1)
    columns *= np.linalg.solve(columns, _xyz(white))
    ratio = (_CONES @ _ADAPTED) / (_CONES @ _xyz(white))
    return np.linalg.inv(_CONES) @ np.diag(ratio) @ _CONES @ columns


def fixed(*values: float) -> bytes:
    """Return numbers as profiles have them: 16 bits before the point, 16 behind."""
    return struct.pack(f">{len(values)}i", *[round(v * 65536) for v in values])


def para(kind: int, *values: float) -> bytes:
    """Return a curve of a type by its numbers."""
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(*values)


def curv(*values: int) -> bytes:
    """Return a curve of a gamma in 8.8 bits, of nothing, or of a table of 16 bits."""
    count = len(values)
    return b"curv" + bytes(4) + struct.pack(f">I{count}H", count, *values)


SRGB_CURVE = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
GAMMA = {"Adobe": curv(round(2.19921875 * 256)), "ProPhoto": para(0, 1.8)}


def built(
    tags: dict[bytes, bytes], space: bytes = b"RGB ", pcs: bytes = b"XYZ "
) -> bytes:
    """Return a profile with some tags."""
    head = bytearray(128)
    head[8:12], head[12:16], head[16:20], head[20:24] = (
        *(b"\x04\x00\x00\x00", b"mntr"),
        *(space, pcs),
    )
    head[36:40], head[68:80] = b"acsp", fixed(*_ADAPTED)
    whole, table = b"", struct.pack(">I", len(tags))
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(whole), len(body))
        whole += body + bytes(-len(body) % 4)
    head[:4] = struct.pack(">I", start + len(whole))
    return bytes(head) + table + whole


def profile(name: str, curve: bytes | None = None) -> bytes:
    """Return a profile of colours by the name of its primaries."""
    curve = GAMMA.get(name, SRGB_CURVE) if curve is None else curve
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(*_ADAPTED)}
    for letter, column in zip(b"rgb", matrix(name).T):
        tags[b"%cXYZ" % letter] = b"XYZ " + bytes(4) + fixed(*column)
        tags[b"%cTRC" % letter] = curve
    return built(tags)


def grey(curve: bytes) -> bytes:
    """Return a profile of grey."""
    white = b"XYZ " + bytes(4) + fixed(*_ADAPTED)
    return built({b"wtpt": white, b"kTRC": curve}, b"GRAY")


def tables(space: bytes) -> bytes:
    """Return a profile that has a table of its corners: of inks, or of colours."""
    inks = {b"CMYK": 4, b"RGB ": 3}[space]
    corners = np.stack(np.meshgrid(*[[0, 1]] * inks, indexing="ij"), -1)
    corners = corners.reshape(-1, inks)
    # Lightness alone, as a share, then a and b in the middle, which is no colour.
    light = (1 - corners).prod(axis=1) if inks == 4 else corners.mean(axis=1)
    lab = np.stack([255 * light, 0 * light + 128, 0 * light + 128], axis=1)
    ramp = bytes(range(256))
    body = (
        b"mft1" + bytes(4) + bytes([inks, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    )
    body += ramp * inks + np.round(lab).astype(np.uint8).tobytes() + ramp * 3
    white = b"XYZ " + bytes(4) + fixed(*_ADAPTED)
    return built({b"wtpt": white, b"A2B0": body}, space, b"Lab ")
