"""Several classifiers in one: the mean of their probabilities, or of their weights."""

from collections.abc import Sequence

import keras
import numpy as np

from tfpipeline.models import classifier

# Of a backbone of an ensemble of different ones; a number follows.
_MEMBER = "member_"


def ensemble(
    models: Sequence[keras.Model], temperatures: Sequence[float]
) -> keras.Model:
    """Return one classifier whose probabilities are the mean of those of several.

    Backbones that are equal are called once. It has the two halves of any classifier,
    so that it is saved, exported and looked into like one.

    Args:
        models: From images of one size to logits of the same classes, in one order.
        temperatures: Of each, positive, by which its logits are divided.

    Returns:
        A model from images to logits: logarithms of mean probabilities.
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
    head = _mean_head(heads, spans, temperatures)
    return keras.Model(image, head(features), name="classifier")


def is_member(layer: keras.Layer) -> bool:
    """Return whether a layer is a backbone of an ensemble, with its preprocessing."""
    return isinstance(layer, keras.Model) and layer.name.startswith(_MEMBER)


def _mean_head(
    heads: Sequence[keras.Model],
    spans: Sequence[tuple[int, int]],
    temperatures: Sequence[float],
) -> keras.Model:
    """Return a head that reads the features of all, each head its own span of them."""
    vector = keras.Input((max(end for _, end in spans),), name="vector")
    logs = []
    for number, (head, (start, end)) in enumerate(zip(heads, spans)):
        own = keras.Model(head.inputs, head.outputs[0], name=f"head_{number}")
        cooled = keras.layers.Rescaling(1 / temperatures[number], dtype="float32")
        logits = cooled(own(vector[:, start:end], training=False))
        logs.append(keras.ops.log_softmax(logits, axis=-1))
    mean = keras.ops.logsumexp(keras.ops.stack(logs, axis=1), axis=1)
    return keras.Model(vector, mean - float(np.log(len(heads))), name=classifier.HEAD)


def soup(model: keras.Model, members: Sequence[Sequence[np.ndarray]]) -> None:
    """Give a classifier the mean of the weights of several of its architecture.

    Source: model soups, Wortsman et al., arXiv:2203.05482.
    """
    arrays = zip(*members, strict=True)
    model.set_weights([np.mean(each, axis=0, dtype=np.float64) for each in arrays])
