"""One line an epoch, aligned under the names of its columns."""

import pytest

from tfpipeline.train import epoch_log

ROW = {
    **{"stage": "head", "epoch": 7, "loss": 0.5, "accuracy": 0.75},
    **{"val_loss": 1.25, "val_accuracy": 0.625, "learning_rate": 1e-3},
}


def test_each_value_stands_under_its_name_in_80_columns() -> None:
    head = epoch_log.header(ROW, 1000)
    line = epoch_log.line(ROW, 7, 1000, 12.34, best=False)
    assert len(head) == len(line) <= 74
    ends = {name: head.index(name) + len(name) for name in head.split()[1:]}
    values = dict(zip(ends, line.split()[1:], strict=True))
    assert all(line[:end].endswith(values[name]) for name, end in ends.items())
    assert [float(v) for v in values.values()] == [0.5, 0.75, 1.25, 0.625, 1e-3, 12.3]
    assert line.split()[0] == "7/1000"


def test_the_best_epoch_so_far_is_marked() -> None:
    assert epoch_log.line(ROW, 1, 9, 0, best=True).endswith("best")


def test_without_validation_there_are_fewer_columns() -> None:
    row = {name: value for name, value in ROW.items() if name[:4] != "val_"}
    assert "val" not in epoch_log.header(row, 9)
    assert len(epoch_log.line(row, 1, 9, 0, best=False).split()) == 5


def test_an_error_in_any_unit_keeps_its_digits_and_its_column() -> None:
    for value, shown in (
        (1.23456e30, "1.235e+30"),
        (4.2e-6, "4.200e-06"),
        (0, "0.0000"),
    ):
        row = {"stage": "head", "epoch": 1, "loss": 0.5, "mae": value, "val_mae": 2}
        row["learning_rate"] = 1e-3
        line = epoch_log.line(row, 1, 9, 0.5, best=False)
        assert len(line) == len(epoch_log.header(row, 9))
        assert line.split()[1:4] == ["0.5000", shown, "2.0000"]


@pytest.mark.parametrize("size", [9_999.99996, 498_886.7357, 1e30])
def test_a_large_loss_stays_apart_from_its_neighbour(size: float) -> None:
    line = epoch_log.line(ROW | {"val_loss": size}, 1, 9, 0.5, best=False)
    assert len(line) == len(epoch_log.header(ROW, 9))
    assert float(line.split()[3]) == pytest.approx(size, rel=1e-3)
