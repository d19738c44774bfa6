"""A process of its own that asks a written model, as a server would load it.

``python -m tfpipeline.export.ask_process MODEL QUESTIONS SIGNATURE-or-ANSWERS``
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io, image_formats, image_io

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
        places: Of the encoded images, at least one.
        folder: For what the two processes tell each other.
        signature: Of those that take encoded images.

    Returns:
        What the signature answers, each output a list with an entry an image, and
        `seconds` of loading.

    Raises:
        RuntimeError: The process failed; what it said is in the message.
    """
    told: dict[str, Any] = {}
    for answers in stream(model, places, folder, signature):
        seconds = answers.pop("seconds")
        for key, value in answers.items():
            told.setdefault(key, []).extend(value)
    return {**told, "seconds": seconds}


def stream(
    model: Path, places: Sequence[Place], folder: Path, signature: str
) -> Iterator[dict[str, Any]]:
    """Yield what a SavedModel answers in a fresh process, a few images at a time.

    Args:
        model: A version.
        places: Of the encoded images, any number of them.
        folder: For what the two processes tell each other.
        signature: Of those that take encoded images.

    Yields:
        As `ask` returns, of the next images.

    Raises:
        RuntimeError: The process failed; what it said is in the message.
    """
    questions = folder / "questions.json"
    file_io.write_json(questions, list(places))
    with _started(model, questions, signature) as lines:
        yield from map(json.loads, lines)


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
    with _started(model, questions, str(answers)):
        pass
    return np.asarray(np.load(answers, allow_pickle=False))


@contextlib.contextmanager
def _started(model: Path, questions: Path, word: str) -> Iterator[Iterable[str]]:
    """Start the process, give the lines that it writes, and see that it ends well."""
    argv = [sys.executable, "-m", __name__, str(model), str(questions), word]
    # It finds this package where this process found it.
    found = os.pathsep.join(path for path in sys.path if path)
    env = {**os.environ, "PYTHONPATH": found}
    with (
        tempfile.TemporaryFile("w+", errors="replace") as chatter,
        subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=chatter, text=True, env=env
        ) as process,
    ):
        try:
            yield process.stdout or ()
        except BaseException:
            process.kill()
            raise
        if process.wait():
            chatter.seek(0)
            said = chatter.read()[-2000:].strip()
            last = said.splitlines()[-1] if said else f"code {process.returncode}"
            raise RuntimeError(f"{model.name} could not be asked: {last}\n{said}")


def main(argv: Sequence[str]) -> int:
    """Answer in this process.

    Args:
        argv: The model's folder or file, the file of questions, and the signature, or
            for a file that of the answers.

    Returns:
        The exit code.
    """
    import time

    model, questions = Path(argv[0]), Path(argv[1])
    if questions.suffix == ".npy":
        from tfpipeline.export import converters

        pixels = np.load(questions, allow_pickle=False).astype(np.float32) / 255
        np.save(argv[2], converters.run(model, pixels))
        return 0
    # Whatever else is printed here is no answer.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from tfpipeline.export import plain_json, signatures

    since = time.perf_counter()
    loaded = signatures.Loaded(model)
    seconds = time.perf_counter() - since
    text = questions.read_text(encoding="utf-8", errors="surrogateescape")
    places = json.loads(text)
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        contents = [image_io.content(Path(path), *at) for path, *at in some]
        found = _answered(lambda some: loaded(some, argv[2]), contents)
        told = {key: plain_json.plain(value.tolist()) for key, value in found.items()}
        lines.write(json.dumps({**told, "seconds": seconds}) + "\n")
        lines.flush()
    return 0


def _answered(
    ask: Callable[[Sequence[bytes]], dict[str, np.ndarray]], contents: Sequence[bytes]
) -> dict[str, np.ndarray]:
    """Return what is answered; what was refused for the others alone is asked again."""
    found = {name: np.array(value) for name, value in ask(contents).items()}
    for place, why in enumerate(found["error"].tolist()):
        if len(contents) > 1 and why.endswith(image_formats.TOGETHER.encode()):
            for name, value in ask([contents[place]]).items():
                found[name][place] = value[0]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
