"""Which copies of pictures are found, what else is taken for one, and how fast.

python benchmarks/near_copies.py FOLDER ... [--every 3] [--thumbnails 10000 100000]
    [--sheets FOLDER] [--output FILE.json]

Of every third picture below each folder copies are written: made smaller, in another
format, recompressed, cut, made brighter. `recall` is the share of each kind that lands
in one group with its picture, with its interval (Wilson, 95 %); `promised` counts all
kinds that docs/data.md promises together, and `precision` which share of what lands in
one group was made a copy of it. `pairs` are those among the pictures themselves that
are no equal files; whether they are right only the eye can tell: `--sheets` draws them.

With the library `imagehash`, its hashes of the same pictures beside: at how many bits
95 % of the copies of each kind that a hash should know are found, and how many pairs of
pictures that are not equal files it takes for copies then.

At last the search alone, among so many drawn thumbnails (noise with the spectrum of
photographs), one in twenty of them a copy of another: in seconds of one core's time.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance
from results import tell

from tfpipeline.core import contact_sheets, image_io
from tfpipeline.data import duplicates, near_copies, scan, thumbnails
from tfpipeline.data.scan_cache import Row
from tfpipeline.metrics import significance


def _smaller(picture: Image.Image, share: float) -> Image.Image:
    size = [max(1, round(side * share)) for side in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _cut(picture: Image.Image, *shares: float) -> Image.Image:
    """Return a picture without so much at the left, top, right and bottom."""
    left, top, right, bottom = shares
    width, height = picture.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return picture.crop((round(box[0]), round(box[1]), round(box[2]), round(box[3])))


# What a copy is, and how it is saved.
Change = Callable[[Image.Image], Image.Image]
KINDS: dict[str, tuple[Change, str, dict[str, int]]] = {
    "half": (lambda p: _smaller(p, 0.5), "jpg", {"quality": 90}),
    "quarter": (lambda p: _smaller(p, 0.25), "jpg", {"quality": 90}),
    "png": (lambda p: p, "png", {}),
    "half_png": (lambda p: _smaller(p, 0.5), "png", {}),
    "webp": (lambda p: p, "webp", {"quality": 80}),
    "quality_40": (lambda p: p, "jpg", {"quality": 40}),
    "quality_75": (lambda p: p, "jpg", {"quality": 75}),
    "square": (lambda p: p.resize((224, 224)), "jpg", {"quality": 90}),
    "cut_3_right": (lambda p: _cut(p, 0, 0, 0.03, 0), "jpg", {"quality": 90}),
    "cut_3_corner": (lambda p: _cut(p, 0.03, 0.03, 0, 0), "jpg", {"quality": 90}),
    "cut_3_all": (lambda p: _cut(p, *[0.03] * 4), "jpg", {"quality": 90}),
    "grey": (lambda p: p.convert("L"), "jpg", {"quality": 90}),
    "brighter_20": (
        lambda p: ImageEnhance.Brightness(p).enhance(1.2),
        *("jpg", {"quality": 90}),
    ),
    # Another picture, by what `docs/data.md` says.
    "mirrored": (lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "png", {}),
}


PROMISED = tuple(kind for kind in KINDS if kind not in ("brighter_20", "mirrored"))


def usable(folder: Path) -> list[Row]:
    """Return what an audit says of the usable pictures below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [row for row in scan.audit(files, cache=None) if not row.reason]


def write_copies(rows: list[Row], folder: Path) -> dict[str, list[Row]]:
    """Write copies of pictures, and return what an audit says of each kind."""
    for number, row in enumerate(rows):
        picture = Image.fromarray(image_io.decode(Path(row.path)))
        for kind, (change, suffix, how) in KINDS.items():
            (folder / kind).mkdir(exist_ok=True)
            change(picture).save(folder / kind / f"{number:06d}.{suffix}", **how)
    return {kind: usable(folder / kind) for kind in KINDS}


def recall(rows: list[Row], copies: list[Row]) -> dict[str, Any]:
    """Return which pictures are in one group with their copy, and who else is.

    `others` counts the pairs of one group whose pictures are no copies by what was
    done here; some are copies all the same, as `pairs` shows.
    """
    count, group = len(rows), dict[int, int]()
    alike = duplicates.near([*rows, *copies])
    for number, members in enumerate(alike):
        group |= dict.fromkeys(members, number)
    found = sum(group.get(i, -1) == group.get(count + i) for i in range(count))
    others = sum((i - j) % count > 0 for i, j in duplicates.pairs(alike))
    return {
        "pictures": count,
        "recall": found / count,
        "interval": significance.wilson(found, count),
        "others": others,
    }


def summary(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the recall of all that an audit promises to find, and its precision."""
    some = [found[kind] for kind in PROMISED]
    total = sum(row["pictures"] for row in some)
    hits = sum(round(row["recall"] * row["pictures"]) for row in some)
    others = sum(row["others"] for row in some)
    return {
        "recall": hits / total,
        "recall_interval": significance.wilson(hits, total),
        "precision": hits / (hits + others),
        "precision_interval": significance.wilson(hits, hits + others),
        "copies": total,
        "others": others,
    }


def other_pairs(rows: list[Row]) -> list[tuple[int, int]]:
    """Return the pairs that look alike and are no equal files."""
    pairs = duplicates.pairs(duplicates.near(rows))
    return [(i, j) for i, j in pairs if rows[i].sha256 != rows[j].sha256]


def sheet(rows: list[Row], pairs: list[tuple[int, int]]) -> np.ndarray:
    """Return some pairs side by side, with their names."""
    shown = [Path(rows[i].path) for pair in pairs[:60] for i in pair]
    pictures = [image_io.read(file, 96, 96, "pad") for file in shown]
    names = ["/".join(file.parts[-2:]) for file in shown]
    return contact_sheets.contact_sheet(pictures, names, 8)


def hashes(rows: list[Row], copies: dict[str, list[Row]]) -> dict[str, Any]:
    """Return what 64 bits take for copies where they find 95 % of each kind."""
    import imagehash

    def bits(name: str, some: list[Row]) -> np.ndarray:
        pictures = (Image.open(row.path).convert("RGB") for row in some)
        every = [getattr(imagehash, name)(picture).hash.ravel() for picture in pictures]
        return np.array(every, np.int8)

    found = {}
    digest = np.array([row.sha256 for row in rows])
    different = np.triu(digest[:, None] != digest, 1)
    for name in ("average_hash", "dhash", "phash", "whash"):
        own = bits(name, rows)
        known = {k: some for k, some in copies.items() if k != "mirrored"}
        apart = [(bits(name, some) != own).sum(axis=1) for some in known.values()]
        most = max(int(np.quantile(values, 0.95)) for values in apart)
        both = (own[:, None] != own).sum(axis=2)
        pairs = int(((both <= most) & different).sum())
        found[name] = {"bits": most, "pairs": pairs}
    return found


def drawn(count: int, seed: int = 0) -> list[str]:
    """Return so many thumbnails of noise, one in twenty a copy of another, changed."""
    random, side = np.random.default_rng(seed), thumbnails.SIDE
    waves = np.cos(np.outer(np.arange(side), np.arange(side) + 0.5) * np.pi / side)
    wavelength = 1 / np.hypot(*np.mgrid[:side, :side]).clip(1)
    texts: list[str] = []
    box = (0, 0, side, side)
    while len(texts) < count:
        noise = waves.T @ (random.normal(size=(side, side)) * wavelength) @ waves
        noise = 128 + 40 * (noise - noise.mean()) / noise.std()
        for copy in range(2 if len(texts) % 20 == 0 else 1):
            grey = noise + copy * random.normal(0, 1, noise.shape)
            image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
            texts.append(thumbnails.encode(image, box, 1))
    return texts[:count]


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--every", type=int, default=3)
    parser.add_argument("--thumbnails", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    result: dict[str, Any] = {"folders": {}, "search": {}}
    for folder in given.folders:
        rows = usable(folder)
        pairs = other_pairs(rows)
        if given.sheets and pairs:
            file = given.sheets / f"{folder.name}.png"
            image_io.save_png(file, sheet(rows, pairs))
        few = rows[:: given.every]
        with tempfile.TemporaryDirectory() as scratch:
            copies = write_copies(few, Path(scratch))
            found = {kind: recall(few, some) for kind, some in copies.items()}
            row = {"pictures": len(rows), "pairs": len(pairs), "kinds": found}
            row["promised"] = summary(found)
            if importlib.util.find_spec("imagehash"):
                row["imagehash"] = hashes(few, copies)
        result["folders"][folder.name] = row
    for count in given.thumbnails:
        texts, wall, core = drawn(count), time.perf_counter(), time.process_time()
        groups = near_copies.groups(texts)
        result["search"][count] = {
            "groups": len(groups),
            "core_seconds": time.process_time() - core,
            "seconds": time.perf_counter() - wall,
        }
    tell(result, given.output)


if __name__ == "__main__":
    main()
