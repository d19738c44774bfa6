"""What happens inside a network: its layers by name, also those of nested models."""

import collections
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfpipeline.core.errors import UserError, suggest
from tfpipeline.models import classifier, ensembles, relu_gradients
from tfpipeline.models.constant_weights import MOST_BYTES, Frozen
from tfpipeline.models.skip_gradients import Branches

LOGITS = "logits"

# After the name of a layer: as it is before its activation function.
BEFORE = ":before"


def _run_through(model: keras.Model, values: Any, call: Callable[..., Any]) -> Any:
    """Return the output of a functional model, or of a sequence of layers.

    It is Keras' own way through a graph; `clone_model` is built on it as well.
    """
    functional: Any = getattr(model, "_functional", None) or model
    return functional._run_through_graph(values, operation_fn=call)


def _walk(
    model: keras.Model, within: tuple[str, ...] = ()
) -> Iterator[tuple[list[str], keras.Layer]]:
    """Yield each layer with what it can be called, the shortest name first."""
    for layer in model.layers:
        path = (*within, layer.name)
        if isinstance(layer, keras.Model):
            yield from _walk(layer, path)
        elif not isinstance(layer, keras.layers.InputLayer):
            forms = (path[-1:], path[:1] + path[-1:], path) if within else (path,)
            yield list(dict.fromkeys(map("/".join, forms))), layer


def named(model: keras.Model) -> dict[str, keras.Layer]:
    """Return the layers of a model in order, those of nested models in their places.

    Each has its own name; where others have it as well, as in an ensemble of networks
    of one family, that of the outermost model around it comes before, or of all:
    `member_0/out_relu`.
    """
    every = list(_walk(model))
    counts = collections.Counter(form for forms, _ in every for form in forms)
    return {
        next((form for form in forms if counts[form] == 1), forms[-1]): layer
        for forms, layer in every
    }


def maps(model: keras.Model) -> dict[str, tuple[int, int, int]]:
    """Return the layers whose output is a map: height, width, channels of each.

    Padding and preprocessing are no such layers: they extract nothing.
    """
    shapes = {}
    for name, layer in named(model).items():
        shape: Any = getattr(layer.output, "shape", ())
        plain = isinstance(layer, keras.layers.ZeroPadding2D | keras.layers.Rescaling)
        if len(shape) == 4 and shape[3] > 3 and (shape[1] or 0) > 1 and not plain:
            shapes[name] = (shape[1], shape[2], shape[3])
    return shapes


def last_maps(model: keras.Model) -> list[str]:
    """Return the last layer whose output is a map, of each backbone there is."""
    every, layers = maps(model), named(model)
    members = [one for one in model.layers if ensembles.is_member(one)] or [model]
    own = [set(map(id, named(member).values())) for member in members]
    last = [[name for name in every if id(layers[name]) in ids][-1:] for ids in own]
    return [name for names in last for name in names]


def pools(model: keras.Model, names: Sequence[str]) -> bool:
    """Tell whether a layer, the only one of these, makes the maps that are pooled."""
    if not classifier.pooled_maps(model) or len(names) != 1:
        return False
    last = classifier.backbone_of(model).outputs[0]
    return named(model)[names[0]].output is last


def with_activation(model: keras.Model) -> set[str]:
    """Return the names of the layers that bend or cut their output, or add it up."""
    kinds = (*relu_gradients.LAYERS, keras.layers.Add)
    linear = (None, keras.activations.linear)
    return {
        name
        for name, layer in named(model).items()
        if getattr(layer, "activation", None) not in linear or isinstance(layer, kinds)
    }


def spread(names: Sequence[str], count: int) -> list[str]:
    """Return `count` names at most, evenly chosen, the last one among them."""
    count = min(count, len(names))
    return [names[(i + 1) * len(names) // count - 1] for i in range(count)]


def check(model: keras.Model, name: str, flag: str) -> None:
    """Refuse a layer that a model does not have, and name the nearest that it has."""
    known = list(named(model))
    if name not in known:
        examples = ", ".join(spread(list(maps(model)) or known, 8))
        raise UserError(
            f"{flag}: no layer {name!r} in this network.{suggest(name, known)} Some of "
            f"its {len(known)} layers: {examples}."
        )


@dataclass(frozen=True)
class Backward:
    """What a network's gradient is to be like. Its outputs do not change.

    Args:
        branches: What share of its gradient each branch of a residual network passes
            back; 1 is all. See `skip_gradients.Branches`.
        relus: What share of its gradient each ReLU passes where its output is 0; with
            any, a limit above is ignored too. See `relu_gradients.leaky`.
        redirected: Whether a ReLU whose gradient is zero for all of an image lets it
            through where that would wake it up. See `relu_gradients.redirect`.
    """

    branches: float = 1.0
    relus: float = 0.0
    redirected: bool = False


class Inside:
    """A network that also returns the outputs of some of its layers.

    Args:
        model: From images in [0, 1] to logits, in inference mode.
        names: Of the layers; `NAME:before` is before the activation.
        backward: What its gradient is to be like, where that is not its own.
        most_bytes: Of weights that become constants; see `Frozen`.
    """

    def __init__(
        self,
        model: keras.Model,
        names: Sequence[str] = (),
        *,
        backward: Backward = Backward(),
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.model, self.names, self.backward = model, tuple(names), backward
        self._frozen = Frozen(model, most_bytes)
        self._named = {id(layer): name for name, layer in named(model).items()}

    def __call__(
        self, image: Any, watch: Callable[[Any], None] | None = None
    ) -> Mapping[str, Any]:
        """Return the logits, and the output of each layer, by name.

        Args:
            image: In [0, 1], shape (batch, height, width, 3).
            watch: Gets the output of each of the layers, before others see it.
        """
        if not self.names and self.backward == Backward():
            return {LOGITS: self._frozen(image)}
        outputs: dict[str, Any] = {}
        logits = self._frozen.run(lambda: self._run(self.model, image, outputs, watch))
        return {**{name: outputs[name] for name in self.names}, LOGITS: logits}

    def waking(self) -> "Inside":
        """Return the same network with its ReLUs redirected."""
        backward = dataclasses.replace(self.backward, redirected=True)
        return Inside(self.model, self.names, backward=backward)

    def _run(
        self,
        model: keras.Model,
        image: Any,
        outputs: dict[str, Any],
        watch: Callable[[Any], None] | None,
    ) -> Any:
        branches = Branches(self.backward.branches)
        branches.record((), image)

        def call(operation: Any) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                if isinstance(operation, keras.Model):
                    output = self._run(operation, args[0], outputs, watch)
                else:
                    given = branches.summands(operation, args)
                    output = self._call(operation, given, kwargs, outputs)
                branches.record(args, output)
                name = self._named.get(id(operation))
                if name is not None:
                    outputs[name] = output
                if watch is not None and name in self.names:
                    watch(output)
                return output

            return run

        return _run_through(model, image, call)

    def _call(self, layer: Any, args: Any, kwargs: Any, outputs: dict[str, Any]) -> Any:
        if "training" in inspect.signature(type(layer).call).parameters:
            kwargs = {**kwargs, "training": False}
        name = f"{self._named.get(id(layer))}{BEFORE}"
        relu = relu_gradients.is_relu(layer)
        redirects = relu and self.backward.redirected
        leaks = relu and self.backward.relus > 0
        if name not in self.names and not redirects and not leaks:
            return layer(*args, **kwargs)
        before = relu_gradients.before(layer, args[0])
        if before is None:
            outputs[name] = layer(*args, **kwargs)
            return outputs[name]
        outputs[name] = before
        if leaks and not redirects:
            return relu_gradients.leaky(layer, before, self.backward.relus)
        after = relu_gradients.after(layer, before)
        return relu_gradients.redirect(before, after) if redirects else after


def maps_and_logits(
    model: keras.Model, name: str, most_bytes: int = MOST_BYTES
) -> Callable[[Any, Callable[[Any], None]], tuple[Any, Any]]:
    """Return a network with a layer's maps beside its logits, as Grad-CAM needs it."""
    inside = Inside(model, [name], most_bytes=most_bytes)

    def forward(image: Any, watch: Callable[[Any], None]) -> tuple[Any, Any]:
        outputs = inside(image, watch)
        return outputs[name], outputs[LOGITS]

    return forward


def after_maps(
    model: keras.Model, maps: Callable[[Any], Any]
) -> Callable[[Any, Callable[[Any], None]], tuple[Any, Any]]:
    """Return what `maps_and_logits` does, of the maps that a classifier `pools`.

    Args:
        model: Whose pooling and head are called.
        maps: Computes them from images, by whatever means.
    """
    pooling, head = classifier.pooling_of(model), classifier.split_classifier(model)[1]

    def forward(image: Any, watch: Callable[[Any], None]) -> tuple[Any, Any]:
        found = keras.ops.convert_to_tensor(maps(image))
        watch(found)
        return found, head(pooling(found), training=False)

    return forward


def without_preprocessing(model: keras.Model) -> Callable[[Any], Any]:
    """Return a network that gets what its backbone gets, instead of an image.

    What comes before its first nested model prepares the pixels; without one it is a
    ValueError.
    """
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        raise ValueError("Expected a network with a nested backbone. Received none.")
    return lambda values: _run_unprepared(model, values)


def _run_unprepared(model: keras.Model, values: Any) -> Any:
    prepared = False

    def call(operation: Any) -> Callable[..., Any]:
        nonlocal prepared
        prepared = prepared or isinstance(operation, keras.Model)
        if ensembles.is_member(operation):
            # Each prepares the pixels for its own backbone.
            return lambda x, *_, **__: _run_unprepared(operation, x)
        return operation if prepared else lambda x, *_, **__: x

    return _run_through(model, values, call)
