"""tf2onnx works on one graph; where a pass fails, it copies the graph and goes on."""

import os

import pytest

from tfpipeline.export import onnx_graphs

NAME = "TF2ONNX_CATCH_ERRORS"


@pytest.mark.parametrize("given", [None, "TRUE", "FALSE"])
@pytest.mark.parametrize("works_with", ["FALSE TRUE", "TRUE", ""])
def test_copies_are_made_only_where_a_pass_fails_or_the_user_says_so(
    monkeypatch: pytest.MonkeyPatch, given: str | None, works_with: str
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if given:
        monkeypatch.setenv(NAME, given)
    asked: list[str] = []

    def convert() -> str:
        asked.append(os.environ[NAME])
        if asked[-1] not in works_with.split():
            raise ValueError(asked[-1])
        return asked[-1]

    tried = [given] if given else ["FALSE", "TRUE"]
    good = [way for way in tried if way in works_with.split()]
    if good:
        assert onnx_graphs.in_place(convert) == good[0]
    else:
        with pytest.raises(ValueError, match=tried[-1]):
            onnx_graphs.in_place(convert)
    assert asked == tried[: tried.index(good[0]) + 1 if good else None]
    assert os.environ.get(NAME) == given


def test_exact_gelu_is_written_with_what_onnx_has() -> None:
    tf2onnx, run = pytest.importorskip("tf2onnx"), pytest.importorskip("onnxruntime")
    import numpy as np
    import tensorflow as tf

    spec = [tf.TensorSpec((None, 5), tf.float32)]
    call = tf.function(tf.math.erfc, input_signature=spec)
    model, _ = tf2onnx.convert.from_function(
        call,
        input_signature=spec,
        opset=17,
        custom_op_handlers={"Erfc": (onnx_graphs.erfc, [])},
    )
    x = np.linspace(-3, 3, 10, dtype=np.float32).reshape(2, 5)
    content = model.SerializeToString()
    session = run.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, tf.math.erfc(x), atol=1e-6)
