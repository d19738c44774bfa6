"""The JSON of TF Serving's REST protocol: requests to tensors, tensors to replies.

Source: https://www.tensorflow.org/tfx/serving/api_rest, and for what that leaves open
`json_tensor.cc` and `http_rest_api_util.cc` of the official server.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfpipeline.export import plain_json, signature_inputs
from tfpipeline.export.signatures import BYTES, CLASSIFY, Loaded
from tfpipeline.serve import rest_values
from tfpipeline.serve.rest_values import RequestError

_CLASSIFY_METHOD = "tensorflow/serving/classify"

_WHICH = (
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
)
_ASKED = {
    "POST": re.compile(_WHICH + r":(?P<what>predict|classify|regress)"),
    "GET": re.compile(_WHICH + r"(?:/(?P<what>metadata))?"),
}


class Asked(NamedTuple):
    """What the path of a request asks for.

    Args:
        name: Of the model.
        version: The number; None where none is named.
        label: What the version is called; None likewise.
        what: `predict`, `classify`, `regress`, `metadata`, or nothing, for the status.
    """

    name: str
    version: int | None
    label: str | None
    what: str


def read_path(method: str, path: str) -> Asked:
    """Return what the path of a request asks for.

    Args:
        method: Of HTTP.
        path: Without its query.

    Raises:
        RequestError: There is no such path.
    """
    found = _ASKED[method].fullmatch(path) if method in _ASKED else None
    if found is None:
        raise RequestError(f"Malformed request: {method} {path}")
    version = int(found["version"]) if found["version"] else None
    return Asked(found["name"], version, found["label"], found["what"] or "")


def read_body(body: bytes) -> dict[str, Any]:
    """Return the object that is sent; NaN and Infinity are numbers in this protocol.

    Args:
        body: Whatever its content type says: `curl -d` says it is a form.

    Raises:
        RequestError: It is none.
    """
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"JSON Parse error: expected JSON, but {error}") from None
    if not isinstance(sent, dict):
        raise RequestError(
            "expected an object with a list `instances`, one an image, or `inputs`."
        )
    return sent


def predict(model: Loaded, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Answer by a signature, in the format of the request: rows or columns.

    Args:
        model: A version.
        sent: The request: `signature_name`; `instances` or `inputs`.

    Returns:
        `predictions` or `outputs`.

    Raises:
        RequestError: With what was expected and what came.
    """
    signature = model.signatures[_signature(model, sent, BYTES)]
    rows, columns = "instances" in sent, "inputs" in sent
    if rows and columns:
        raise RequestError("expected only one of `instances` and `inputs`.")
    if not rows and not columns:
        raise RequestError("expected a list `instances`, one an image, or `inputs`.")
    kinds = {n: s.dtype for n, s in signature.structured_input_signature[1].items()}
    read = rest_values.rows if rows else rest_values.columns
    given = read(sent["instances" if rows else "inputs"], kinds)
    found = _asked(signature, given, kinds)
    return (rest_values.predictions if rows else rest_values.outputs)(found)


def classify(model: Loaded, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Answer to Examples, as `Classify` of gRPC does.

    Args:
        model: A version.
        sent: The request: `signature_name`, `context`, `examples`.

    Returns:
        `results`: of each Example pairs of a class and its score.

    Raises:
        RequestError: With what was expected and what came.
    """
    name = _signature(model, sent, CLASSIFY)
    if name != CLASSIFY:
        raise wrong_method("classification", "classify", name)
    rows = sent.get("examples")
    if not isinstance(rows, list) or not rows:
        raise RequestError("expected a list `examples`, one an image.")
    context = rest_values.example(sent.get("context", {}))
    examples = []
    for row in rows:
        example = tf.train.Example.FromString(context.SerializeToString())
        example.MergeFrom(rest_values.example(row))
        examples.append(example.SerializeToString())
    found = _asked(model.signatures[name], {"inputs": examples}, {"inputs": tf.string})
    pairs = zip(*(plain_json.plain(found[k].tolist()) for k in ("classes", "scores")))
    return {"results": [[list(pair) for pair in zip(*row)] for row in pairs]}


def regress(model: Loaded, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse: a classifier has no number to tell.

    Args:
        model: A version.
        sent: The request.

    Raises:
        RequestError: As the official server says it.
    """
    raise wrong_method("regression", "regress", _signature(model, sent, BYTES))


# By their names in paths.
METHODS: dict[str, Callable[[Loaded, Mapping[str, Any]], dict[str, Any]]] = {
    "predict": predict,
    "classify": classify,
    "regress": regress,
}


def wrong_method(kind: str, method: str, name: str) -> RequestError:
    """Return the error for a signature that is made for another method.

    Args:
        kind: Of signatures that the method takes.
        method: That was asked for.
        name: Of the signature.
    """
    said = _CLASSIFY_METHOD if name == CLASSIFY else "tensorflow/serving/predict"
    return RequestError(
        f"Expected {kind} signature method_name to be tensorflow/serving/{method}. "
        f"Was: {said} ({name})."
    )


def _signature(model: Loaded, sent: Mapping[str, Any], default: str) -> str:
    """Return the signature that is asked for."""
    name = sent.get("signature_name", "")
    if not isinstance(name, str):
        raise RequestError("'signature_name' key must be a string value.")
    name = name or default
    if name not in model.signatures:
        raise RequestError(
            f'Serving signature name: "{name}" not found in signature def, expected '
            f"a signature of {', '.join(model.signatures)}."
        )
    return name


def _tensor(name: str, value: Any, kind: tf.DType) -> tf.Tensor:
    """Return an input; what is of another type is no number in this protocol."""
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    try:
        if isinstance(first, bool):
            raise TypeError("true and false are no numbers")
        return tf.constant(value, kind)
    except (TypeError, ValueError) as error:
        said = plain_json.reason(error)[:120]
        raise RequestError(f"{name}: expected {kind.name}, but {said}.") from None


def _asked(
    signature: Any, given: Mapping[str, Any], kinds: Mapping[str, tf.DType]
) -> dict[str, np.ndarray]:
    """Return what a signature answers, by the names of its outputs."""
    try:
        sent = {
            name: _tensor(name, rest_values.decoded(value), kinds[name])
            for name, value in given.items()
        }
        signature_inputs.check(signature, sent)
        found = signature(**sent)
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise RequestError(plain_json.reason(error)) from None
    except RecursionError:
        raise RequestError("expected lists that are less deep.") from None
    except tf.errors.ResourceExhaustedError as error:
        raise RequestError(plain_json.reason(error), 429) from None
    except tf.errors.OpError as error:
        raise RequestError(plain_json.reason(error), 500) from None
    return {name: value.numpy() for name, value in found.items()}
