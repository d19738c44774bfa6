"""The segments of a JPEG and the chunks of a PNG, walked inside a graph.

By the rules of `orientation`, which has the same in Python.
"""

from dataclasses import dataclass

import tensorflow as tf

from tfpipeline.core import orientation

_EXIF_APP = 0xE1

# Where something begins and ends, in bytes.
_Place = tuple[tf.Tensor, tf.Tensor]
# See `Chunks`: packed, keys, late; and whether pixels have come.
_Seen = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


@dataclass(frozen=True)
class Chunks:
    """What the chunks of a PNG say; all of it scalar tensors.

    Args:
        orientation: 1 to 8, int32.
        packed: Whether it may stand in compressed text instead.
        keys: How often a colour or some are made transparent, int32.
        late: Whether that comes behind pixels.
    """

    orientation: tf.Tensor
    packed: tf.Tensor
    keys: tf.Tensor
    late: tf.Tensor


def number(raw: tf.Tensor, *, big: bool = False) -> tf.Tensor:
    """Return the number that 2 or 4 bytes are, int32; the lowest byte comes first.

    Args:
        raw: uint8, shape (2,) or (4,).
        big: Whether the highest byte comes first instead.
    """
    values = tf.cast(raw[::-1] if big else raw, tf.int32)
    shifts = 8 * tf.range(tf.size(values))
    return tf.reduce_sum(tf.bitwise.left_shift(values, shifts))


def jpeg_orientation(content: tf.Tensor, raw: tf.Tensor) -> tf.Tensor:
    """Return the orientation of a JPEG, 1 to 8, int32.

    Args:
        content: The file, a scalar string.
        raw: The same, uint8.
    """
    size = tf.size(raw)
    nothing = tf.zeros(2, tf.int32)

    def under_way(at: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        def marker() -> tf.Tensor:
            return (raw[at] != 0xFF) | (raw[at + 1] != orientation.PIXELS)

        return tf.cond(at + 4 <= size, marker, lambda: tf.constant(False))

    def step(at: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor) -> tuple[tf.Tensor, ...]:
        code = tf.cast(raw[at + 1], tf.int32)
        skipped = (raw[at] != 0xFF) | (code == 0xFF)
        length = number(raw[at + 2 : at + 4], big=True)
        bare = tf.reduce_any(code == tf.constant(orientation.BARE)) | (length < 2)
        end = at + 2 + length
        mine = ~skipped & ~bare & (code == _EXIF_APP) & (end <= size)
        place = at + 4, tf.where(mine, end, at + 4)

        def named(known: tf.Tensor, word: bytes) -> tf.Tensor:
            found = _starts(content, word, place)
            return _first(known, found, (place[0] + len(word), place[1]))

        exif = named(exif, orientation.EXIF)
        xmp = named(xmp, orientation.XMP_JPEG)
        after = tf.where(skipped, at + 1, tf.where(bare, at + 2, end))
        return after, exif, xmp

    _, exif, xmp = tf.while_loop(
        under_way,
        step,
        (tf.constant(0), nothing, nothing),
        parallel_iterations=1,
        maximum_iterations=orientation.MOST_SEGMENTS,
    )
    return tf.maximum(_said(raw, exif, xmp), 1)


def png_chunks(content: tf.Tensor, raw: tf.Tensor) -> Chunks:
    """Return what the chunks of a PNG say.

    Args:
        content: The file, a scalar string.
        raw: The same, uint8.
    """
    size = tf.size(raw)
    nothing, no = tf.zeros(2, tf.int32), tf.constant(False)

    def step(
        at: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor, seen: _Seen
    ) -> tuple[tf.Tensor, ...]:
        length = number(raw[at : at + 4], big=True)
        whole = (length >= 0) & (length <= size - at - 12)
        end = at + 8 + tf.where(whole, length, 0)
        kind = tf.where(whole, tf.strings.substr(content, at + 4, 4), "")

        def other() -> tuple[tf.Tensor, ...]:
            return _chunk(content, kind, (at + 8, end), exif, xmp, seen)

        def pixels() -> tuple[tf.Tensor, ...]:
            return exif, xmp, (*seen[:3], tf.constant(True))

        found = tf.cond(kind == b"IDAT", pixels, other)
        return tf.where(whole, end + 4, size), *found

    _, exif, xmp, (packed, keys, late, _) = tf.while_loop(
        lambda at, *_: at + 12 <= size,
        step,
        (tf.constant(8), nothing, nothing, (no, tf.constant(0), no, no)),
        parallel_iterations=1,
        maximum_iterations=orientation.MOST_CHUNKS,
    )
    turn = _said(raw, exif, xmp)
    return Chunks(tf.maximum(turn, 1), packed & (turn == 0), keys, late)


def _chunk(
    content: tf.Tensor,
    kind: tf.Tensor,
    place: _Place,
    exif: tf.Tensor,
    xmp: tf.Tensor,
    seen: _Seen,
) -> tuple[tf.Tensor, ...]:
    """Return what is known after a chunk that has no pixels."""
    packed, keys, late, pixels = seen
    text = tf.reduce_any(kind == tf.constant([b"tEXt", b"zTXt", b"iTXt"]))
    named = (kind == b"iTXt") & _starts(content, orientation.XMP_PNG, place)
    plain = named & _starts(content, orientation.XMP_PNG + b"\x00", place)
    packed |= text & _starts(content, orientation.PACKED, place) | named & ~plain
    key = kind == b"tRNS"
    return (
        _first(exif, kind == b"eXIf", place),
        _first(xmp, plain, place),
        (packed, keys + tf.cast(key, tf.int32), late | key & pixels, pixels),
    )


def _first(known: tf.Tensor, found: tf.Tensor, place: _Place) -> tf.Tensor:
    """Return where something stands: where it was found first, unless that is empty."""
    empty = known[0] >= known[1]
    return tf.where(found & empty, tf.stack(place), known)


def _starts(content: tf.Tensor, word: bytes, place: _Place) -> tf.Tensor:
    """Tell whether a part of a file begins with a word."""
    start, end = place
    length = tf.minimum(end - start, len(word))
    return tf.strings.substr(content, start, length) == word


def _said(raw: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor) -> tf.Tensor:
    """Return the orientation by EXIF, else by XMP; 0 where neither says one."""
    first = _of_block(raw[exif[0] : exif[1]])
    return tf.cond(first > 0, lambda: first, lambda: _of_xmp(raw[xmp[0] : xmp[1]]))


def _of_block(block: tf.Tensor) -> tf.Tensor:
    """Return what the directory behind a TIFF header says; 0 where that is nothing."""
    twice = _begins(block, orientation.EXIF)
    block = block[tf.where(twice, len(orientation.EXIF), 0) :]
    big = _begins(block, b"MM\x00*")
    known = (big | _begins(block, b"II*\x00")) & (tf.size(block) >= 8)

    def read() -> tf.Tensor:
        start = _either(block[4:8], big)
        there = (start >= 8) & (start <= tf.size(block) - 2)
        return tf.cond(there, lambda: _of_entries(block, start, big), _zero)

    return tf.cond(known, read, _zero)


def _of_entries(block: tf.Tensor, start: tf.Tensor, big: tf.Tensor) -> tf.Tensor:
    """Return what a directory says; 0 where it says nothing."""
    most = (tf.size(block) - start - 2) // 12
    entries = tf.minimum(_either(block[start : start + 2], big), most)
    table = tf.reshape(block[start + 2 : start + 2 + 12 * entries], (-1, 12))

    def column(at: int, size: int) -> tf.Tensor:
        places = [at + i for i in range(size)]
        part = tf.cast(tf.gather(table, places, axis=1), tf.int32)
        part = tf.where(big, part, part[:, ::-1])
        shifts = 8 * tf.range(size - 1, -1, -1)
        return tf.reduce_sum(tf.bitwise.left_shift(part, shifts), axis=1)

    def is_of(kinds: tuple[int, ...], counts: tuple[int, ...]) -> tf.Tensor:
        fits = tf.reduce_any(column(2, 2)[:, None] == tf.constant(kinds), axis=1)
        return fits & tf.reduce_any(
            column(4, 4)[:, None] == tf.constant(counts), axis=1
        )

    short, long = is_of(orientation.SHORTS, (1, 2)), is_of(orientation.LONGS, (1,))
    values = tf.where(short, column(8, 2), column(8, 4))
    mine = values[(column(0, 2) == orientation.TAG) & (short | long)]
    return tf.cond(tf.size(mine) > 0, lambda: _sane(mine[0]), _zero)


def _of_xmp(packet: tf.Tensor) -> tf.Tensor:
    """Return what a packet of XMP says; 0 where it says nothing."""
    word = orientation.XMP_TAG
    after = places(packet, word) + len(word)
    padded = tf.concat([packet, tf.zeros(3, tf.uint8)], 0)
    one, two, three = (tf.gather(padded, after + i) for i in range(3))
    quoted = (one == ord("=")) & ((two == ord('"')) | (two == ord("'")))
    digit = tf.where(quoted, three, two)
    good = (quoted | (one == ord(">"))) & (digit >= ord("0")) & (digit <= ord("9"))
    found = tf.cast(digit[good], tf.int32) - ord("0")
    return tf.cond(tf.size(found) > 0, lambda: _sane(found[0]), _zero)


def _zero() -> tf.Tensor:
    return tf.constant(0)


def _sane(value: tf.Tensor) -> tf.Tensor:
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _begins(raw: tf.Tensor, word: bytes) -> tf.Tensor:
    """Tell whether bytes begin with a word."""
    part = raw[: len(word)]
    same = tf.cond(
        tf.size(part) == len(word),
        lambda: tf.reduce_all(part == tf.constant(list(word), tf.uint8)),
        lambda: tf.constant(False),
    )
    return same


def _either(raw: tf.Tensor, big: tf.Tensor) -> tf.Tensor:
    """Return the number that bytes are, whose order is known in the graph."""
    return number(tf.where(big, raw, raw[::-1]), big=True)


def places(raw: tf.Tensor, word: bytes) -> tf.Tensor:
    """Return where some bytes stand in others, int32, in order.

    Args:
        raw: uint8, shape (any,).
        word: At least one byte.
    """
    last = tf.maximum(0, tf.size(raw) - len(word) + 1)
    found = tf.cast(tf.where(raw[:last] == word[0])[:, 0], tf.int32)
    same = tf.ones_like(found, tf.bool)
    for offset, byte in enumerate(word):
        same &= tf.gather(raw, found + offset) == byte
    return found[same]
