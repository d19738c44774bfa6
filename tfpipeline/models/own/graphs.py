"""Saved models as backbones: cut below their top, of one size, not nested."""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from tfpipeline.core.errors import UserError


def cut(model: keras.Model, layer: str | None, flag: str) -> keras.Model:
    """Return a model up to a layer, or up to its last maps or tokens.

    Args:
        model: Functional or Sequential, with one input.
        layer: Its name, `NAME/LAYER` in a nested model; None is found by the shapes:
            what comes after the last maps or tokens is the top.
        flag: What the user named the model by.
    """
    output = _named(model, layer.split("/")) if layer else _below_top(model.outputs[0])
    rank = len(output.shape)
    below = keras.Model(model.inputs[0], output) if layer or rank > 2 else None
    if below is None or not below.weights or rank not in (2, 3, 4):
        raise UserError(
            f"{flag}: found no maps (height, width, channels) or tokens (number, "
            "width) to take as features before its top. Name the layer whose output "
            "to take: --model.cut LAYER."
        )
    return below


def _named(model: keras.Model, path: list[str]) -> Any:
    """Return the output of a layer, in a nested model as that model is called."""
    layer = model.get_layer(path[0])
    # `output` of a nested model would be that of its own graph.
    call = layer._inbound_nodes[0]
    if len(path) == 1:
        return call.output_tensors[0]
    inner = functional(layer)
    below = keras.Model(inner.inputs[0], _named(inner, path[1:]))
    return below(call.input_tensors[0])


def _below_top(tensor: Any) -> Any:
    """Return the last maps or tokens in the chain of layers that made a tensor."""
    while len(tensor.shape) == 2 or tuple(tensor.shape[1:-1]) == (1, 1):
        operation = tensor._keras_history.operation
        if isinstance(operation, keras.Model):
            inner = functional(operation)
            below = keras.Model(inner.inputs[0], _below_top(inner.outputs[0]))
            if len(below.output_shape) > 2:
                return below(_inputs_of(tensor)[0])
        # Of a head in a model of its own there is nothing inside.
        before = _inputs_of(tensor)
        if len(before) != 1:
            break
        tensor = before[0]
    return tensor


def _inputs_of(tensor: Any) -> list[Any]:
    operation, node, _ = tensor._keras_history
    return list(operation._inbound_nodes[node].input_tensors)


def functional(model: Any) -> Any:
    """Return what knows the graph of a functional model, or of a sequence."""
    return getattr(model, "_functional", None) or model


def flatten(model: keras.Model, size: int, *, trained: bool, name: str) -> keras.Model:
    """Return the same network for images of one size, its nested models dissolved.

    Its layers are new ones, each called as the old one is, so that names, shapes and
    maps are found as in any other backbone.

    Args:
        model: Functional, with one input of three channels.
        size: Height and width of images, pixels.
        trained: Whether layers keep their weights; else they start anew.
        name: Of the returned model.
    """
    clones: dict[int, Any] = {}
    names: set[str] = set()

    def clone(layer: Any, within: str) -> Any:
        if id(layer) not in clones:
            config = layer.get_config()
            own = config["name"]
            config["name"] = own if own not in names else f"{within}{own}"
            if None in (config.get("image_shape") or ()):
                config["image_shape"] = (size, size, 3)
            while config["name"] in names:
                config["name"] += "_"
            names.add(config["name"])
            clones[id(layer)] = type(layer).from_config(config)
        return clones[id(layer)]

    def run(part: Any, values: Any, within: str) -> Any:
        def call(operation: Any) -> Callable[..., Any]:
            if isinstance(operation, keras.Model) and _is_plain(operation):
                below = f"{within}{operation.name}_"
                return lambda x, *_, **__: run(functional(operation), x, below)
            if not isinstance(operation, keras.Layer):
                return operation
            return clone(operation, within)

        return part._run_through_graph(values, operation_fn=call)

    image = keras.Input((size, size, 3), name="pixels")
    flat = keras.Model(image, run(functional(model), image, ""), name=name)
    for layer in _parts(model) if trained else []:
        if layer.weights:
            clones[id(layer)].set_weights(layer.get_weights())
    return flat


def _parts(model: Any) -> Iterator[Any]:
    """Yield the layers of a model, and those of the models that can be dissolved."""
    for layer in functional(model).layers:
        if isinstance(layer, keras.Model) and _is_plain(layer):
            yield from _parts(layer)
        else:
            yield layer


def _is_plain(model: Any) -> bool:
    """Return whether all layers of a model are of Keras itself.

    Some of KerasHub's cannot be built of their own configuration, and so are saved and
    loaded by their backbone only; see findings/.
    """
    return all(
        _is_plain(a) if isinstance(a, keras.Model) else _is_of_keras(a)
        for a in functional(model).layers
    )


def _is_of_keras(layer: Any) -> bool:
    return type(layer).__module__.partition(".")[0] == "keras"


def freeze(model: keras.Model) -> None:
    """Freeze a model, and what in it says that it is frozen and is not.

    Backbones of KerasHub do so once they were loaded; see findings/.
    """
    model.trainable = True
    model.trainable = False


def first_token(model: keras.Model) -> keras.Model:
    """Return a model of tokens that keeps the first, the class token of many ViTs."""
    _, count, _ = model.output_shape
    crop = keras.layers.Cropping1D((0, int(count) - 1), name="first_token")
    return keras.Model(model.inputs[0], crop(model.outputs[0]), name=model.name)
