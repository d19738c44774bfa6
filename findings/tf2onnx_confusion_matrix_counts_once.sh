#!/bin/sh
# tf2onnx 1.17.0: a confusion matrix inside a graph holds ones instead of counts.
#
# `tf.math.confusion_matrix` adds one to a cell for each image, by `tf.scatter_nd`, which
# sums what falls on the same place. tf2onnx writes ScatterND without its reduction, so the
# last update stands: every cell that was hit holds 1, however many images it stands for.
# An evaluation that was exported with its network reports another accuracy, in silence.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'tf2onnx==1.17.0' \
    'onnx==1.20.1' \
    'onnxruntime==1.23.2'
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx

TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 2], np.int32)
ANSWER = np.array([0, 0, 0, 1, 1, 1, 0, 2], np.int32)


@tf.function(input_signature=[tf.TensorSpec([8], tf.int32)] * 2, autograph=False)
def confusion(true, answer):
    return tf.math.confusion_matrix(true, answer, 3)


proto, _ = tf2onnx.convert.from_function(
    confusion, input_signature=confusion.input_signature, opset=17
)
session = onnxruntime.InferenceSession(proto.SerializeToString())
names = [given.name for given in session.get_inputs()]
(converted,) = session.run(None, dict(zip(names, (TRUE, ANSWER))))
expected = confusion(TRUE, ANSWER).numpy()
for name, counts in {"TensorFlow": expected, "ONNX": converted}.items():
    accuracy = np.trace(counts) / counts.sum()
    print(f"{name:10} {counts.tolist()}, accuracy {accuracy:.3f}")
assert expected.sum() == len(TRUE) and expected.max() == 3
assert converted.tolist() == (expected > 0).astype(int).tolist(), "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   TensorFlow [[3, 1, 0], [1, 2, 0], [0, 0, 1]], accuracy 0.750
#   ONNX       [[1, 1, 0], [1, 1, 0], [0, 0, 1]], accuracy 0.600
