"""Event files are those of TensorBoard: written without it, read by it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.core import image_io
from tfpipeline.train import events

SETTINGS = {"model.backbone": "VGG16", "train.epochs": 3, "model.batch_norm": True}


def values(folder: Path) -> dict[tuple[str, str], list[tuple[int, Any]]]:
    """Return what all event files below a folder tell: step and value, by part and tag.

    A value of no tensor is the content that its plugin reads.
    """
    found: dict[tuple[str, str], list[tuple[int, Any]]] = {}
    for file in sorted(folder.rglob("events.out.tfevents*")):
        part = str(file.parent.relative_to(folder))
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                told = array.item() if array.ndim == 0 else list(array)
                told = told or value.metadata.plugin_data.content
                found.setdefault((part, value.tag), []).append((event.step, told))
    return found


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder of events of every kind."""
    made = events.Events(tmp_path)
    made.begin_session(SETTINGS)
    for step in range(3):
        made.scalar("loss", 1 / (step + 1), step, "head/train")
    made.image("batch", np.full((4, 6, 3), 200, np.uint8), 7)
    made.end_session()
    made.close()
    return tmp_path


def test_numbers_and_pictures_are_read_back_as_they_were(written: Path) -> None:
    found = values(written)
    steps, losses = zip(*found["head/train", "loss"])
    assert steps == (0, 1, 2)
    np.testing.assert_allclose(losses, [1, 1 / 2, 1 / 3], rtol=1e-6)
    ((step, (width, height, png)),) = found[".", "batch"]
    assert (step, width, height) == (7, b"6", b"4")
    picture = image_io.read(png, 4, 6, "squash")
    assert (picture == 200).all()


def test_tensorboard_finds_each_kind_where_it_looks_for_it(written: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.hparams import metadata

    top = event_accumulator.EventAccumulator(str(written)).Reload()
    assert top.PluginTagToContent("images") == {"batch": b""}
    told = top.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(
        told[metadata.SESSION_START_INFO_TAG]
    )
    assert start.hparams["model.backbone"].string_value == "VGG16"
    assert start.hparams["train.epochs"].number_value == 3
    assert start.hparams["model.batch_norm"].bool_value is True
    end = metadata.parse_session_end_info_plugin_data(
        told[metadata.SESSION_END_INFO_TAG]
    )
    # 1 is success.
    assert end.status == 1 and end.end_time_secs >= start.start_time_secs > 1e9
    part = event_accumulator.EventAccumulator(str(written / "head" / "train")).Reload()
    assert part.PluginTagToContent("scalars") == {"loss": b""}


def test_settings_longer_than_a_byte_can_count_are_told_whole(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.plugins.hparams import metadata

    made, many = events.Events(tmp_path), {f"name{i}": "x" * i for i in range(1, 300)}
    made.begin_session(many)
    made.close()
    ((_, content),) = values(tmp_path)[".", "_hparams_/session_start_info"]
    start = metadata.parse_session_start_info_plugin_data(content)
    assert {k: v.string_value for k, v in start.hparams.items()} == many


def test_removing_events_leaves_everything_else(written: Path) -> None:
    other = written / "head" / "plugins" / "profile" / "x.xplane.pb"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    events.remove(written)
    assert not values(written) and other.is_file()
    events.remove(written / "nowhere")
