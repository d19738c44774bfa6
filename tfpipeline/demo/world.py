"""The drawn world: pictures of named classes, each made from a seed and a number."""

import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tfpipeline.core import contact_sheets, disk, hardware, image_io, staging
from tfpipeline.core.errors import unknown
from tfpipeline.demo import scene
from tfpipeline.demo.pretraining_classes import KNOWN_OBJECTS
from tfpipeline.demo.transfer_classes import NEW_OBJECTS

# Part of every cached picture's path: raise it when a drawing changes.
WORLD_VERSION = "world1"

OBJECTS = {**KNOWN_OBJECTS, **NEW_OBJECTS}

# What the shipped backbone was pretrained on, in the order of its logits.
PRETRAINING_CLASSES = tuple(sorted(KNOWN_OBJECTS))

# What the source `demo` holds: objects that the backbone has never seen.
TRANSFER_CLASSES = tuple(sorted(NEW_OBJECTS))

WEIGHTS_FILE = Path(__file__).with_name("mobilenet_v2_0.35_96_demo.npz")


def draw(
    class_name: str, indices: Sequence[int], seed: int, size: int = 96
) -> np.ndarray:
    """Draw some pictures of a class, uint8 RGB, shape (len(indices), size, size, 3).

    A picture depends on its class, its number, the seed and the size alone: any part of
    a set can be drawn again by itself.
    """
    if class_name not in OBJECTS:
        raise unknown("drawn class", class_name, OBJECTS)
    pictures = [_picture(class_name, index, seed, size) for index in indices]
    return np.stack(pictures) if pictures else np.zeros((0, size, size, 3), np.uint8)


def _picture(class_name: str, index: int, seed: int, size: int) -> np.ndarray:
    rng = np.random.default_rng([seed, zlib.crc32(class_name.encode()), index])
    x, y = scene.grid(size)
    image, mean = scene.ground(rng, x, y)
    image = scene.clutter(rng, image, x, y, 5)
    u, v, scale = scene.pose(rng, x, y)
    parts = OBJECTS[class_name](u, v, lambda low, high: float(rng.uniform(low, high)))
    image = scene.place(rng, image, mean, parts, scale)
    image = scene.clutter(rng, image, x, y, 1)
    return scene.photograph(rng, image)


def write_folder(
    folder: Path, classes: Sequence[str], per_class: int, seed: int, size: int = 96
) -> None:
    """Write pictures as PNG files into class folders, all of them or none."""
    jobs = [(name, index) for name in classes for index in range(per_class)]

    def one(number: int) -> np.ndarray:
        name, index = jobs[number]
        return np.asarray(draw(name, [index], seed, size)[0])

    write_pictures(folder, [f"{name}/{index:05d}.png" for name, index in jobs], one)


def write_pictures(
    folder: Path,
    files: Sequence[str],
    draw_one: Callable[[int], np.ndarray],
    last: Callable[[Path], None] | None = None,
) -> None:
    """Write pictures into a new folder, all of them or none.

    Args:
        folder: Where they are in the end.
        files: Name of each within the folder.
        draw_one: From a picture's number to the picture.
        last: Writes what else there is, into the folder that it is given.
    """

    def write(number: int) -> None:
        picture = draw_one(number)
        image_io.save_png(half_done / files[number], picture, durable=False)

    with staging.beside(folder) as half_done:
        with ThreadPoolExecutor(hardware.cores()) as pool:
            list(pool.map(write, range(len(files))))
        if last is not None:
            last(half_done)
        disk.sync_all(half_done)
        try:
            os.replace(half_done, folder)
        except OSError:
            # Another process may have drawn the same meanwhile.
            if not folder.is_dir():
                raise


def contact_sheet(per_class: int = 4, seed: int = 0, size: int = 96) -> np.ndarray:
    """Return one picture with some examples of every class of the drawn world."""
    names = PRETRAINING_CLASSES + TRANSFER_CLASSES
    pictures = [p for name in names for p in draw(name, range(per_class), seed, size)]
    captions = [name for name in names for _ in range(per_class)]
    return contact_sheets.contact_sheet(pictures, captions, columns=4 * per_class)
