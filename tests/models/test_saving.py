"""A saved classifier: names inside, whole or not at all, without this package."""

import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models.test_classifier import IMAGES, build
from tfpipeline.core.brightness import WHOLE, Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.models import saving

PLAIN = """
import sys, os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
np.save(sys.argv[3], model(np.load(sys.argv[2])))
assert not any(name.startswith("tfpipeline") for name in sys.modules)
"""


@pytest.mark.slow
def test_plain_keras_loads_it_in_safe_mode(tmp_path: Path) -> None:
    model = build(hidden=[4], batch_norm=True)
    saving.save_classifier(tmp_path / "m.keras", model, ["a", "b", "c"])
    np.save(tmp_path / "x.npy", IMAGES)
    files = [str(tmp_path / name) for name in ("m.keras", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", PLAIN, *files], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(IMAGES), atol=1e-6)


def test_names_that_are_not_ascii_come_back(tmp_path: Path) -> None:
    names = ("\u6c49\u5b57", "with space", "\u00e9t\u00e9")
    saving.save_classifier(tmp_path / "m.keras", build(), names)
    assert saving.load_classifier(tmp_path / "m.keras")[1] == names


def test_ranges_come_back_and_earlier_models_have_the_full_ones(tmp_path: Path) -> None:
    file, names = tmp_path / "m.keras", ["a", "b", "c"]
    ranges = Ranges((("float32", -1, 1), ("uint16", 0, 4095)))
    saving.save_classifier(file, build(), names, ranges)
    assert saving.load_ranges(file) == ranges
    assert saving.load_classifier(file)[1] == tuple(names)
    saving.save_classifier(file, build(), names)
    assert saving.load_ranges(file) == WHOLE
    # One that was written before there were ranges.
    build().save(file)
    assert saving.load_ranges(file) == WHOLE
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="m.keras.*Train again"):
        saving.load_ranges(file)


def test_a_truncated_model_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "m.keras"
    saving.save_classifier(file, build(), ["a", "b", "c"])
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="m.keras.*Train again"):
        saving.load_classifier(file)


def test_a_model_without_names_or_with_too_few_is_refused(tmp_path: Path) -> None:
    build().save(tmp_path / "bare.keras")
    with pytest.raises(UserError, match="bare.keras"):
        saving.load_classifier(tmp_path / "bare.keras")
    with zipfile.ZipFile(tmp_path / "bare.keras", "a") as archive:
        archive.writestr("labels.txt", "a\nb\n")
    with pytest.raises(UserError, match="2 names for 3 logits"):
        saving.load_classifier(tmp_path / "bare.keras")


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    run = tmp_path / "has_run"
    image = keras.Input((4, 4, 3))
    harm = keras.layers.Lambda(
        lambda x, path=str(run): (open(path, "w").close(), x)[1], output_shape=(4, 4, 3)
    )
    flat = keras.layers.GlobalAveragePooling2D()(harm(image))
    model = keras.Model(image, keras.layers.Dense(2)(flat))
    run.unlink(missing_ok=True)
    saving.save_classifier(tmp_path / "m.keras", model, ["a", "b"])
    with pytest.raises(UserError, match="cannot be read"):
        saving.load_classifier(tmp_path / "m.keras")
    assert not run.exists()
