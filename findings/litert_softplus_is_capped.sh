#!/bin/sh
# LiteRT 2.3.0, of TensorFlow 2.21.0's converter: softplus ends at 88.7, or is infinite.
#
# `tf.nn.softplus(x)` is x for large x. The converter writes it as log(exp(x) + 1), whose
# exponential overflows float32 from 88.8 on. Without XNNPACK the answer is 88.72 at most;
# with it, which is the default, 88.38 or infinite, as the value's place in the tensor has
# it. A head that predicts a variance by softplus, or an energy of logits, is right
# in every test with small numbers. Converting says nothing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'ai-edge-litert==2.3.0'
cat > "$folder/check.py" <<'PYTHON'
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

GIVEN = np.array([-100, 1, 80, 88, 90, 200, 1000], np.float32)


class Head(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([7], tf.float32)], autograph=False)
    def forward(self, x):
        return tf.nn.softplus(x)


head = Head()
converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [head.forward.get_concrete_function()], head
)
content = converter.convert()
answers = {"TensorFlow": head.forward(GIVEN).numpy()}
for name, resolver in {
    "XNNPACK": OpResolverType.AUTO,
    "built in": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}.items():
    ask = Interpreter(
        model_content=content, experimental_op_resolver_type=resolver
    ).get_signature_runner()
    (answers[name],) = ask(x=GIVEN).values()
for name, answer in answers.items():
    print(f"{name:10}", " ".join(f"{value:.5g}" for value in answer))
assert answers["TensorFlow"][4:].tolist() == [90, 200, 1000]
for name in ("XNNPACK", "built in"):
    assert np.allclose(answers[name][:4], answers["TensorFlow"][:4]), name
    large = answers[name][4:]
    assert ((large < 88.8) | np.isinf(large)).all(), "it has changed"
assert (answers["built in"][4:] < 88.8).all(), "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   TensorFlow 0 1.3133 80 88 90 200 1000
#   XNNPACK    0 1.3133 80 88 88.376 88.376 88.376
#   built in   0 1.3133 80 88 88.723 88.723 88.723
