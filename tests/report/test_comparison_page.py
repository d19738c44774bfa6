"""Runs side by side: who is ahead, whether by chance, and what differs."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.report import made
from tests.report.browser import browsing
from tfpipeline.core.errors import UserError
from tfpipeline.report import comparison_page, run_data, run_page
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


@pytest.mark.parametrize(
    "counts, headline",
    [
        ((100, 102), "No difference shown between r0 and r1"),
        ((100, 112), "r1 is 10.0 points more accurate than r0"),
        ((112, 100), "r1 is 10.0 points less accurate than r0"),
        ((100, 102, 101), "None of 2 runs is shown to differ from r0"),
        (
            (100, 102, 112),
            "r2 is 10.0 points more accurate than r0; 1 of 2 runs is shown to differ "
            "from it",
        ),
    ],
)
def test_the_headline_says_no_more_than_is_shown(
    tmp_path: Path, counts: tuple[int, ...], headline: str
) -> None:
    runs = [made.run(tmp_path / f"r{i}", ["a", "b"]) for i in range(len(counts))]
    for run, right in zip(runs, counts):
        made.predictions(run, [image < right for image in range(120)])
    content = comparison_page.content([run_data.read(run) for run in runs])
    assert content["story"].headline == headline
    difference = content["story"].figures[1]
    assert "95 % interval" in difference.basis and "p = " in difference.basis


def test_of_different_images_nothing_is_concluded(tmp_path: Path) -> None:
    runs = [made.run(tmp_path / n, ["a", "b"]) for n in "xy"]
    made.predictions(runs[0], [True] * 120)
    content = comparison_page.content([run_data.read(run) for run in runs])
    assert (
        content["story"].headline
        == "2 runs that do not share all test images: no ranking"
    )
    assert content["rows"][1]["against"] is None


def test_every_run_is_linked_that_has_a_page(tmp_path: Path) -> None:
    runs = [made.run(tmp_path / n, ["a", "b"]) for n in ("one #1", "two")]
    run_page.write(runs[0])
    page = make([run.path for run in runs], tmp_path / "below" / "c.html")
    links = set(re.findall(r'<a href="([^"#]+)">', page.read_text()))
    assert links == {"../one%20%231/report.html"}
    assert (page.parent / unquote(*links)).is_file()


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
