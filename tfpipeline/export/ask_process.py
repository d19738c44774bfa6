"""A separate process that asks a written model, as a server would load it.

``python -m tfpipeline.export.ask_process MODEL QUESTIONS SIGNATURE-or-ANSWERS``
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io, image_formats, image_io
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import protocol

# Images that are sent together.
TOGETHER = 16


def ask(model: Path, files: Iterable[Row]) -> dict[str, Any]:
    """Return what `stream` yields of all images, and the `seconds` of loading."""
    answers: dict[str, Any] = {}
    for part in stream(model, files, protocol.SIGNATURE):
        seconds = part.pop("seconds")
        for key, value in part.items():
            answers.setdefault(key, []).extend(value)
    return {**answers, "seconds": seconds}


def stream(
    model: Path, files: Iterable[Row], signature: str
) -> Iterator[dict[str, Any]]:
    """Yield what a SavedModel answers in a fresh process, a few images at a time.

    Of outputs, each is a list with an entry an image; `seconds` are those of loading.

    Raises:
        RuntimeError: The process failed; what it printed is in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        questions = Path(folder) / "questions.json"
        places = [(row.path, row.offset, row.length) for row in files]
        file_io.write_json(questions, places)
        with _process(model, questions, signature) as lines:
            yield from map(json.loads, lines)


def ask_pixels(model: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of a converted classifier, asked in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        questions, answers = Path(folder) / "questions.npy", f"{folder}/answers.npz"
        np.save(questions, pixels)
        with _process(model, questions, answers):
            pass
        with np.load(answers, allow_pickle=False) as kept:
            return {name: np.asarray(kept[name]) for name in kept.files}


@contextlib.contextmanager
def _process(model: Path, questions: Path, word: str) -> Iterator[Iterable[str]]:
    """Start the process, give the lines that it writes, and see that it ends well."""
    argv = [sys.executable, "-m", __name__, str(model), str(questions), word]
    # It finds this package where this process found it.
    path = os.pathsep.join(folder for folder in sys.path if folder)
    env, pipe = {**os.environ, "PYTHONPATH": path}, subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+", errors="replace") as stderr,
        subprocess.Popen(
            argv, stdout=pipe, stderr=stderr, text=True, env=env
        ) as process,
    ):
        try:
            yield process.stdout or ()
        except BaseException:
            process.kill()
            raise
        if process.wait():
            stderr.seek(0)
            text = stderr.read()[-2000:].strip()
            last = text.splitlines()[-1] if text else f"code {process.returncode}"
            raise RuntimeError(f"{model.name} could not be asked: {last}\n{text}")


def main(argv: Sequence[str]) -> int:
    """Answer in this process: see the module's first lines."""
    import time

    model, questions = Path(argv[0]), Path(argv[1])
    if questions.suffix == ".npy":
        from tfpipeline.export import converters

        pixels = np.load(questions, allow_pickle=False).astype(np.float32) / 255
        outputs: dict[str, Any] = converters.run(model, pixels)
        np.savez(argv[2], **outputs)
        return 0
    # Whatever else is printed here is no answer.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from tfpipeline.export import signatures

    since = time.perf_counter()
    loaded = signatures.Loaded(model)
    seconds = time.perf_counter() - since
    places = json.loads(questions.read_text(encoding="utf-8", errors="surrogateescape"))
    for first in range(0, len(places), TOGETHER):
        batch = places[first : first + TOGETHER]
        contents = [image_io.content(Path(path), *at) for path, *at in batch]
        outputs = _ask(partial(loaded, signature=argv[2]), contents)
        answers = {k: protocol.plain(value.tolist()) for k, value in outputs.items()}
        lines.write(json.dumps({**answers, "seconds": seconds}) + "\n")
        lines.flush()
    return 0


def _ask(
    ask: Callable[[Sequence[bytes]], dict[str, np.ndarray]], contents: Sequence[bytes]
) -> dict[str, np.ndarray]:
    """Return what is answered; what was refused for the others alone is asked again."""
    outputs = {name: np.array(value) for name, value in ask(contents).items()}
    for place, why in enumerate(outputs["error"].tolist()):
        if len(contents) > 1 and why.endswith(image_formats.TOGETHER.encode()):
            for name, value in ask([contents[place]]).items():
                outputs[name][place] = value[0]
    return outputs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
