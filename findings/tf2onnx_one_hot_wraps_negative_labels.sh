#!/bin/sh
# tf2onnx 1.17.0: `tf.one_hot` of -1 becomes the last class.
#
# In TensorFlow an index outside of the depth, such as the -1 by which data sets mark an
# image without a label, is a row of zeros, so that its loss is 0. ONNX' OneHot counts
# negative indices from the end. tf2onnx writes it without a range check: the converted
# graph takes every unlabelled image for one of the last class, and says nothing.
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

LABELS = np.array([0, 2, -1, 3], np.int32)  # Three classes: the last two are none.


@tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
def targets(label):
    return tf.one_hot(label, 3)


proto, _ = tf2onnx.convert.from_function(
    targets, input_signature=targets.input_signature, opset=17
)
session = onnxruntime.InferenceSession(proto.SerializeToString())
(converted,) = session.run(None, {session.get_inputs()[0].name: LABELS})
expected = targets(LABELS).numpy()
for label, ours, theirs in zip(LABELS, expected, converted):
    print(f"label {label:2}: TensorFlow {ours.tolist()}, ONNX {theirs.tolist()}")
assert not expected[2:].any() and not converted[3].any()
assert converted[2].tolist() == [0, 0, 1], "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   label  0: TensorFlow [1.0, 0.0, 0.0], ONNX [1.0, 0.0, 0.0]
#   label  2: TensorFlow [0.0, 0.0, 1.0], ONNX [0.0, 0.0, 1.0]
#   label -1: TensorFlow [0.0, 0.0, 0.0], ONNX [0.0, 0.0, 1.0]
#   label  3: TensorFlow [0.0, 0.0, 0.0], ONNX [0.0, 0.0, 0.0]
