"""The JSON of TF Serving's REST protocol: requests to tensors, tensors to replies.

Source: https://www.tensorflow.org/tfx/serving/api_rest, and for what that leaves open
`json_tensor.cc` and `http_rest_api_util.cc` of the official server.
"""

import base64
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.export import protocol, signature_inputs
from tfpipeline.export.signatures import BYTES, CLASSIFY, CLASSIFY_METHOD, Loaded

# Name of the model; the version's number and its label, None where not named; and
# `predict`, `classify`, `regress`, `metadata`, or nothing, for the status.
Path = tuple[str, int | None, str | None, str]

_WHICH = (
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
)
_PATHS = {
    "POST": re.compile(_WHICH + r":(?P<what>predict|classify|regress)"),
    "GET": re.compile(_WHICH + r"(?:/(?P<what>metadata))?"),
}


class RequestError(ValueError):
    """A request that is answered by an error, with its code of HTTP."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code


def read_path(method: str, path: str) -> Path:
    """Return what a path without its query asks for."""
    words = _PATHS[method].fullmatch(path) if method in _PATHS else None
    if words is None:
        raise RequestError(f"Malformed request: {method} {path}")
    version = int(words["version"]) if words["version"] else None
    return words["name"], version, words["label"], words["what"] or ""


def read_body(body: bytes) -> dict[str, Any]:
    """Return the object that is sent; NaN and Infinity are numbers in this protocol.

    Its content type is not asked for: `curl -d` says that it is a form.
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


def answer(method: str, model: Loaded, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Answer by `predict` or `classify`; a classifier has no number for `regress`."""
    if method == "regress":
        raise _wrong_method("regression", method, _signature(model, sent, BYTES))
    return (predict if method == "predict" else classify)(model, sent)


def predict(model: Loaded, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Answer by a signature: `instances` by `predictions`, `inputs` by `outputs`."""
    signature = model.signatures[_signature(model, sent, BYTES)]
    by_row = "instances" in sent
    if by_row and "inputs" in sent:
        raise RequestError("expected only one of `instances` and `inputs`.")
    if not by_row and "inputs" not in sent:
        raise RequestError("expected a list `instances`, one an image, or `inputs`.")
    kinds = {n: s.dtype for n, s in signature.structured_input_signature[1].items()}
    given = rows(sent["instances"], kinds) if by_row else columns(sent["inputs"], kinds)
    return reply(_call(signature, given, kinds), by_row)


def classify(model: Loaded, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Answer to `examples`, perhaps with a `context`, by `results`."""
    name = _signature(model, sent, CLASSIFY)
    if name != CLASSIFY:
        raise _wrong_method("classification", "classify", name)
    sent_examples = sent.get("examples")
    if not isinstance(sent_examples, list) or not sent_examples:
        raise RequestError("expected a list `examples`, one an image.")
    context = _example(sent.get("context", {}))
    examples = []
    for values in sent_examples:
        example = tf.train.Example.FromString(context.SerializeToString())
        example.MergeFrom(_example(values))
        examples.append(example.SerializeToString())
    scores = _call(model.signatures[name], {"inputs": examples}, {"inputs": tf.string})
    pairs = zip(*(protocol.plain(scores[k].tolist()) for k in ("classes", "scores")))
    return {"results": [[list(pair) for pair in zip(*row)] for row in pairs]}


def _wrong_method(kind: str, method: str, name: str) -> RequestError:
    """Return the error for a signature that is made for another method."""
    own = CLASSIFY_METHOD if name == CLASSIFY else "tensorflow/serving/predict"
    return RequestError(
        f"Expected {kind} signature method_name to be tensorflow/serving/{method}. "
        f"Was: {own} ({name})."
    )


def _signature(model: Loaded, sent: Mapping[str, Any], default: str) -> str:
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


def rows(sent: Any, names: Collection[str]) -> dict[str, list[Any]]:
    """Return the inputs of `instances`: values, or objects with a value an input."""
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
    return {name: [row[name] for row in sent] if named else sent for name in names}


def columns(sent: Any, names: Collection[str]) -> dict[str, Any]:
    """Return the inputs of `inputs`: the only one's value, or all by their names."""
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


def _decode(value: Any) -> Any:
    """Return a value, or lists of values, with those in base 64 as bytes."""
    if isinstance(value, list):
        if value and isinstance(value[0], (int, float)):
            return value  # Pixels: there are many of them.
        return [_decode(inner) for inner in value]
    if isinstance(value, dict):
        if _is_named(value):
            raise RequestError(
                'expected {"b64": TEXT} or a value. Received: an object with '
                f"{', '.join(value) or 'nothing'}."
            )
        return base64.b64decode(value["b64"], validate=True)
    return value


def _example(sent: Any) -> tf.train.Example:
    """Return an Example with the features of a JSON object."""
    if not isinstance(sent, dict):
        raise RequestError("Example must be JSON object, of names and values.")
    example = tf.train.Example()
    for name, value in sent.items():
        values = value if isinstance(value, list) else [value]
        try:
            _fill(example.features.feature[name], [_decode(v) for v in values])
        except (TypeError, ValueError) as error:
            raise RequestError(f"Feature: {name}: {error}") from None
    return example


def _fill(feature: Any, values: list[Any]) -> None:
    """Put values of one kind into a feature."""
    kinds = {str: "bytes_list", bytes: "bytes_list", bool: "int64_list"}
    kinds |= {int: "int64_list", float: "float_list"}
    named = {kinds.get(type(value), type(value).__name__) for value in values}
    if not named <= set(kinds.values()) or len(named) > 1:
        raise RequestError(f"expected values of one kind. Received: {sorted(named)}.")
    for name in named:
        bare = [v.encode() if isinstance(v, str) else v for v in values]
        getattr(feature, name).value.extend(bare)


def _call(
    signature: Any, given: Mapping[str, Any], kinds: Mapping[str, tf.DType]
) -> dict[str, np.ndarray]:
    """Return what a signature answers, by the names of its outputs."""
    try:
        sent = {n: _tensor(n, _decode(value), kinds[n]) for n, value in given.items()}
        signature_inputs.check(signature, sent)
        return {name: value.numpy() for name, value in signature(**sent).items()}
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise RequestError(protocol.reason(error)) from None
    except RecursionError:
        raise RequestError("expected lists that are less deep.") from None
    except tf.errors.ResourceExhaustedError as error:
        raise RequestError(protocol.reason(error), 429) from None
    except tf.errors.OpError as error:
        raise RequestError(protocol.reason(error), 500) from None


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
        why = protocol.reason(error)[:120]
        raise RequestError(f"{name}: expected {kind.name}, but {why}.") from None


def reply(outputs: Mapping[str, np.ndarray], by_row: bool) -> dict[str, Any]:
    """Return outputs as rows or columns, with names where there are several.

    Those called `..._bytes` are in base 64.
    """
    lists = {
        name: protocol.plain(value.tolist(), binary=name.endswith("_bytes"))
        for name, value in outputs.items()
    }
    content: Any = lists
    if len(lists) == 1:
        (content,) = lists.values()
    elif by_row:
        each = zip(*lists.values(), strict=True)
        content = [dict(zip(lists, row)) for row in each]
    return {"predictions" if by_row else "outputs": content}
