"""A process of its own that asks a written model, as a server would load it.

``python -m tfpipeline.serving.asking MODEL QUESTIONS ANSWERS``
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import atomic, formats, images

# Images that are sent together.
TOGETHER = 16

# A file, where in it the image begins, and its length; 0 is the whole file.
Place = tuple[str, int, int]


def ask(
    model: Path,
    places: Sequence[Place],
    folder: Path,
    signature: str = "serving_default",
) -> dict[str, Any]:
    """Return what a SavedModel answers in a fresh process.

    Args:
        model: A version.
        places: Of the encoded images.
        folder: For what the two processes tell each other.
        signature: Of those that take encoded images.

    Returns:
        What the signature answers, each output a list with an entry an image, and
        `seconds` of loading.

    Raises:
        RuntimeError: The process failed; what it said is in the message.
    """
    questions, answers = folder / "questions.json", folder / "answers.json"
    atomic.write_json(questions, list(places))
    _run(model, questions, answers, signature)
    return dict(json.loads(answers.read_text(encoding="utf-8")))


def ask_pixels(model: Path, pixels: np.ndarray, folder: Path) -> np.ndarray:
    """Return what a converted classifier answers in a fresh process.

    Args:
        model: A file of `other_targets`.
        pixels: uint8, shape (n, height, width, 3).
        folder: For what the two processes tell each other.

    Returns:
        Probabilities, float32, shape (n, classes).

    Raises:
        RuntimeError: The process failed; what it said is in the message.
    """
    questions, answers = folder / "questions.npy", folder / "answers.npy"
    np.save(questions, pixels)
    _run(model, questions, answers)
    return np.asarray(np.load(answers, allow_pickle=False))


def _run(model: Path, questions: Path, answers: Path, *more: str) -> None:
    argv = [sys.executable, "-m", __name__, str(model), str(questions), str(answers)]
    argv += more
    # It finds this package where this process found it.
    found = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        argv, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": found}
    )
    if done.returncode:
        raise RuntimeError(f"{model} could not be asked:\n{done.stderr[-2000:]}")


def main(argv: Sequence[str]) -> int:
    """Answer in this process.

    Args:
        argv: The model's folder or file, the file of questions, and that of answers;
            then, for a folder, the signature.

    Returns:
        The exit code.
    """
    import time

    model, questions, answers = (Path(word) for word in argv[:3])
    if questions.suffix == ".npy":
        from tfpipeline.serving import other_targets

        pixels = np.load(questions, allow_pickle=False).astype(np.float32) / 255
        np.save(answers, other_targets.run(model, pixels))
        return 0
    from tfpipeline.serving import signatures, wording

    since = time.perf_counter()
    loaded = signatures.Loaded(model)
    seconds = time.perf_counter() - since
    text = questions.read_text(encoding="utf-8", errors="surrogateescape")
    places = json.loads(text)
    told: dict[str, Any] = {}
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        contents = [images.content(Path(path), *at) for path, *at in some]
        found = _answered(lambda some: loaded(some, argv[3]), contents)
        for key, value in found.items():
            told.setdefault(key, []).extend(wording.plain(value.tolist()))
    atomic.write_json(answers, {**told, "seconds": seconds})
    return 0


def _answered(
    ask: Callable[[Sequence[bytes]], dict[str, np.ndarray]], contents: Sequence[bytes]
) -> dict[str, np.ndarray]:
    """Return what is answered; what was refused for the others alone is asked again."""
    found = {name: np.array(value) for name, value in ask(contents).items()}
    for place, why in enumerate(found["error"].tolist()):
        if len(contents) > 1 and why.endswith(formats.TOGETHER.encode()):
            for name, value in ask([contents[place]]).items():
                found[name][place] = value[0]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
