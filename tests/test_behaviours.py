"""The page on behaviours: what it names exists, and the libraries do what it says."""

import configparser
import datetime
import io
import os
import re
import struct
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import jsonargparse
import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from packaging.requirements import Requirement
from PIL import Image

from tfpipeline.data.sources import listing

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "findings").glob("*.sh"))
LINES = (ROOT / "docs" / "behaviours.md").read_text().splitlines()
CELLS = [line.strip("| ").split(" | ") for line in LINES if line.startswith("| ")]
ROWS = [row for row in CELLS if row[0] != "expected"]
# As the page writes them, and as the index does.
INDEX = {"LiteRT": "ai-edge-litert", "ART": "adversarial-robustness-toolbox"}
INDEX |= {"TFDS": "tensorflow-datasets", "KerasHub": "keras-hub"}


def requirements() -> dict[str, Requirement]:
    """Return what `setup.cfg` allows of each package."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    texts = [config["options"]["install_requires"]]
    texts += config["options.extras_require"].values()
    lines = [line for line in "\n".join(texts).splitlines() if line.strip()]
    return {found.name: found for found in map(Requirement, lines)}


def test_every_row_says_all_five_things() -> None:
    assert len(ROWS) >= 40
    assert [row for row in ROWS if len(row) != 5 or not all(map(str.strip, row))] == []
    behaviours = [row[1] for row in ROWS]
    assert len(set(behaviours)) == len(behaviours)


def test_every_test_and_script_that_is_named_exists() -> None:
    text = "\n".join(LINES)
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) == text.count("::") > 40
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(), f"{file}::{name}"
    scripts = set(re.findall(r"`findings/(\w+\.sh)`", text))
    assert scripts == {script.name for script in SCRIPTS}


def test_versions_are_those_that_setup_allows() -> None:
    allowed = requirements()
    known = {name.lower(): name for name in (*allowed, *INDEX)}
    checked = set()
    for row in ROWS:
        for word, version in re.findall(r"([\w-]+) (\d+(?:\.\d+)+)", row[2]):
            name = known.get(word.lower())
            package = allowed.get(INDEX.get(str(name), str(name)))
            if package:
                assert version in package.specifier, f"{word} {version}"
                checked.add(package.name)
    assert {"tensorflow", "keras", "pillow", "tf2onnx", "foolbox"} <= checked


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_script_installs_pinned_packages_in_a_folder_of_its_own(script: Path) -> None:
    text = script.read_text()
    assert text.startswith("#!/bin/sh\n# ") and "set -eu\n" in text
    assert "folder=$(mktemp -d)" in text and "it has changed" in text
    assert "://" not in text and "tfpipeline" not in text and "# Seen on " in text
    pins = re.findall(r"'([\w-]+)==([\w.]+)'", text)
    assert pins and all(
        version in allowed.specifier
        for name, version in pins
        if (allowed := requirements().get(name))
    )


# Below, what the page says that the libraries do.


def encoded(picture: Any, form: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(buffer, form, **more)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def small(*layers: Any) -> keras.Sequential:
    return keras.Sequential([keras.Input((4,)), *layers])


def test_keras_clips_16_bits_by_one_loader_and_divides_by_the_other(tmp_path) -> None:
    values = np.array([[0, 200, 1000, 65535]], np.uint16).repeat(4, 0)
    (tmp_path / "class").mkdir()
    file = tmp_path / "class" / "x.png"
    file.write_bytes(encoded(values, "PNG"))
    one = keras.utils.img_to_array(keras.utils.load_img(file))[0, :, 0]
    source = keras.utils.image_dataset_from_directory(
        tmp_path, image_size=(4, 4), verbose=False
    )
    assert one.tolist() == [0, 200, 255, 255]
    assert next(iter(source))[0].numpy()[0, 0, :, 0].tolist() == [0, 0, 3, 255]


def test_no_loader_of_keras_turns_a_photograph() -> None:
    picture = Image.fromarray(noise(8, 16, 3))
    tag = picture.getexif()
    tag[0x112] = 6
    data = encoded(picture, "JPEG", exif=tag)
    assert keras.utils.load_img(io.BytesIO(data)).size == (16, 8)
    assert tf.io.decode_jpeg(data).shape == (8, 16, 3)


def test_tensorflow_and_pillow_agree_on_a_jpeg_only_if_asked_to() -> None:
    smooth = Image.fromarray(noise(20, 20, 3)).resize((200, 200))
    data = encoded(smooth, "JPEG")
    pillow = np.asarray(Image.open(io.BytesIO(data)), int)
    assert (tf.io.decode_jpeg(data).numpy() != pillow).mean() > 0.4
    exact = tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE")
    assert (exact.numpy() == pillow).all()


def test_tensorflow_shows_the_indices_of_a_palette() -> None:
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("P")
    picture.putpalette([v for k in range(256) for v in (255 - k, 0, k)])
    shown = tf.io.decode_image(encoded(picture, "BMP")).numpy()
    assert shown[..., 0].ravel().tolist() == list(range(64)) and shown.shape[-1] == 1
    assert tf.io.decode_image(encoded(noise(8, 8, 3), "WEBP")).shape == (1, 8, 8, 3)


def test_transparent_pixels_have_the_colour_that_nobody_sees(tmp_path) -> None:
    clear = np.full((4, 4, 4), (255, 0, 0, 0), np.uint8)
    (tmp_path / "x.png").write_bytes(encoded(clear, "PNG"))
    shown = np.asarray(keras.utils.load_img(tmp_path / "x.png"))
    assert shown[0, 0].tolist() == [255, 0, 0]


def test_inks_without_the_marker_of_adobe_are_shown_in_two_ways() -> None:
    inks = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    data = encoded_image(inks)
    place = data.index(b"Adobe") - 4
    (size,) = struct.unpack(">H", data[place + 2 : place + 4])
    bare = data[:place] + data[place + 2 + size :]
    pillow = np.asarray(Image.open(io.BytesIO(bare)).convert("RGB"))[0, 0]
    tensorflow = tf.io.decode_jpeg(bare, channels=3).numpy()[0, 0]
    assert pillow.tolist() == [0, 255, 255] and tensorflow.tolist() == [0, 0, 0]


def encoded_image(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=100)
    return buffer.getvalue()


def test_pillow_stretches_a_pgm_of_ten_bits() -> None:
    data = b"P5\n2 1\n1023\n" + struct.pack(">HH", 511, 1023)
    assert np.asarray(Image.open(io.BytesIO(data))).tolist() == [[32735, 65535]]


def test_asking_a_png_for_its_orientation_loads_its_pixels() -> None:
    data = encoded(noise(50, 50, 3), "PNG")
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(data[: len(data) // 2])).getexif()


def test_tensorflow_and_keras_shrink_without_looking_at_all_pixels() -> None:
    stripes = np.zeros((1, 64, 64, 1), np.float32)
    stripes[:, ::2] = 1
    pillow = Image.fromarray(stripes[0, ..., 0]).resize((21, 21), Image.BILINEAR)
    assert np.std(pillow) < 0.03
    for shrunk in (
        tf.image.resize(stripes, (21, 21)),
        keras.layers.Resizing(21, 21)(stripes),
    ):
        assert np.std(shrunk) > 0.25


def test_two_calls_with_other_shuffling_leak_all_of_validation(
    tmp_path, capsys
) -> None:
    for number in range(100):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        picture = np.full((2, 2, 3), number, np.uint8)
        file = tmp_path / "ab"[number % 2] / f"{number:03d}.png"
        file.write_bytes(encoded(picture, "PNG"))
    seen = []
    for subset, shuffle in (("training", True), ("validation", False)):
        source = keras.utils.image_dataset_from_directory(
            tmp_path,
            validation_split=0.2,
            subset=subset,
            shuffle=shuffle,
            seed=1,
            image_size=(2, 2),
            verbose=False,
        )
        seen.append({float(x) for batch, _ in source for x in batch[:, 0, 0, 0]})
    assert len(seen[1]) == 20 and len(seen[0] & seen[1]) > 5


def test_a_bad_file_costs_its_whole_batch() -> None:
    def check(number: tf.Tensor) -> tf.Tensor:
        return tf.debugging.check_numerics(tf.where(number == 2, np.nan, number), "bad")

    numbers = tf.data.Dataset.from_tensor_slices(tf.range(8.0)).map(check)
    kept = [batch.numpy().tolist() for batch in numbers.batch(4).ignore_errors()]
    assert kept == [[4, 5, 6, 7]]


def test_cached_after_it_was_drawn_augmentation_is_drawn_once() -> None:
    drawn = tf.data.Dataset.range(8).map(lambda _: tf.random.uniform([])).cache()
    assert [float(x) for x in drawn] == [float(x) for x in drawn]


def test_layers_that_augment_take_pixels_to_be_of_255() -> None:
    pictures = np.random.default_rng(0).random((4, 16, 16, 3), np.float32)
    for layer in (
        keras.layers.RandomInvert(1.0, seed=1),
        keras.layers.AutoContrast(),
        keras.layers.RandomErasing(1.0, seed=1),
    ):
        assert float(np.max(layer(pictures, training=True))) > 200
    dark = keras.layers.RandomPosterization(4, seed=1)(pictures, training=True)
    assert not np.any(dark)


def test_the_state_of_an_augmentation_is_no_weight(tmp_path: Path) -> None:
    flip = keras.layers.RandomFlip(seed=1)
    assert flip.weights == [] and len(flip.variables) == 1


@pytest.mark.parametrize("inside", [False, True])
def test_fit_and_predict_overrule_what_a_graph_says_of_training(inside: bool) -> None:
    keras.utils.set_random_seed(0)
    norm, drop = keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)
    image = keras.Input((4,))
    if inside:
        base = keras.Sequential([keras.Input((4,)), norm])
        x = drop(base(image, training=False), training=True)
    else:
        x = drop(norm(image, training=False), training=True)
    model = keras.Model(image, keras.layers.Dense(2)(x))
    x, y = np.full((8, 4), 3, np.float32), np.zeros((8, 2), np.float32)
    assert not np.array_equal(model(x), model(x)), "a bare call drops"
    before = np.array(norm.moving_mean)
    model(x)
    assert np.array_equal(before, norm.moving_mean), "a bare call moves nothing"
    first, second = (model.predict(x, verbose=0) for _ in range(2))
    assert np.array_equal(first, second), "predict drops nothing"
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(x, y, verbose=0)
    assert not np.array_equal(before, norm.moving_mean), "fit moves statistics"
    moved, norm.trainable = np.array(norm.moving_mean), False
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(x, y, verbose=0)
    assert np.array_equal(moved, norm.moving_mean)


def test_what_was_unfrozen_learns_only_once_compiled_again() -> None:
    model = small(keras.layers.Dense(4), keras.layers.Dense(1))
    model.layers[0].trainable = False
    model.compile("sgd", "mse", jit_compile=False)
    x, y = np.ones((8, 4)), np.ones((8, 1))
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = True
    before = np.array(model.layers[0].kernel)
    model.fit(x, y, verbose=0)
    assert np.array_equal(before, model.layers[0].kernel)


def test_the_optimizers_of_keras_clip_each_variable_by_itself() -> None:
    places = [keras.Variable([0.0, 0.0]) for _ in range(3)]
    optimizer = keras.optimizers.SGD(1.0, clipnorm=1.0)
    optimizer.apply([tf.constant([3.0, 4.0])] * 3, places)
    assert np.linalg.norm([np.array(v) for v in places]) == pytest.approx(3**0.5)


def test_adamw_of_keras_decays_biases_and_scales() -> None:
    dense = keras.layers.Dense(2, bias_initializer="ones")
    model = small(dense, keras.layers.BatchNormalization())
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    variables = model.trainable_variables
    optimizer.apply([tf.zeros_like(v) for v in variables], variables)
    for decayed in (dense.bias, model.layers[-1].gamma):
        np.testing.assert_allclose(decayed, 0.95, rtol=1e-6)


def test_weighted_losses_of_keras_are_divided_by_the_number_of_images() -> None:
    loss = keras.losses.MeanSquaredError()
    value = loss(np.ones((4, 1)), np.zeros((4, 1)), sample_weight=np.full(4, 9.0))
    assert float(value) == 9


def test_equal_logits_are_all_right_by_one_metric_and_nan_is_class_0() -> None:
    label, logits = np.array([3, 1, 2, 0]), np.zeros((4, 5), np.float32)
    top = keras.metrics.SparseTopKCategoricalAccuracy(1)(label, logits)
    plain = keras.metrics.SparseCategoricalAccuracy()
    assert float(top) == 1 and float(plain(label, logits)) == 0.25
    assert float(plain(label, logits * np.nan)) == 0.25


def test_the_norm_of_nothing_has_no_gradient() -> None:
    delta = tf.zeros(2)
    with tf.GradientTape() as tape:
        tape.watch(delta)
        size = tf.norm(delta)
    assert np.isnan(tape.gradient(size, delta)).all()


def test_a_network_without_weights_has_logits_that_are_nothing() -> None:
    network = keras.applications.MobileNetV2(
        weights=None, input_shape=(32, 32, 3), alpha=0.35, classifier_activation=None
    )
    image = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3))
    assert np.abs(network(image.astype(np.float32))).max() < 1e-6


def test_setting_the_seed_begins_what_was_drawn_again(monkeypatch) -> None:
    tf.random.set_seed(3)
    first = float(tf.random.uniform([]))
    float(tf.random.uniform([]))
    tf.random.set_seed(3)
    assert float(tf.random.uniform([])) == first


def test_a_model_saved_twice_is_two_files(tmp_path: Path) -> None:
    model = small(keras.layers.Dense(2))
    files = [tmp_path / "1.keras", tmp_path / "2.keras"]
    model.save(files[0])
    time.sleep(1.1)
    model.save(files[1])
    assert files[0].read_bytes() != files[1].read_bytes()
    archives = [zipfile.ZipFile(file) for file in files]
    assert len({archive.read("model.weights.h5") for archive in archives}) == 1
    for archive in archives:
        archive.close()


def test_export_of_keras_writes_every_weight_twice(tmp_path: Path) -> None:
    model = small(keras.layers.Dense(5))
    model.export(tmp_path, verbose=False)
    data = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert data.count(np.array(model.layers[0].kernel).tobytes()) == 2
    assert os.listdir(tmp_path / "variables")


def test_litert_orders_outputs_by_itself() -> None:
    image = keras.Input((4,), batch_size=1)
    sizes = {"probabilities": 3, "features": 4, "alarm": 1}
    model = keras.Model(
        image, {name: keras.layers.Dense(size)(image) for name, size in sizes.items()}
    )
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content)
    shapes = [int(o["shape"][-1]) for o in interpreter.get_output_details()]
    assert sorted(shapes) == [1, 3, 4] and shapes != list(sizes.values())
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    answer = runner(**{name: np.ones((1, 4), np.float32)})
    assert {name: value.shape[-1] for name, value in answer.items()} == sizes


@pytest.mark.parametrize("switch", ["steps_per_execution", "jit_compile", "steps"])
def test_three_switches_of_fit_fail_on_two_devices(switch: str) -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    more = {"steps_per_execution": 2} if switch == "steps_per_execution" else {}
    steps = 2 if switch == "steps" else None
    with strategy.scope():
        model = small(keras.layers.Dense(2))
        optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps)
        model.compile(optimizer, "mse", jit_compile=switch == "jit_compile", **more)
    with pytest.raises((tf.errors.InvalidArgumentError, RuntimeError)):
        model.fit(np.ones((16, 4)), np.ones((16, 2)), batch_size=4, verbose=0)


def test_yaml_takes_words_for_other_things() -> None:
    given = yaml.safe_load("[010, 1:30, no, 2024-01-01]")
    assert given == [8, 90, False, datetime.date(2024, 1, 1)]


def test_jsonargparse_takes_nothing_for_a_number_in_files_alone(tmp_path: Path) -> None:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0.1)
    file = tmp_path / "c.yaml"
    file.write_text("epochs:\nrate: 0.5\n")
    assert parser.parse_args(["--config", str(file)]).epochs is None
    with pytest.raises(jsonargparse.ArgumentError):
        parser.parse_args(["--epochs", "null"])


def exported_to_onnx(model: keras.Model, file: Path) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    model(np.ones((1, 4), np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.export(file, format="onnx", verbose=False)
    return runtime.InferenceSession(file)


def test_constants_of_a_normalization_become_inputs_in_onnx(tmp_path: Path) -> None:
    layer = keras.layers.Normalization(mean=np.ones(4), variance=np.ones(4))
    session = exported_to_onnx(small(layer), tmp_path / "x.onnx")
    assert len(session.get_inputs()) > 1


def test_an_exact_gelu_is_written_to_onnx_and_cannot_be_loaded(tmp_path: Path) -> None:
    model = small(keras.layers.Activation("gelu"))
    with pytest.raises(Exception, match="Erfc"):
        exported_to_onnx(model, tmp_path / "x.onnx")
    assert (tmp_path / "x.onnx").stat().st_size > 0


def test_the_folders_of_tfds_pass_over_most_formats(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    (tmp_path / "train" / "class").mkdir(parents=True)
    for form in ("png", "jpeg", "webp", "bmp", "gif"):
        file = tmp_path / "train" / "class" / f"1.{form}"
        file.write_bytes(encoded(noise(8, 8, 3), form))
    (file.parent / "1.jfif").write_bytes((file.parent / "1.jpeg").read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = tfds.folder_dataset.ImageFolder(str(tmp_path))
    assert builder.info.splits["train"].num_examples == 2
    assert len(listing.files(tmp_path)) == 6


def known_by(cell: str) -> str:
    """Return what the fourth cell of a row names: a test, a script, or a source."""
    return next(
        (kind for kind in ("tests/", "findings/") if f"`{kind}" in cell), "source"
    )


def test_the_page_says_how_many_rows_are_known_by_what() -> None:
    counts = Counter(known_by(row[3]) for row in ROWS)
    text = " ".join("\n".join(LINES).split())
    match = re.search(
        r"(\d+) rows, (\d+) are known by a test, (\d+) by a script and (\d+) by", text
    )
    assert match and [*map(int, match.groups())] == [
        len(ROWS),
        *(counts[kind] for kind in ("tests/", "findings/", "source")),
    ]
