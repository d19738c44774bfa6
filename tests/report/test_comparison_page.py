"""Runs side by side: who is ahead, whether by chance, and what differs."""

from pathlib import Path

import pytest

from tests.report import made
from tests.report.browser import browsing
from tfpipeline.core.errors import UserError
from tfpipeline.report import comparison_page, run_data
from tfpipeline.report.__main__ import main, make


def test_runs_are_compared_on_the_images_that_they_share(tmp_path: Path) -> None:
    one = made.run(tmp_path / "one", ["a", "b"], seed=0)
    two = made.run(tmp_path / "two", ["a", "b"], seed=1)
    made.predictions(one, [True] * 8 + [False] * 2)
    made.predictions(two, [True] * 3 + [False] * 6 + [True])
    content = comparison_page.content([run_data.read(run) for run in (one, two)])
    against = content["rows"][1]["against"]
    assert (against["only_first"], against["only_own"], against["n"]) == (5, 1, 10)
    assert content["same_images"]
    assert content["differences"] == [("seed", ["0", "1"])]


def test_of_many_runs_that_are_held_against_one_chance_finds_none(
    tmp_path: Path,
) -> None:
    runs = [made.run(tmp_path / str(i), ["a", "b"], seed=i) for i in range(4)]
    made.predictions(runs[0], [True] * 10)
    for number, run in enumerate(runs[1:]):
        made.predictions(run, [False] * (6 + number) + [True] * (4 - number))
    rows = comparison_page.content([run_data.read(run) for run in runs])["rows"]
    p = [row["against"]["p"] for row in rows[1:]]
    assert p == pytest.approx([2 / 2**6, 2 / 2**7, 2 / 2**8])
    # Each is less than 0.05 alone; the smallest counts three times, the next twice.
    held = [row["against"]["p_holm"] for row in rows[1:]]
    assert held == pytest.approx([2 / 2**6, 4 / 2**7, 6 / 2**8])


def test_the_page_of_a_comparison_is_quiet_and_sorts(tmp_path: Path) -> None:
    runs = [
        made.run(tmp_path / n / "run", ["a", "b"], seed=i) for i, n in enumerate("xy")
    ]
    file = make([run.path for run in runs], tmp_path / "c.html")
    with browsing(tmp_path / "profile") as page:
        page.open(file)
        rows = "[...document.querySelectorAll('#runs tbody tr')]"
        names = f"{rows}.map(r => r.cells[1].textContent)"
        assert page.ask(names) == ["x/run", "y/run"]
        press = "document.querySelectorAll('#runs thead button')[0].click()"
        page.ask(press)
        assert page.ask(names) == ["y/run", "x/run"]
        assert page.complaints == [] and page.requests == []


def test_what_cannot_be_told_of_is_refused(tmp_path: Path, capsys) -> None:
    with pytest.raises(UserError, match="nowhere"):
        make([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="finished run"):
        make([tmp_path])
    run = made.run(tmp_path / "run", ["a", "b"])
    with pytest.raises(UserError, match=r"\.html"):
        make([run.path], tmp_path / "page.pdf")
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "nowhere")])
    assert end.value.code == 2 and "Traceback" not in capsys.readouterr().err
    main([str(run.path)])
    assert str(run.report) in capsys.readouterr().out and run.report.is_file()
