"""Outputs are written as the official server writes them."""

import numpy as np
import pytest

from tfpipeline.serve import rest_values
from tfpipeline.serve.rest_values import RequestError


def test_the_only_output_has_no_name() -> None:
    found = {"y": np.array([[1.5], [2.5]], np.float32)}
    assert rest_values.predictions(found) == {"predictions": [[1.5], [2.5]]}
    assert rest_values.outputs(found) == {"outputs": [[1.5], [2.5]]}


def test_outputs_called_bytes_are_in_base_64_and_texts_are_not() -> None:
    found = {
        "a_bytes": np.array([[b"\xff\x00"]], object),
        "b": np.array([b"x"], object),
    }
    there = {"a_bytes": [[{"b64": "/wA="}]], "b": ["x"]}
    assert rest_values.outputs(found) == {"outputs": there}
    assert rest_values.predictions(found) == {
        "predictions": [{"a_bytes": [{"b64": "/wA="}], "b": "x"}]
    }


def test_several_inputs_are_given_by_their_names() -> None:
    """The documented example, of inputs with the same number of rows."""
    names = ("tag", "signal")
    columns = {"tag": ["foo", "bar"], "signal": [[1, 2], [3, 4]]}
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    assert rest_values.rows(rows, names) == columns
    assert rest_values.columns(columns, names) == columns
    for read in (rest_values.rows, rest_values.columns):
        with pytest.raises(RequestError, match="tag, signal"):
            read([1, 2], names)
