"""Warm-up requests are those of the server's own message."""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfpipeline.export import warmup


def test_the_real_message_reads_them(tmp_path: Path) -> None:
    images = [bytes([i]) * (300 * i + 1) for i in range(3)]
    warmup.write(tmp_path, "pets", images, [1, 2, 5])
    found = []
    for record in tf.data.TFRecordDataset(str(tmp_path / warmup.FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == "pets"
        sent = tf.make_ndarray(request.inputs["image_bytes"]).tolist()
        assert sent == [images[i % 3] for i in range(len(sent))]
        found.append((request.model_spec.signature_name, len(sent)))
    assert found == [
        *(("serving_default", 1), ("serving_default", 2), ("serving_default", 5)),
        *(("features", 1), ("serving_default", 1)),
    ]


def test_every_batch_size_of_an_export_is_warm(exported) -> None:
    sizes = set()
    for record in tf.data.TFRecordDataset(str(exported.base / "1" / warmup.FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        tensor = log.predict_log.request.inputs["image_bytes"]
        sizes.add(len(tf.make_ndarray(tensor)))
    assert sizes == {1, 4}
