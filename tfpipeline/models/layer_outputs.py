"""What happens inside a network: its layers by name, also those of nested models."""

import collections
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from tfpipeline.core.errors import UserError, suggest
from tfpipeline.models import ensembles, relu_gradients
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.skip_gradients import Branches

LOGITS = "logits"

# After the name of a layer: as it is before its activation function.
BEFORE = ":before"


def _graph(model: keras.Model) -> Any:
    """Return the functional model that a model is, or that is inside a sequence."""
    return getattr(model, "_functional", None) or model


def _walk(
    model: keras.Model, within: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], keras.Layer]]:
    """Yield each layer with the nested models that it is in, and its own name."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _walk(layer, (*within, layer.name))
        elif not isinstance(layer, keras.layers.InputLayer):
            yield (*within, layer.name), layer


def _forms(path: tuple[str, ...]) -> list[str]:
    """Return what a layer can be called, the shortest first, each once."""
    alone, outermost = path[-1:], path[:1] + path[-1:]
    paths = (alone, outermost, path) if len(path) > 1 else (alone,)
    return list(dict.fromkeys(map("/".join, paths)))


def named(model: keras.Model) -> dict[str, keras.Layer]:
    """Return the layers of a model in order, those of nested models in their places.

    Each has its own name; where others have it as well, as in an ensemble of networks
    of one family, that of the outermost model around it comes before, or of all:
    `member_0/out_relu`.

    Args:
        model: Functional, or a sequence of layers.
    """
    every = list(_walk(model))
    forms = [_forms(path) for path, _ in every]
    counts = collections.Counter(form for some in forms for form in some)
    return {
        next((form for form in some if counts[form] == 1), some[-1]): layer
        for some, (_, layer) in zip(forms, every)
    }


def maps(model: keras.Model) -> dict[str, tuple[int, int, int]]:
    """Return the layers that answer with a map: height, width, channels of each.

    Padding and preprocessing are left out: they extract nothing.

    Args:
        model: From images to anything.
    """
    found = {}
    for name, layer in named(model).items():
        shape: Any = getattr(layer.output, "shape", ())
        plain = isinstance(layer, keras.layers.ZeroPadding2D | keras.layers.Rescaling)
        if len(shape) == 4 and shape[3] > 3 and shape[1] > 1 and not plain:
            found[name] = (shape[1], shape[2], shape[3])
    return found


def last_maps(model: keras.Model) -> list[str]:
    """Return the last layer that answers with a map, of each backbone there is.

    Args:
        model: From images to logits; an ensemble may have several backbones.
    """
    every, found = maps(model), named(model)
    members = [one for one in model.layers if ensembles.is_member(one)] or [model]
    own = [set(map(id, named(member).values())) for member in members]
    last = [[name for name in every if id(found[name]) in ids][-1:] for ids in own]
    return [name for names in last for name in names]


def with_activation(model: keras.Model) -> set[str]:
    """Return the names of the layers that bend or cut what they answer, or add it up.

    Args:
        model: From images to anything.
    """
    found = set()
    for name, layer in named(model).items():
        own = getattr(layer, "activation", None)
        bends = own not in (None, keras.activations.linear)
        if bends or isinstance(layer, (*relu_gradients.LAYERS, keras.layers.Add)):
            found.add(name)
    return found


def spread(names: Sequence[str], count: int) -> list[str]:
    """Return some names, evenly chosen, the last one among them.

    Args:
        names: In order.
        count: How many, at most.
    """
    count = min(count, len(names))
    return [names[(i + 1) * len(names) // count - 1] for i in range(count)]


def check(model: keras.Model, name: str, flag: str) -> None:
    """Refuse a layer that a model does not have.

    Args:
        model: The model.
        name: Of the layer.
        flag: What the user named it by.

    Raises:
        UserError: There is none, with the nearest that there is.
    """
    known = list(named(model))
    if name not in known:
        some = ", ".join(spread(list(maps(model)) or known, 8))
        raise UserError(
            f"{flag}: no layer {name!r} in this network.{suggest(name, known)} Some of "
            f"its {len(known)} layers: {some}."
        )


@dataclass(frozen=True)
class Backward:
    """What a network's gradient is to be like. What it answers does not change.

    Args:
        branches: What share of its gradient each branch of a residual network passes
            back; 1 is all. See `residual.Branches`.
        relus: What share of its gradient passes each ReLU beside its own, also where it
            is flat; 0 is none. See `activations.leaky`.
    """

    branches: float = 1.0
    relus: float = 0.0


class Inside:
    """A network that also tells what some of its layers answer.

    Args:
        model: From images in [0, 1] to logits, in inference mode.
        names: Of the layers to tell of; `NAME:before` is before the activation.
        redirected: Whether a ReLU whose gradient is nought for all of an image lets it
            through where that would wake it up.
        backward: What its gradient is to be like, where that is not its own.
    """

    def __init__(
        self,
        model: keras.Model,
        names: Sequence[str] = (),
        *,
        redirected: bool = False,
        backward: Backward = Backward(),
    ) -> None:
        self.model = model
        self.names = tuple(names)
        self.redirected = redirected
        self.backward = backward
        self._frozen = Frozen(model)
        self._named = {id(layer): name for name, layer in named(model).items()}

    def __call__(
        self, image: Any, watch: Callable[[Any], None] | None = None
    ) -> Mapping[str, Any]:
        """Return the logits, and what each layer answers, by name.

        Args:
            image: In [0, 1], shape (batch, height, width, 3).
            watch: Is told what each of the layers answers, before others see it.
        """
        if not self.names and not self.redirected and self.backward == Backward():
            return {LOGITS: self._frozen(image)}
        found: dict[str, Any] = {}
        heard = watch or (lambda answer: None)
        logits = self._frozen.run(lambda: self._run(self.model, image, found, heard))
        return {**{name: found[name] for name in self.names}, LOGITS: logits}

    def waking(self) -> "Inside":
        """Return the same network with its ReLUs redirected."""
        return Inside(self.model, self.names, redirected=True, backward=self.backward)

    def _run(
        self,
        model: keras.Model,
        image: Any,
        found: dict[str, Any],
        watch: Callable[[Any], None],
    ) -> Any:
        branches = Branches(self.backward.branches)
        branches.heard((), image)

        def call(operation: Any) -> Callable[..., Any]:
            def called(*args: Any, **kwargs: Any) -> Any:
                if isinstance(operation, keras.Model):
                    answer = self._run(operation, args[0], found, watch)
                else:
                    given = branches.summands(operation, args)
                    answer = self._one(operation, given, kwargs, found)
                branches.heard(args, answer)
                name = self._named.get(id(operation))
                if name is not None:
                    found[name] = answer
                if name in self.names:
                    watch(answer)
                return answer

            return called

        # Keras' own way through a graph; `clone_model` is built on it as well.
        return _graph(model)._run_through_graph(image, operation_fn=call)

    def _one(self, layer: Any, args: Any, kwargs: Any, found: dict[str, Any]) -> Any:
        if "training" in _arguments(type(layer)):
            kwargs = {**kwargs, "training": False}
        name = f"{self._named.get(id(layer))}{BEFORE}"
        relu = relu_gradients.is_relu(layer)
        leaks = relu and self.backward.relus > 0
        if name not in self.names and not (relu and self.redirected) and not leaks:
            return layer(*args, **kwargs)
        before = relu_gradients.before(layer, args[0])
        if before is None:
            found[name] = layer(*args, **kwargs)
            return found[name]
        found[name] = before
        after = relu_gradients.after(layer, before)
        if relu and self.redirected:
            return relu_gradients.redirect(before, after)
        return (
            relu_gradients.leaky(before, after, self.backward.relus) if leaks else after
        )


def maps_and_logits(
    model: keras.Model, name: str
) -> Callable[[Any, Callable[[Any], None]], tuple[Any, Any]]:
    """Return a network that tells a layer's maps beside its logits, as Grad-CAM asks.

    Args:
        model: From images in [0, 1] to logits, in inference mode.
        name: Of the layer.
    """
    inside = Inside(model, [name])

    def forward(image: Any, watch: Callable[[Any], None]) -> tuple[Any, Any]:
        outputs = inside(image, watch)
        return outputs[name], outputs[LOGITS]

    return forward


def _arguments(kind: Any) -> tuple[str, ...]:
    """Return what a kind of layer can be told when it is called."""
    return tuple(inspect.signature(kind.call).parameters)


def without_preprocessing(model: keras.Model) -> Callable[[Any], Any]:
    """Return a network that gets what its backbone gets, instead of an image.

    Args:
        model: From images to logits; what comes before its first nested model prepares
            the pixels.

    Returns:
        From numbers of any range, shape (batch, height, width, 3), to logits.

    Raises:
        ValueError: It has no nested model.
    """

    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        raise ValueError("Expected a network with a nested backbone. Received none.")
    return lambda values: _unprepared(model, values)


def _unprepared(model: keras.Model, values: Any) -> Any:
    prepared = False

    def call(operation: Any) -> Callable[..., Any]:
        nonlocal prepared
        prepared = prepared or isinstance(operation, keras.Model)
        if ensembles.is_member(operation):
            # Each prepares the pixels for its own backbone.
            return lambda x, *_, **__: _unprepared(operation, x)
        return operation if prepared else lambda x, *_, **__: x

    return _graph(model)._run_through_graph(values, operation_fn=call)
