"""What a call changes of its process while it goes on, and puts back at its end."""

import contextlib
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# What commands set for themselves.
_VARIABLES = (
    *("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH"),
    *("TF_CONFIG", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
_LOGGERS = ("tensorflow", "absl", "urllib3", "kserve", "uvicorn.error")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def preserved() -> Iterator[None]:
    """Leave the process after the block as it was before, however the block ends.

    That are the seeds of Python, NumPy, TensorFlow and Keras, Keras' precision, levels
    of loggers, filters of warnings, environment variables, and who hears signals. What
    cannot be undone stays: imported packages, devices that TensorFlow has started, how
    the C library keeps memory (`machine.keep_freed`), and where a random operation of
    TensorFlow's that was given a seed of its own stands: that one begins again.
    """
    before = [keep() for keep in (_python, _environment, _loggers, _signals)]
    before += [_tensorflow(), _keras()]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for restore in before:
                restore()


def _python() -> Callable[[], None]:
    state, of_numpy = random.getstate(), np.random.get_state()

    def restore() -> None:
        random.setstate(state)
        np.random.set_state(of_numpy)

    return restore


def _environment() -> Callable[[], None]:
    values = {name: os.environ.get(name) for name in _VARIABLES}

    def restore() -> None:
        for name, value in values.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    return restore


def _loggers() -> Callable[[], None]:
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}

    def restore() -> None:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)

    return restore


def _signals() -> Callable[[], None]:
    heard = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in heard.items():
                if handler is not None:  # Else it is none of Python's.
                    signal.signal(number, handler)

    return restore


def _tensorflow() -> Callable[[], None]:
    """Keep TensorFlow's global seed, for which it has a setter alone."""
    seed, source, state = None, None, None
    if "tensorflow" in sys.modules:
        from tensorflow.python.eager import context

        seed = context.global_seed()
        if (source := getattr(context.context(), "_rng", None)) is not None:
            state = source.getstate()

    def restore() -> None:
        if "tensorflow" not in sys.modules:
            return
        from tensorflow.python.eager import context

        context.set_global_seed(seed)
        if state is not None:
            context.context()._rng.setstate(state)

    return restore


def _keras() -> Callable[[], None]:
    """Keep Keras' precision, and its global seed, which has a setter alone."""
    names = ("global_random_seed", "global_seed_generator", "dtype_policy")
    values: dict[str, Any] = dict.fromkeys(names)
    if "keras" in sys.modules:
        from keras.src.backend.common import global_state

        values = {name: global_state.get_global_attribute(name) for name in names}

    def restore() -> None:
        if "keras" not in sys.modules:
            return
        from keras.src.backend.common import global_state

        for name, value in values.items():
            global_state.set_global_attribute(name, value)

    return restore
