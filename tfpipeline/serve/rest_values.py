"""Values of TF Serving's REST protocol: JSON to tensors' content, and back.

Source: https://www.tensorflow.org/tfx/serving/api_rest, and for what that leaves open
`json_tensor.cc` of the official server.
"""

import base64
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.export import plain_json


class RequestError(ValueError):
    """A request that is answered by an error.

    Args:
        said: In words.
        code: Of HTTP.
    """

    def __init__(self, said: str, code: int = 400) -> None:
        super().__init__(said)
        self.code = code


def rows(sent: Any, names: Collection[str]) -> dict[str, list[Any]]:
    """Return the inputs of `instances`: values, or objects with a value an input.

    Args:
        sent: What stands there.
        names: Of the inputs that a signature has.

    Raises:
        RequestError: With what was expected and what came.
    """
    if not isinstance(sent, list) or not sent:
        raise RequestError("expected a list `instances`, one an image.")
    named = _is_named(sent[0])
    if not named and len(names) > 1:
        raise RequestError(f"instances: expected objects with {', '.join(names)}.")
    for number, row in enumerate(sent):
        if _is_named(row) != named:
            raise RequestError(
                f"instances: expected objects alone or none, unlike item {number}."
            )
        if named and set(row) != set(names):
            raise RequestError(
                f"instances: item {number} has the keys {', '.join(row) or 'none'}, "
                f"keys must be equal to: {', '.join(names)}."
            )
    if named:
        return {name: [row[name] for row in sent] for name in names}
    return {name: sent for name in names}


def columns(sent: Any, names: Collection[str]) -> dict[str, Any]:
    """Return the inputs of `inputs`: the value of the only one, or all by their names.

    Args:
        sent: What stands there.
        names: Of the inputs that a signature has.

    Raises:
        RequestError: With what was expected.
    """
    if not _is_named(sent):
        if len(names) > 1:
            raise RequestError(f"inputs: expected an object with {', '.join(names)}.")
        return {name: sent for name in names}
    for name in names:
        if name not in sent:
            raise RequestError(f"Missing named input: {name} in `inputs` object.")
    return {name: sent[name] for name in names}


def _is_named(value: Any) -> bool:
    """Tell whether a value is an object of inputs, and not one in base 64."""
    return isinstance(value, dict) and not (
        set(value) == {"b64"} and isinstance(value["b64"], str)
    )


def decoded(value: Any) -> Any:
    """Return values with those in base 64 as bytes.

    Args:
        value: A value, or lists of some.

    Raises:
        RequestError: An object is none in base 64.
        ValueError: What is in base 64 is damaged.
    """
    if isinstance(value, list):
        if value and isinstance(value[0], (int, float)):
            return value  # Pixels: there are many of them.
        return [decoded(inner) for inner in value]
    if isinstance(value, dict):
        if _is_named(value):
            raise RequestError(
                'expected {"b64": TEXT} or a value. Received: an object with '
                f"{', '.join(value) or 'nothing'}."
            )
        return base64.b64decode(value["b64"], validate=True)
    return value


def example(sent: Any) -> tf.train.Example:
    """Return an Example with the features of a JSON object.

    Args:
        sent: Values by the names of their features.

    Raises:
        RequestError: With the feature that is none.
    """
    if not isinstance(sent, dict):
        raise RequestError("Example must be JSON object, of names and values.")
    made = tf.train.Example()
    for name, value in sent.items():
        values = value if isinstance(value, list) else [value]
        try:
            _fill(made.features.feature[name], [decoded(one) for one in values])
        except (TypeError, ValueError) as error:
            raise RequestError(f"Feature: {name}: {error}") from None
    return made


def _fill(feature: Any, values: list[Any]) -> None:
    """Put values of one kind into a feature."""
    kinds = {str: "bytes_list", bytes: "bytes_list", bool: "int64_list"}
    kinds |= {int: "int64_list", float: "float_list"}
    named = {kinds.get(type(one), type(one).__name__) for one in values}
    if not named <= set(kinds.values()) or len(named) > 1:
        raise RequestError(f"expected values of one kind. Received: {sorted(named)}.")
    for name in named:
        bare = [one.encode() if isinstance(one, str) else one for one in values]
        getattr(feature, name).value.extend(bare)


def predictions(found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return outputs as rows: objects, or the values of the only output.

    Args:
        found: By their names, each with an entry an image.
    """
    told = _written(found)
    if len(told) == 1:
        return {"predictions": next(iter(told.values()))}
    each = zip(*told.values(), strict=True)
    return {"predictions": [dict(zip(told, row)) for row in each]}


def outputs(found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return outputs as columns by their names, or the values of the only output.

    Args:
        found: By their names.
    """
    told = _written(found)
    return {"outputs": next(iter(told.values())) if len(told) == 1 else told}


def _written(found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return outputs as JSON has them; those called `..._bytes` in base 64."""
    return {
        name: (_in_base_64 if name.endswith("_bytes") else plain_json.plain)(
            value.tolist()
        )
        for name, value in found.items()
    }


def _in_base_64(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_base_64(inner) for inner in value]
    if not isinstance(value, bytes):
        return value
    return {"b64": base64.b64encode(value).decode("ascii")}
