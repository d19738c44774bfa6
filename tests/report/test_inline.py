"""Figures of a notebook show themselves, without pyplot."""

import sys

import numpy as np
import pytest

from tfpipeline.report import inline


def row(stage: str, loss: float, val_loss: float | None) -> dict[str, object]:
    found = {"stage": stage, "loss": loss, "accuracy": 0.5}
    return found | {"val_loss": val_loss, "val_accuracy": None}


def test_curves_have_the_numbers_of_the_history() -> None:
    history = [row("head", 2.0, 3.0), row("head", 1.0, None), row("fine_tune", 0.5, 1)]
    figure = inline.curves(history, 2)
    loss, accuracy = figure.axes
    training, validation = loss.lines[:2]
    assert list(training.get_ydata()) == [2.0, 1.0, 0.5]
    assert np.array_equal(validation.get_ydata(), [3.0, np.nan, 1], equal_nan=True)
    assert [line.get_label() for line in accuracy.lines] == ["training", "kept: 2"]
    assert loss.patches[0].get_label() == "fine-tuning"
    assert (figure._repr_png_() or b"").startswith(b"\x89PNG")


def test_a_confusion_matrix_writes_its_counts() -> None:
    figure = inline.confusion(["a", "$b$"], [[3, 1, 0], [0, 4, 0]], "test images")
    (axes,) = figure.axes
    assert sorted(text.get_text() for text in axes.texts) == ["1", "3", "4"]
    assert len(axes.get_xticklabels()) == 2
    shares = axes.images[0].get_array()
    assert np.allclose(shares, [[0.75, 0.25], [0, 1]])
    assert inline.confusion(["a", "$b$"], [[3, 1, 2], [0, 4, 0]], "t")._repr_png_()


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_gallery_has_a_caption_each(count: int) -> None:
    pictures = [np.zeros((6, 12, 3), np.uint8)] * count
    figure = inline.gallery(pictures, [f"n {i}" for i in range(count)])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title] == [f"n {i}" for i in range(count)]


def test_no_figure_is_kept_open() -> None:
    inline.gallery([np.zeros((6, 6, 3), np.uint8)], ["one"])._repr_png_()
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()
