#!/bin/sh
# tf2onnx 1.17.0: `tf.where` becomes arithmetic, and lets NaN through.
#
# A graph that guards against invalid input by `tf.where(valid, x, other)` answers `other`
# in TensorFlow. tf2onnx writes Cast, Mul and Add instead of ONNX' own Where: both branches
# are computed, one of them times 0, and 0 * NaN is NaN. The converted file has lost its
# guard, and converting says nothing of it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' 'tf2onnx==1.17.0' 'onnx==1.20.1' 'onnxruntime==1.23.2'
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import onnxruntime
import tensorflow as tf
import tf2onnx

data = np.array([[1, 2, 3], [1, np.nan, 3]], np.float32)
for name, other in {"zeros": 0.0, "ones": 1.0}.items():

    @tf.function(
        input_signature=[tf.TensorSpec([None, 3], tf.float32)], autograph=False
    )
    def guarded(x):
        valid = tf.reduce_all(tf.math.is_finite(x), axis=1, keepdims=True)
        return tf.where(valid, x, tf.fill(tf.shape(x), other))

    model, _ = tf2onnx.convert.from_function(
        guarded, input_signature=guarded.input_signature, opset=17
    )
    kinds = {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (converted,) = session.run(None, {session.get_inputs()[0].name: data})
    expected = guarded(data).numpy()
    print(name, sorted(kinds & {"Where", "Cast", "Mul", "Add"}))
    print("  TensorFlow", expected.tolist())
    print("  ONNX      ", converted.tolist())
    assert np.isfinite(expected).all()
    assert "Where" not in kinds and np.isnan(converted[1, 1]), "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   zeros ['Add', 'Cast', 'Mul']
#     TensorFlow [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]
#     ONNX       [[1.0, 2.0, 3.0], [0.0, nan, 0.0]]
#   ones ['Add', 'Cast', 'Mul']
#     TensorFlow [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]
#     ONNX       [[1.0, 2.0, 3.0], [1.0, nan, 1.0]]
