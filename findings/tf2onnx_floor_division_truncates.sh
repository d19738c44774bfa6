#!/bin/sh
# tf2onnx 1.17.0: `//` and `%` of negative integers round the other way.
#
# TensorFlow's integer `//` rounds down and its `%` is never negative for a positive
# divisor, as in Python. tf2onnx writes ONNX' Div, which rounds towards zero, alone. Places
# in images are computed like this: the border of a centre crop, `(side - crop) // 2`, is
# another one wherever the picture is an odd number of pixels smaller than the crop, and
# a shift that wraps around by `%` leaves the picture. Of floats `//` is right.
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

SIDES = np.array([229, 224, 223, 221, 219], np.int32)


@tf.function(input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False)
def crop(side):
    return tf.stack([(side - 224) // 2, (side - 224) % 224])


proto, _ = tf2onnx.convert.from_function(
    crop, input_signature=crop.input_signature, opset=17
)
session = onnxruntime.InferenceSession(proto.SerializeToString())
(converted,) = session.run(None, {session.get_inputs()[0].name: SIDES})
expected = crop(SIDES).numpy()
assert (expected == [(SIDES - 224) // 2, (SIDES - 224) % 224]).all()
for word, ours, theirs in zip(("border", "wrapped"), expected, converted):
    print(f"{word:7} TensorFlow {ours.tolist()}, ONNX {theirs.tolist()}")
assert (converted[:, :2] == expected[:, :2]).all()
assert (converted[:, 2:] != expected[:, 2:]).all(), "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   border  TensorFlow [2, 0, -1, -2, -3], ONNX [2, 0, 0, -1, -2]
#   wrapped TensorFlow [5, 0, 223, 221, 219], ONNX [5, 0, -1, -3, -5]
