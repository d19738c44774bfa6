"""What a call changes of its process, and puts back at its end."""

import contextlib
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

# What commands set for themselves.
_VARIABLES = (
    *("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_FORCE_GPU_ALLOW_GROWTH"),
    *("TF_CONFIG", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
_LOGGERS = ("tensorflow", "absl", "urllib3", "kserve", "uvicorn.error")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_OF_KERAS = ("global_random_seed", "global_seed_generator", "dtype_policy")


@contextlib.contextmanager
def preserve() -> Iterator[None]:
    """Leave the process after the block as it was before, however the block ends.

    That are the seeds of Python, NumPy, TensorFlow and Keras, Keras' precision, levels
    of loggers, filters of warnings, environment variables, and who hears signals. What
    cannot be undone stays: imported packages, devices that TensorFlow has started, how
    the C library keeps memory (`hardware.keep_freed`), and where a random operation of
    TensorFlow's that was given a seed of its own stands: that one begins again.
    """
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        stack.callback(_restore_keras, _keras_state())
        stack.callback(_restore_tensorflow, *_tensorflow_state())
        for number in _SIGNALS:
            stack.callback(_restore_signal, number, signal.getsignal(number))
        for logger in map(logging.getLogger, _LOGGERS):
            stack.callback(logger.setLevel, logger.level)
        for name in _VARIABLES:
            stack.callback(_restore_variable, name, os.environ.get(name))
        stack.callback(np.random.set_state, np.random.get_state())
        stack.callback(random.setstate, random.getstate())
        yield


def _restore_variable(name: str, value: str | None) -> None:
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


def _restore_signal(number: int, handler: Any) -> None:
    here = threading.current_thread() is threading.main_thread()
    if here and handler is not None:  # Else it is none of Python's.
        signal.signal(number, handler)


def _tensorflow_state() -> tuple[Any, Any]:
    """Return TensorFlow's global seed, and the state of its generator."""
    if "tensorflow" not in sys.modules:
        return None, None
    from tensorflow.python.eager import context

    source = getattr(context.context(), "_rng", None)
    return context.global_seed(), source and source.getstate()


def _restore_tensorflow(seed: Any, state: Any) -> None:
    if "tensorflow" in sys.modules:
        from tensorflow.python.eager import context

        context.set_global_seed(seed)
        if state is not None:
            context.context()._rng.setstate(state)


def _keras_state() -> dict[str, Any]:
    """Return Keras' precision and global seed, which has a setter alone."""
    if "keras" not in sys.modules:
        return dict.fromkeys(_OF_KERAS)
    from keras.src.backend.common import global_state

    return {name: global_state.get_global_attribute(name) for name in _OF_KERAS}


def _restore_keras(values: dict[str, Any]) -> None:
    if "keras" in sys.modules:
        from keras.src.backend.common import global_state

        for name, value in values.items():
            global_state.set_global_attribute(name, value)
