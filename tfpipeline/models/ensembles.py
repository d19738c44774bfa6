"""Several classifiers in one: the mean of their probabilities, or of their weights."""

from collections.abc import Sequence

import keras
import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.models import classifier

# Of a backbone of an ensemble of different ones; a number follows.
_MEMBER = "member_"


def ensemble(
    models: Sequence[keras.Model],
    temperatures: Sequence[float],
    target: str = targets.SINGLE,
) -> keras.Model:
    """Return one classifier whose probabilities are the mean of those of several.

    Backbones that are equal are called once. It has the two halves of any classifier,
    so that it is saved, exported and looked into like one.

    Args:
        models: From images of one size to logits of the same classes, in one order.
        temperatures: Of each, positive, by which its logits are divided; a number has
            none.
        target: One of `core.target.TARGETS`, of all.

    Returns:
        A model from images to logits: logarithms of mean probabilities, or of several
        labels their log odds; of a number to the mean.
    """
    extractors, heads = zip(*map(classifier.split_classifier, models))
    digests = [classifier.describe(extractor) for extractor in extractors]
    different: dict[str, keras.Model] = {}
    for digest, extractor in zip(digests, extractors):
        different.setdefault(digest, extractor)
    if len(different) == 1:
        image, features = extractors[0].inputs[0], extractors[0].output
    else:
        image = keras.Input(models[0].input_shape[1:], name="image")
        vectors = []
        for number, extractor in enumerate(different.values()):
            extractor.name = f"{_MEMBER}{number}"
            vectors.append(extractor(image, training=False))
        join = keras.layers.Concatenate(name=classifier.FEATURES, dtype="float32")
        features = join(vectors)
    ends = np.cumsum([e.output_shape[-1] for e in different.values()]).tolist()
    end_of = dict(zip(different, ends))
    spans = [
        (end_of[digest] - head.input_shape[-1], end_of[digest])
        for digest, head in zip(digests, heads)
    ]
    head = _mean_head(heads, spans, temperatures, target)
    return keras.Model(image, head(features), name="classifier")


def is_member(layer: keras.Layer) -> bool:
    """Return whether a layer is a backbone of an ensemble, with its preprocessing."""
    return isinstance(layer, keras.Model) and layer.name.startswith(_MEMBER)


def _mean_head(
    heads: Sequence[keras.Model],
    spans: Sequence[tuple[int, int]],
    temperatures: Sequence[float],
    target: str,
) -> keras.Model:
    """Return a head that reads the features of all, each head its own span of them."""
    vector = keras.Input((max(end for _, end in spans),), name="vector")
    each = []
    for number, (head, (start, end)) in enumerate(zip(heads, spans)):
        own = keras.Model(head.inputs, head.outputs[0], name=f"head_{number}")
        outputs = own(vector[:, start:end], training=False)
        if target != targets.NUMBER:
            rate = 1 / temperatures[number]
            outputs = keras.layers.Rescaling(rate, dtype="float32")(outputs)
        each.append(outputs)
    return keras.Model(vector, _mean(each, target), name=classifier.HEAD)


def _mean(each: Sequence[keras.KerasTensor], target: str) -> keras.KerasTensor:
    """Return the outputs of several heads as those of one."""
    if target == targets.NUMBER:
        return keras.ops.mean(keras.ops.stack(each, axis=1), axis=1)
    if target == targets.MULTI:
        # Of the mean of sigmoids and what it lacks to 1; their number cancels.
        there, gone = (
            keras.ops.logsumexp(
                keras.ops.stack(
                    [keras.ops.log_sigmoid(sign * x) for x in each], axis=1
                ),
                axis=1,
            )
            for sign in (1.0, -1.0)
        )
        return there - gone
    logs = [keras.ops.log_softmax(logits, axis=-1) for logits in each]
    mean = keras.ops.logsumexp(keras.ops.stack(logs, axis=1), axis=1)
    return mean - float(np.log(len(each)))


def soup(model: keras.Model, members: Sequence[Sequence[np.ndarray]]) -> None:
    """Give a classifier the mean of the weights of several of its architecture.

    Source: model soups, Wortsman et al., arXiv:2203.05482.
    """
    arrays = zip(*members, strict=True)
    model.set_weights([np.mean(each, axis=0, dtype=np.float64) for each in arrays])
