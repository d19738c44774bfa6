"""Counts of groups and classes, against the definitions."""

import numpy as np
import pytest

from tfpipeline.data.grouping.cells import Cells


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, Cells]:
    rng = np.random.default_rng(seed)
    code = np.unique(rng.integers(0, 12, 50), return_inverse=True)[1]
    values = rng.random((50, 4)) < [0.5, 0.2, 0.1, 0.0]
    share = np.array([0.6, 0.4])
    return code, values, Cells(code, *np.nonzero(values), share, 4)


@pytest.mark.parametrize("seed", range(5))
def test_a_cell_counts_the_examples_of_a_group(seed: int) -> None:
    code, values, cells = drawn(seed)
    for group in range(code.max() + 1):
        columns, counts = cells.cell(group)
        own = values[code == group].sum(axis=0)
        assert columns[-1] == 4 and counts[-1] == (code == group).sum()
        assert columns[:-1].tolist() == np.flatnonzero(own).tolist()
        assert counts[:-1].tolist() == own[own > 0].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_deviation_is_the_sum_of_squared_shares_that_are_missed(seed: int) -> None:
    code, values, cells = drawn(seed)
    part = np.random.default_rng(seed).integers(0, 2, code.max() + 1)
    table = np.c_[values, np.ones(50)]
    filled = np.stack([table[part[code] == k].sum(axis=0) for k in (0, 1)])
    assert np.array_equal(cells.filled(part), filled)
    totals, share = table.sum(axis=0), np.array([[0.6], [0.4]])
    there = totals > 0
    missed = (filled[:, there] / totals[there] - share) ** 2 / share
    assert cells.deviation(part) == pytest.approx(missed.sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_best_part_is_the_one_of_least_deviation(seed: int) -> None:
    code, _, cells = drawn(seed)
    part = np.random.default_rng(seed).integers(0, 2, code.max() + 1)
    group = seed
    filled = cells.filled(part)
    columns, counts = cells.cell(group)
    filled[part[group], columns] -= counts
    tries = [np.where(np.arange(len(part)) == group, k, part) for k in (0, 1)]
    best = cells.best(filled, group)
    assert best == np.argmin([cells.deviation(one) for one in tries])
    assert np.array_equal(filled, cells.filled(tries[best]))


def test_moves_lower_the_deviation_until_no_single_one_does() -> None:
    code, _, cells = drawn(7)
    part = np.zeros(code.max() + 1, np.int64)
    before = cells.deviation(part)
    every = np.arange(len(part))
    cells.move(part, cells.filled(part), every, np.random.default_rng(0), 50)
    reached = cells.deviation(part)
    assert reached < before
    for group in every:
        other = np.where(every == group, 1 - part, part)
        assert cells.deviation(other) >= reached - 1e-12


def test_a_gap_is_filled_where_another_part_has_two() -> None:
    code, label = np.arange(6), np.array([0, 0, 0, 0, 1, 1])
    cells = Cells(code, np.arange(6), label, np.array([0.5, 0.5]), 2)
    part = np.array([0, 0, 1, 1, 1, 1])
    filled = cells.filled(part)
    cells.fill_gaps(part, filled)
    assert sorted(part[4:]) == [0, 1]
    assert np.array_equal(filled, cells.filled(part))
