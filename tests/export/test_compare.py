"""A version wins where it is better by more than chance; ties keep the live one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.export import compare
from tfpipeline.metrics.significance import sign_flip


def told(only_new: int, only_live: int, p_loss=None, losses=(0.5, 0.5)) -> dict:
    return {
        "only_new": only_new,
        "only_live": only_live,
        **compare.p_values(only_new, only_live, p_loss),
        "new": {"loss": losses[0]},
        "live": {"loss": losses[1]},
    }


@pytest.mark.parametrize(
    ("found", "winner"),
    [
        (told(0, 0), "tie"),
        (told(5, 2), "tie"),
        (told(6, 0), "new"),
        (told(0, 6), "live"),
        # Two tests are held against what one alone would be.
        (told(6, 0, 0.9), "tie"),
        (told(7, 0, 0.9), "new"),
        (told(0, 7, 0.9), "live"),
        (told(0, 0, 0.03, (0.2, 0.4)), "tie"),
        # Of as many right answers, the better probabilities win.
        (told(0, 0, 0.01, (0.2, 0.4)), "new"),
        (told(0, 0, 0.01, (0.4, 0.2)), "live"),
        (told(0, 0, 0.2, (0.2, 0.4)), "tie"),
        # What is right less often does not win by its probabilities.
        (told(2, 3, 0.01, (0.2, 0.4)), "tie"),
        (told(3, 2, 0.01, (0.2, 0.4)), "new"),
        (told(9, 0, 0.01, (0.4, 0.2)), "new"),
    ],
)
def test_the_rule(found: dict, winner: str) -> None:
    assert compare.winner(found) == winner


@pytest.mark.parametrize("n", range(1, 13))
def test_so_few_images_decide_nothing_however_clear_they_are(n: int) -> None:
    p_loss = float(sign_flip(np.full(n, -1.0)))
    found = told(n, 0, p_loss, (0.0, 1.0))
    assert compare.winner(found) == ("new" if n >= compare._FEWEST else "tie")


def test_a_live_version_of_something_else_is_refused_in_words(tmp_path: Path) -> None:
    file_io.write_text(tmp_path / "1" / "saved_model.pb", "of another program")
    ready = SimpleNamespace(labels=("a", "b"))
    opened: Any = SimpleNamespace(label=np.zeros(3), ready=ready)
    with pytest.raises(UserError, match="version 1 has no labels.txt"):
        compare.check(opened, tmp_path)
    file_io.write_lines(tmp_path / "1" / "labels.txt", ["b", "a"])
    with pytest.raises(UserError, match="version 1 has other classes"):
        compare.check(opened, tmp_path)
    file_io.write_lines(tmp_path / "1" / "labels.txt", ["a", "b"])
    compare.check(opened, tmp_path)


def test_images_that_one_has_learned_from_are_left_out_and_few_say_nothing() -> None:
    digests = [f"{i:064x}"[::-1] for i in range(20)]
    seen = {digest[:16] for digest in digests[:10]}
    assert compare.unseen(digests, seen) == list(range(10, 20))
    assert compare.unseen(digests, set()) == list(range(20))
    # A test counts each picture once.
    assert compare.unseen([*digests, *digests[::-1]], seen) == list(range(10, 20))
    for few, known in ((digests[:15], seen), (digests[:6] * 5, set())):
        with pytest.raises(UserError, match="--only_if_better"):
            compare.unseen(few, known)
