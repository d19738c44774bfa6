"""A call leaves the process as it was: what was drawn next is drawn next."""

import gc
import locale
import logging
import os
import random
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import matplotlib
import numpy as np
import pytest
import tensorflow as tf

import tfpipeline
from tests.conftest import Trained
from tfpipeline.api import process_state
from tfpipeline.demo import world

Call = Callable[[tfpipeline.Run, Path, Path], Any]


def refused(call: Callable[[], Any]) -> None:
    with pytest.raises(tfpipeline.UserError):
        call()


CALLS: dict[str, Call] = {
    "Run.predict": lambda run, picture, out: run.predict(picture),
    "Run.sample": lambda run, picture, out: run.sample(2),
    "predict": lambda run, picture, out: tfpipeline.predict(model=run, images=picture),
    "evaluate": lambda run, picture, out: run.evaluate(),
    "synthesize": lambda run, picture, out: run.synthesize(
        "teapot", synthesis={"steps": 1}, output=out
    ),
    "audit": lambda run, picture, out: tfpipeline.audit(
        source=picture.parent.parent, output=out
    ),
    "train, refused": lambda run, picture, out: refused(
        lambda: tfpipeline.train({"data.source": "nowhere", "workdir": out})
    ),
    "synthesize, refused": lambda run, picture, out: refused(
        lambda: run.synthesize("unheard of", output=out)
    ),
}


def state() -> dict[str, Any]:
    """Return what a process has of its own, as far as it can be compared."""
    return {
        "variables": dict(os.environ),
        "filters": list(warnings.filters),
        "levels": {
            name: logging.getLogger(name).level
            for name in ("", "tensorflow", "absl", "urllib3", "matplotlib")
        },
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "keras": (
            keras.config.dtype_policy().name,
            keras.config.image_data_format(),
            keras.config.floatx(),
            keras.config.epsilon(),
        ),
        "matplotlib": dict(matplotlib.rcParams),
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "garbage": (gc.isenabled(), gc.get_threshold()),
    }


def draws() -> list[float]:
    return [
        random.random(),
        float(np.random.uniform()),
        float(tf.random.uniform([])),
        float(keras.random.uniform([])),
        float(keras.layers.Dense(1)(np.ones((1, 1), np.float32))[0, 0]),
    ]


@pytest.fixture
def unusual() -> Iterator[None]:
    """Set everything otherwise than a command does."""
    with process_state.preserve():
        keras.config.set_dtype_policy("mixed_bfloat16")
        logging.getLogger("tensorflow").setLevel(logging.INFO)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        warnings.filterwarnings("ignore", "mine")
        os.environ.pop("TF_FORCE_GPU_ALLOW_GROWTH", None)
        yield


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "evaluate" else ())
        for name in CALLS
    ],
)
def test_a_call_leaves_everything_as_it_was(
    name: str, unusual: None, small_run: Trained, tmp_path: Path
) -> None:
    world.write_folder(tmp_path / "new", ["rocket", "teapot"], 1, seed=77)
    picture = tmp_path / "new" / "rocket" / "00000.png"
    run = tfpipeline.Run.load(shutil.copytree(small_run.path, tmp_path / "run"))
    keras.utils.set_random_seed(17)
    first = draws()
    second = draws()
    keras.utils.set_random_seed(17)
    assert draws() == first
    before = state()
    CALLS[name](run, picture, tmp_path / "out")
    assert state() == before
    assert draws() == second


def test_without_a_seed_there_is_none_afterwards() -> None:
    from tensorflow.python.eager import context

    context.set_global_seed(None)
    with process_state.preserve():
        keras.utils.set_random_seed(3)
    assert context.global_seed() is None
    assert len({float(tf.random.uniform([])) for _ in range(4)}) == 4


def test_what_ends_badly_is_put_back_as_well(unusual: None) -> None:
    before = state()
    with pytest.raises(KeyboardInterrupt), process_state.preserve():
        keras.config.set_dtype_policy("float32")
        os.environ["TF_CONFIG"] = "{}"
        raise KeyboardInterrupt
    assert state() == before
