"""Of thousands a bounded number gets a figure: the first ones, and what withstood."""

from types import SimpleNamespace

import numpy as np
import pytest

from tfpipeline.attack.figures import Figures

PICTURE = np.zeros((8, 8, 3), np.uint8)


def items(successes: list[bool]) -> list[dict]:
    return [
        {
            **{"adversarial": f"{k}.png", "figure": None, "norm": "linf"},
            **{"linf": 0.1, "epsilon": 0.1, "psnr": None, "ssim": 1.0, "steps": 1},
            **{"label": "cat", "final_class": "dog", "success_8bit": success},
            **{"clean_top": [("cat", 1.0)], "top": [("dog", 1.0)]},
            **{"success_jpeg": {"75": True}, "judges": {}},
        }
        for k, success in enumerate(successes)
    ]


@pytest.mark.parametrize(
    ("most", "expected"),
    [(None, [0, 1, 2, 3, 4, 5]), (2, [0, 1, 3, 4]), (1, [0, 3]), (0, [])],
)
def test_the_first_ones_and_those_that_withstood(most, expected, tmp_path) -> None:
    figures, told = Figures(most), items([True, True, True, False, False, False])
    # In two blocks: it goes on counting.
    for some in (told[:3], told[3:]):
        strike = SimpleNamespace(subjects=[SimpleNamespace(picture=PICTURE)] * 3)
        figures.draw(strike, np.stack([PICTURE] * 3), some, tmp_path)
    named = [k for k, item in enumerate(told) if item["figure"]]
    assert named == expected
    assert sorted(file.name for file in tmp_path.rglob("*.png")) == [
        f"{k}.png" for k in expected
    ]
