#!/bin/sh
# TensorFlow 2.21.0, LiteRT int8: a flip whose result is multiplied loses its values.
#
# The converter gives the output of ReverseV2 the quantisation of the product behind it,
# and its input keeps its own: of pixels in [0, 1] that are flipped (RGB to BGR) and then
# scaled by 255, all become 0 or 1. Scaled first and flipped then, they are right. So
# were VGG and ResNet (Caffe's preprocessing) at the level of chance.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0'
cat > "$folder/flip.py" <<'PYTHON'
import warnings

import numpy as np
import tensorflow as tf

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
# Each of one colour.
pictures = np.tile(rng.random((50, 1, 1, 1, 3), np.float32), (1, 1, 8, 8, 1))
spec = [tf.TensorSpec([1, 8, 8, 3], tf.float32)]


def pool(maps):
    return tf.reduce_mean(maps, axis=(1, 2))


seen = {}
for name, function in {
    "flipped, then scaled": lambda x: pool(tf.reverse(x, [-1]) * 255.0),
    "scaled, then flipped": lambda x: pool(tf.reverse(x * 255.0, [-1])),
}.items():
    traced = tf.function(function, input_signature=spec).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture] for picture in pictures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pictures[1])
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    seen[name] = float(np.abs(answer - function(pictures[1])).max())
    print(f"{name}: largest error {seen[name]:.1f} of 255")
assert seen["flipped, then scaled"] > 50, f"it has changed: {seen}"
assert seen["scaled, then flipped"] < 2, f"it has changed: {seen}"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/flip.py"
# Seen on 2026-11-29, CPU:
#   flipped, then scaled: largest error 243.8 of 255
#   scaled, then flipped: largest error 0.5 of 255
