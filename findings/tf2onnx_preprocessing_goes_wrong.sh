#!/bin/sh
# tf2onnx 1.17.0: two steps of preprocessing convert without a word, and do other things.
#
# `tf.image.resize(method="area")` averages; the Resize that tf2onnx writes for it picks
# the nearest pixel. `tf.image.adjust_saturation` fades colours; in the converted graph the
# channels of many pixels change places: red becomes blue. The other methods of
# resizing and adjusting are converted exactly, or refused where the file is loaded.
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

PHOTO = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
# Rows that alternate between black and white are grey for who averages.
STRIPES = np.zeros_like(PHOTO)
STRIPES[:, ::2] = 1


def both(function, image):
    spec = [tf.TensorSpec(image.shape, tf.float32)]
    graph = tf.function(function, input_signature=spec, autograph=False)
    proto, _ = tf2onnx.convert.from_function(graph, input_signature=spec, opset=17)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (converted,) = session.run(None, {session.get_inputs()[0].name: image})
    return graph(image).numpy(), converted


def area(image):
    return tf.image.resize(image, (16, 16), method="area")


def faded(image):
    return tf.image.adjust_saturation(image, 0.5)


ours, theirs = both(area, STRIPES)
print("area:       values by TensorFlow", np.unique(ours), "by ONNX", np.unique(theirs))
assert np.allclose(ours, 0.5) and np.unique(theirs).tolist() == [1], "it has changed"
kept = [(image.argmax(-1) == PHOTO.argmax(-1)).mean() for image in both(faded, PHOTO)]
print(f"saturation: largest channel as before in {kept[0]:.0%}, by ONNX {kept[1]:.0%}")
assert kept[0] == 1 and kept[1] < 0.9, "it has changed"
assert np.allclose(*both(lambda x: tf.image.adjust_hue(x, 0.2), PHOTO), atol=1e-5)
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   area:       values by TensorFlow [0.5] by ONNX [1.]
#   saturation: largest channel as before in 100%, by ONNX 69%
