#!/bin/sh
# tf2onnx 1.17.0: external tensors (`large_model=True`) fail with any NumPy from 2.0 on.
#
# The package asks for no older NumPy, and everything else that it does works with NumPy 2.
# Only conversions that keep weights outside of the file, which networks of more than
# 2 GB need, call `numpy.product`, which NumPy 2.0 removed: they end in AttributeError.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' 'tf2onnx==1.17.0' 'onnx==1.20.1' 'numpy==2.4.6'
cat > "$folder/check.py" <<'PYTHON'
import importlib.metadata

import numpy as np
import tensorflow as tf
import tf2onnx

asked = [r for r in importlib.metadata.requires("tf2onnx") if r.startswith("numpy")]
print("tf2onnx asks for", asked, "and finds", np.__version__)
weights = tf.Variable(np.ones((64, 64), np.float32))
spec = tf.TensorSpec((None, 64), tf.float32)
call = tf.function(lambda x: x @ weights, input_signature=[spec])
for large in (False, True):
    try:
        tf2onnx.convert.from_function(
            call, input_signature=[spec], opset=17, large_model=large
        )
        outcome = "converted"
    except AttributeError as error:
        outcome = str(error)
    print(f"large_model={large}: {outcome}")
    assert ("product" in outcome) == large, "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py" 2> /dev/null
# Seen on 2026-11-30, CPU:
#   tf2onnx asks for ['numpy>=1.23.5'] and finds 2.4.6
#   large_model=False: converted
#   large_model=True: module 'numpy' has no attribute 'product'
