#!/bin/sh
# TensorFlow 2.21.0, LiteRT: a saved Keras model converts, and its weights are empty.
#
# `TFLiteConverter.from_saved_model` is right after `model.export`. After
# `tf.saved_model.save(model)`, or by `from_concrete_functions` with the model handed on, it
# says nothing and writes variables that nobody fills: the interpreter answers NaN or
# zeros, or, without its default delegate, fails when it reads the first one. What is
# frozen first, by `convert_variables_to_constants_v2`, is right.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'keras==3.15.1'
cat > "$folder/check.py" <<'PYTHON'
import logging
import tempfile
import warnings

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
keras.utils.set_random_seed(0)
image = keras.Input((8, 8, 3), batch_size=1)
x = keras.layers.Conv2D(4, 3, activation="relu")(image)
x = keras.layers.GlobalAveragePooling2D()(x)
model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(x))
picture = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
spec = [tf.TensorSpec(picture.shape, tf.float32)]
function = tf.function(model, input_signature=spec).get_concrete_function()
frozen = convert_to_constants.convert_variables_to_constants_v2(function)


def saved(write):
    with tempfile.TemporaryDirectory() as folder:
        write(folder)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def traced(some, *owner):
    lite = tf.lite.TFLiteConverter
    return lite.from_concrete_functions([some], *(owner or [tf.Module()])).convert()


files = {
    "model.export": saved(lambda folder: model.export(folder, verbose=False)),
    "tf.saved_model.save": saved(lambda folder: tf.saved_model.save(model, folder)),
    "concrete function": traced(function, model),
    "frozen function": traced(frozen),
}
expected = model(picture).numpy()
right = {}
for name, content in files.items():
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    right[name] = np.allclose(answer, expected, atol=1e-5)
    print(f"{name:20} {'as Keras' if right[name] else 'wrong'}")
assert list(right.values()) == [True, False, False, True], "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   model.export         as Keras
#   tf.saved_model.save  wrong
#   concrete function    wrong
#   frozen function      as Keras
