"""Rows of several labels and of numbers: from outputs to cells and back."""

import json
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.export.protocol import Answer
from tfpipeline.metrics.decision import Decision
from tfpipeline.predict import answers, outputs, streaming, target_rows

SEVERAL = Decision("multi", ("cat", "dog", "sofa"), (0.5, 0.5, 0.2))
NUMBER = Decision("number", ("age",), mean=30.0)
IDS = ["1.png", "2.png"]


def several() -> list[dict]:
    logits = np.array([[-3.0, 3, -1], [-3, -3, -3]])
    return target_rows.rows(IDS, target_rows.answers(SEVERAL, logits))


def test_labels_are_said_the_most_probable_first() -> None:
    first, second = several()
    assert first["labels"] == ["dog", "sofa"] and second["labels"] == []
    assert list(first["probabilities"]) == ["dog", "sofa", "cat"]
    assert first["error"] == ""
    assert target_rows.words(first) == ("dog 0.953, sofa 0.269", "cat 0.047")
    assert target_rows.words(second)[0] == "(none)"


def test_a_csv_has_a_column_for_each_class_and_is_known_again() -> None:
    given = several()
    header = target_rows.header(given)
    assert header[:2] == ["id", "labels"] and header[-1] == "error"
    assert header[2:-1] == [f"probability of {name}" for name in SEVERAL.labels]
    cells = list(target_rows.cells(given))
    assert cells[0][:2] == ["1.png", "dog|sofa"] and cells[1][1] == ""
    assert [round(v, 3) for v in cells[0][2:-1]] == [0.047, 0.953, 0.269]
    assert target_rows.is_header(header) and target_rows.is_header([*given[0]])


def test_a_number_is_a_value_with_its_name() -> None:
    one = target_rows.answers(NUMBER, np.array([[31.5]]))
    given = target_rows.rows(IDS, [*one, Answer((), (), "it is broken")])
    assert given[0] == {"id": "1.png", "quantity": "age", "value": 31.5, "error": ""}
    assert given[1]["value"] is None and given[1]["error"] == "it is broken"
    assert target_rows.header(given) == ["id", "quantity", "value", "error"]
    assert target_rows.is_header(target_rows.header(given))
    text = outputs.table(given, 80)
    assert "age" in text and "31.5" in text and "it is broken" in text


def test_a_number_has_its_interval_where_the_model_has_one() -> None:
    one = Decision("number", ("age",), mean=30.0, half_width=2.5)
    every = [*target_rows.answers(one, np.array([[31.5]])), Answer((), (), "broken")]
    given = target_rows.rows(IDS, every)
    assert (given[0]["low"], given[0]["high"]) == (29.0, 34.0)
    header = target_rows.header(given)
    assert header == ["id", "quantity", "value", "low", "high", "error"]
    assert target_rows.is_header(header) and target_rows.is_header([*given[0]])
    cells = list(target_rows.cells(given))
    assert cells[0] == ["1.png", "age", 31.5, 29.0, 34.0, ""]
    assert cells[1] == ["2.png", "", None, None, None, "broken"]
    text = outputs.table(given, 80)
    assert "interval" in text and "29 to 34" in text and "broken" in text


def test_probabilities_are_calibrated_before_they_are_answered() -> None:
    one = Decision("multi", ("cat", "dog"), (0.5, 0.7), temperature=2.0)
    (answer,) = target_rows.answers(one, np.array([[2.0, 1.0]]))
    np.testing.assert_allclose(answer.probabilities, [0.731059, 0.622459], rtol=1e-5)
    assert answer.said == ["cat"]


def test_rows_of_a_part_in_which_all_is_broken_fit_the_others() -> None:
    # A part of many pictures is asked for by itself, and says nothing of the target.
    broken = [answers.without("0.png", "it is broken")]
    number = target_rows.rows(
        IDS, target_rows.answers(NUMBER, np.array([[31.5], [2.0]]))
    )
    assert target_rows.header(broken + number) == target_rows.header(number)
    cells = list(target_rows.cells(broken + number))
    assert cells[0] == ["0.png", None, None, "it is broken"]
    assert cells[1:] == list(target_rows.cells(number))
    assert target_rows.header(broken + several()) == target_rows.header(several())
    first, *rest = target_rows.cells(broken + several())
    assert first == ["0.png", "", None, None, None, "it is broken"]
    assert rest == list(target_rows.cells(several()))
    assert target_rows.header(broken) == []


def test_what_tells_strange_images_has_columns_before_the_last() -> None:
    strange = [(0.5, True, ""), (7.25, False, "")]
    for one, logits in (
        (SEVERAL, np.array([[-3.0, 3, -1], [-3, -3, -3]])),
        (NUMBER, np.array([[31.5], [2.0]])),
    ):
        given = target_rows.rows(IDS, target_rows.answers(one, logits, strange))
        assert [row["known"] for row in given] == [True, False]
        header = target_rows.header(given)
        assert header[-4:] == ["novelty", "known", "known_reason", "error"]
        cells = list(target_rows.cells(given))
        assert [row[-4:] for row in cells] == [
            [0.5, "true", "", ""],
            [7.25, "false", "", ""],
        ]
        assert target_rows.is_header(header) and target_rows.is_header([*given[0]])
        header, first, second = outputs.table(given, 80).splitlines()[:3]
        assert header.split()[-1] == "known"
        assert (first.split()[-1], second.split()[-1]) == ("yes", "no")
        assert outputs.counts(given)["known"] == {True: 1, False: 1}


def test_rows_of_many_pictures_have_the_columns_of_all() -> None:
    said = target_rows.answers(NUMBER, np.array([[31.5]]), [(0.5, None, "few")])
    table = streaming.Table()
    table.add([{"id": "0.png", "quantity": "", "value": None, "error": "broken"}])
    table.add(target_rows.rows(["1.png"], said))
    assert [*table[0]] == [*table[1]] and table[0]["known_reason"] is None
    assert table[1]["known_reason"] == "few"


@pytest.mark.parametrize("one", [NUMBER, SEVERAL])
def test_a_picture_that_was_not_asked_about_has_the_keys_of_others(one) -> None:
    outputs = np.zeros((2, len(one.labels)))
    given = target_rows.rows(IDS, target_rows.answers(one, outputs))
    table = streaming.Table()
    for number in range(3):
        table.add(given if number == 1 else [answers.without("0.png", "not asked")])
    first, *others, last = table
    assert others == given and first == last
    assert [*first] == [*given[0]] and first["error"] == "not asked"
    broken = target_rows.rows(IDS, [Answer((), (), "not asked"), given_answer(one)])
    assert first == broken[0] | {"id": "0.png"}


def given_answer(one: Decision) -> Answer:
    return target_rows.answers(one, np.zeros((1, len(one.labels))))[0]


def test_a_number_that_json_does_not_know_is_an_error() -> None:
    values = np.array([[31.5], [np.nan], [np.inf]])
    for part in (values, values[1:]):
        names = [f"{i}.png" for i in range(len(part))]
        given = target_rows.rows(names, target_rows.answers(NUMBER, part))
        assert all([*row] == [*given[-1]] for row in given)
        for row in given[-2:]:
            assert row["value"] is None and "not finite" in row["error"]
            json.dumps(row, allow_nan=False)
    assert target_rows.rows(IDS[:1], target_rows.answers(NUMBER, values))[0]["value"]


def test_files_are_written_and_known_again(tmp_path: Path) -> None:
    for name in ("p.csv", "p.jsonl"):
        outputs.write(tmp_path / name, several(), "m")
        assert outputs.check(str(tmp_path / name)) == tmp_path / name


def test_rows_of_single_classes_are_left_to_others() -> None:
    answer = Answer(["a"], [0.9], "")
    assert not target_rows.is_other(answer)
    row = {"id": "1", "label": "a", "probability": 0.9}
    assert not target_rows.header([row]) and not target_rows.words(row)
    assert not target_rows.header([]) and not target_rows.table_header([row])
