"""The pictures of a run show what they are about."""

import numpy as np

from tfpipeline.report import figures


def test_a_confusion_matrix_is_brighter_where_more_of_a_row_lies() -> None:
    counts = np.array([[8, 0, 0], [0, 2, 2], [0, 0, 0]])
    picture = figures.confusion(counts, ["cat", "dog", "none of these at all"])
    side = figures._SQUARE
    inner = picture[-3 * side :, -3 * side :].astype(int).sum(-1)
    # Beside the figure that stands in the middle.
    corner = inner[2::side, 2::side]
    assert corner[0, 0] > corner[1, 1] == corner[1, 2] > corner[0, 1] == corner[2, 2]
    # A name stands beside its row and above its column.
    edge = picture.shape[0] - 3 * side
    assert (picture[edge : edge + side, :edge] < 128).any()
    assert (picture[:edge, edge : edge + side] < 128).any()
    assert picture.shape[0] == picture.shape[1]


def test_of_a_long_name_the_beginning_is_shown() -> None:
    short = figures.confusion(np.eye(2, dtype=int), ["a", "b" * 24])
    long = figures.confusion(np.eye(2, dtype=int), ["a", "b" * 500])
    assert long.shape[0] < short.shape[0] * 1.2
