"""Sending many images to a server: several requests under way, and nothing lost."""

import functools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tfpipeline.config.serving import ServerSettings
from tfpipeline.core import progress
from tfpipeline.core.errors import UserError
from tfpipeline.export.protocol import Answer
from tfpipeline.predict.client import MAX_MESSAGE_BYTES, Send, Unreachable

# A message has a little more in it than images; in REST they are a third longer.
MOST_MEGABYTES = MAX_MESSAGE_BYTES * 0.7 / 1e6

NOT_ASKED = "not asked"


class Incomplete(Exception):
    """Not every image could be asked about: results, one an image, and the cause."""

    def __init__(self, results: list[Any], cause: BaseException) -> None:
        super().__init__(str(cause))
        self.results, self.cause = results, cause


class Lazy:
    """Asks what is opened when it is first needed, or while there is time for it.

    Args:
        opened: Opens it, once.
    """

    def __init__(self, opened: Callable[[], Callable[[Any], Any]]) -> None:
        self.open = functools.cache(opened)

    def __call__(self, files: Any) -> Any:
        return self.open()(files)


# The places of some images, and their contents.
_Batch = tuple[list[int], list[bytes]]
_Done = tuple[list[int], list[Answer] | BaseException]


def ask(
    send: Send, contents: Sequence[Callable[[], bytes]], settings: ServerSettings
) -> list[Answer]:
    """Return the answers to any number of images, in order, read when their turn comes.

    Raises:
        UserError: A setting is out of range, or not one image was answered: the server
            cannot be reached, or refuses.
        Incomplete: Some were answered. What the server refuses leaves other requests as
            they are; after one that did not reach it, none is sent any more.
    """
    _check(settings)
    answers: list[Answer | None] = [None] * len(contents)
    causes: list[BaseException] = []
    try:
        _send_all(send, contents, settings, answers, causes)
    except KeyboardInterrupt as interrupt:
        # Requests under way end with the process: it does not wait for them.
        causes.insert(0, interrupt)
    if not causes:
        return [answer for answer in answers if answer is not None]
    why = f"{NOT_ASKED}: " + (str(causes[0]) or "interrupted")
    results = [answer or Answer((), (), why) for answer in answers]
    if not any(answer.labels for answer in results):
        raise causes[0]
    raise Incomplete(results, causes[0])


def _check(settings: ServerSettings) -> None:
    for name in ("batch_size", "parallel"):
        if getattr(settings, name) < 1:
            raise UserError(
                f"--server.{name}: expected a positive number. Received: "
                f"{getattr(settings, name)}."
            )
    if not 0 < settings.batch_megabytes <= MOST_MEGABYTES:
        raise UserError(
            f"--server.batch_megabytes: expected a number up to {MOST_MEGABYTES:.0f}. "
            f"Received: {settings.batch_megabytes}."
        )


def _send_all(
    send: Send,
    contents: Sequence[Callable[[], bytes]],
    settings: ServerSettings,
    answers: list[Answer | None],
    causes: list[BaseException],
) -> None:
    """Fill in the answers, and why some are missing."""
    done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
    batches = _batches(contents, settings, answers)
    under_way = 0
    with progress.bar(len(contents), "predict", "image") as bar:
        while True:
            # So few are under way that no more than they lie in memory.
            while under_way < settings.parallel and not _is_over(answers, causes):
                if (batch := next(batches, None)) is None:
                    break
                # A thread that Python waits for at its end would hold up Ctrl-C.
                args = send, batch, done
                threading.Thread(target=_send, args=args, daemon=True).start()
                under_way += 1
            if not under_way:
                break
            places, reply = done.get()
            under_way -= 1
            if isinstance(reply, BaseException):
                causes.append(reply)
                reply = [Answer((), (), f"not answered: {reply}")] * len(places)
            else:
                bar.update(len(reply))
            for place, answer in zip(places, reply):
                answers[place] = answer
    for error in causes:
        if not isinstance(error, UserError):
            raise error


def _send(send: Send, batch: _Batch, done: "queue.SimpleQueue[_Done]") -> None:
    places, contents = batch
    try:
        done.put((places, send(contents)))
    except BaseException as error:
        done.put((places, error))


def _is_over(answers: Sequence[Answer | None], causes: list[BaseException]) -> bool:
    """Tell whether it makes no sense to send more."""
    if not causes:
        return False
    answered = any(answer is not None and answer.labels for answer in answers)
    return not answered or any(isinstance(cause, Unreachable) for cause in causes)


def _batches(
    contents: Sequence[Callable[[], bytes]],
    settings: ServerSettings,
    answers: list[Answer | None],
) -> Iterator[_Batch]:
    """Yield images that are sent together; answer those that no message can hold."""
    most = settings.batch_megabytes * 1e6
    places: list[int] = []
    batch: list[bytes] = []
    size = 0
    for place, read in enumerate(contents):
        content = read()
        if len(content) > MOST_MEGABYTES * 1e6:
            why = f"file of more than {MOST_MEGABYTES:.0f} MB, too large to be sent"
            answers[place] = Answer((), (), why)
            continue
        if batch and (len(batch) == settings.batch_size or size + len(content) > most):
            yield places, batch
            places, batch, size = [], [], 0
        places.append(place)
        batch.append(content)
        size += len(content)
    if batch:
        yield places, batch
