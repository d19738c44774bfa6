#!/bin/sh
# TensorFlow 2.21.0, LiteRT int8: a check of the input's range cannot fail any more.
#
# A model that takes float pixels in [0, 1] and answers, beside its prediction, whether
# they were in that range is quantised to int8 with calibration pictures in [0, 1]. Its
# input stays float32, but the first thing that is done to it is to quantise it with the
# calibrated range: 255 becomes 1 before the check sees it. The Keras model answers
# "too large"; the converted one says that all is well, to the commonest mistake of clients.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0'
cat > "$folder/check.py" <<'PYTHON'
import warnings

import keras
import numpy as np
import tensorflow as tf

warnings.filterwarnings("ignore")
keras.utils.set_random_seed(0)
image = keras.Input((8, 8, 3), batch_size=1)
x = keras.layers.Conv2D(4, 3, activation="relu")(image)
x = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))
largest = keras.layers.GlobalMaxPooling2D()(image)
model = keras.Model(image, [x, largest])

rng = np.random.default_rng(0)
pictures = rng.random((50, 1, 8, 8, 3), np.float32)
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([picture] for picture in pictures)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
interpreter = tf.lite.Interpreter(model_content=converter.convert())
interpreter.allocate_tensors()
(given,) = interpreter.get_input_details()
print("input:", given["dtype"].__name__)
outputs = {tuple(o["shape"]): o["index"] for o in interpreter.get_output_details()}
seen = {}
for scale in (1, 255):
    interpreter.set_tensor(given["index"], pictures[0] * scale)
    interpreter.invoke()
    seen[scale] = float(interpreter.get_tensor(outputs[1, 3]).max())
    real = float(np.max(model(pictures[0] * scale)[1]))
    print(f"pixels up to {scale}: largest by Keras {real:.3f}, by int8 {seen[scale]:.3f}")
assert given["dtype"] is np.float32 and seen[255] <= 1.01, "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   input: float32
#   pixels up to 1: largest by Keras 0.997, by int8 0.996
#   pixels up to 255: largest by Keras 254.289, by int8 1.000
