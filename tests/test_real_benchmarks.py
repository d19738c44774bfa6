"""The benchmarks with real weights: their tables, and that every row can be run."""

from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.config import RunSettings

REAL = Path(__file__).parent.parent / "benchmarks" / "real"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REAL))


def test_every_row_of_both_tables_is_what_train_takes() -> None:
    import fine_tuning
    import lesson
    import shared

    flags = [(row[1], row[3]) for row in lesson.ROWS]
    flags += [(name, own) for _, name, *own in fine_tuning.rows().values()]
    for name, own in flags:
        weights = shared.weights(name, Path("FOLDER"))
        argv = [*shared.network(name), *weights, *own]
        settings = cli.parse(RunSettings, argv, prog="train", description="")
        assert settings.model.backbone == name.partition(":")[0]
    keys = [lesson.key(row) for row in lesson.ROWS]
    assert len(keys) == len(set(keys))


def test_fine_tuning_is_paired_with_the_best_frozen_head() -> None:
    import fine_tuning

    start = "sign_digits: VGG16, "
    runs = {
        "frozen: worse": [0.5, 0.5, 0.5],
        "frozen: best": [0.6, 0.7, 0.8],
        "tuned: all": [0.7, 0.8, 0.9],
    }
    found = {
        start
        + name: [
            {"seed": seed, "n": 80, "accuracy": accuracy, "cpu_seconds": 9.6}
            for seed, accuracy in enumerate(each)
        ]
        for name, each in runs.items()
    }
    # An interrupted benchmark makes up for a seed at the end.
    found[start + "tuned: all"].reverse()
    *_, row = fine_tuning.table(found).splitlines()
    assert row == (
        "| `sign_digits`, 80 | VGG16 | best, of 2 | 0.700 | all | 0.800 "
        "| +0.100 ± 0.000 | 10 |"
    )


def test_a_table_replaces_only_what_is_between_its_marks(tmp_path: Path) -> None:
    import shared

    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one -->\n\nold\n\n<!-- end of one -->\nb\n")
    for _ in range(2):
        shared.insert(page, "one", r"new \1")
        text = "a\n<!-- one -->\n\nnew \\1\n\n<!-- end of one -->\nb\n"
        assert page.read_text() == text
    with pytest.raises(SystemExit, match="marks of two"):
        shared.insert(page, "two", "new")


def test_rows_that_were_not_measured_stay_on_the_page_of_the_lesson() -> None:
    import lesson

    measured = {"n": 150, "accuracies": [0.5], "mean": 0.5, "half_interval": 0.1}
    measured |= {"cpu_seconds": 9.0, "cpu_seconds_again": 2.0}
    measured |= {"head_inputs": 4608, "head_bytes": 100}
    first, second, third = lesson.ROWS[:3]
    old = lesson.table({lesson.key(row): measured for row in (first, second)})
    rows = {lesson.key(row): measured | {"mean": 0.6} for row in (second, third)}
    head, rule, *lines = lesson.table(rows, f"text\n{old}\ntext\n").splitlines()
    assert lines[0] == old.splitlines()[2]
    assert [line.split("|")[4][:7] for line in lines] == [
        " 0.500 ",
        " 0.600 ",
        " 0.600 ",
    ]


def test_a_judge_of_species_counts_cats_dogs_and_neither() -> None:
    import ideals
    import numpy as np

    assert ideals.species("Persian") == ideals.species("cats") == "cat"
    assert ideals.species("pug") == ideals.species("dogs") == "dog"
    shares = np.full(1000, 1e-6)
    # A terrapin, a tabby, a beagle, an indri, a lynx, a pug.
    for index, share in zip((36, 281, 162, 384, 287, 254), (30, 25, 20, 15, 10, 9)):
        shares[index] = share / 100
    cat, dog = (ideals.verdict(name, shares) for name in ("Persian", "pug"))
    assert cat["top"] == [36, 281, 162, 384, 287]
    assert cat["in_first_five"] and dog["in_first_five"]
    assert not cat["first"] and not dog["first"]
    assert dog["likelier"] and not cat["likelier"]
    # A lynx is no breed of cats.
    assert not ideals.verdict("Persian", np.eye(1000)[287])["in_first_five"]
    found = ideals.summary([cat, dog])
    counts = {"images": 2, "in_first_five": 2, "first": 0, "likelier": 1}
    assert {key: found[key] for key in counts} == counts


def test_shares_have_an_interval_and_those_of_who_was_attacked_brackets() -> None:
    import transfer

    row = {"attacked": ["A"], "targeted": True, "attack": "di_fgsm"}
    row["fooled"] = {"A": 1.0, "B": 0.25}
    result = {"accuracy": {"A": 0.9, "B": 0.8}, "count": 32, "rows": [row]}
    *_, last = transfer.table(result).splitlines()
    # Wilson's interval of 8 of 32.
    cells = "(100 %, 89 to 100) | 25 %, 13 to 42 |"
    assert last == f"| a drawn class | `di_fgsm` | A | {cells}"


@pytest.mark.parametrize(("alone", "rows"), [(True, 6), (False, 20)])
def test_networks_are_attacked_alone_or_also_together(alone, rows) -> None:
    import transfer

    every = transfer.ways(["A", "B", "C"], alone)
    assert len(every) == len(set(every)) == rows
    assert all(len(who) == 1 for who, _, _ in every) is alone
