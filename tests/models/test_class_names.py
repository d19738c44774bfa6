"""Classes are found by what people call them."""

import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.models import class_names

LABELS = ("tench", "Siamese cat", "tiger cat", "crane", "zebra", "crane", "7")


def find(*words: str) -> list[int]:
    return class_names.find(words, LABELS, "--classes")


def test_names_and_numbers_in_any_spelling() -> None:
    assert find("Siamese cat", "siamese_CAT", " siamese-cat ") == [1, 1, 1]
    assert find("0", "zebra", "4") == [0, 4, 4]


def test_a_class_that_is_called_by_a_number_comes_before_the_number() -> None:
    assert find("7") == [6]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("zebbra", "Did you mean 'zebra'"),
        ("cat", "'Siamese cat' or 'tiger cat'"),
        ("crane", "2 classes are called so: 3, 5"),
        ("99", "from 0 to 6"),
        ("-1", "from 0 to 6"),
        ("qqqqqq", "none of the 7 classes of this network is called so.$"),
    ],
)
def test_what_is_not_a_class_is_told_with_the_nearest(word: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        find(word)


def test_letter_case_tells_classes_apart_where_it_has_to() -> None:
    assert class_names.find(["cat", "Cat"], ("Cat", "cat"), "--classes") == [1, 0]
    with pytest.raises(UserError, match="from 0 to 6"):
        find("9" * 5000)


def test_underscores_are_spaces() -> None:
    assert class_names.plain("Great__Grey-Owl ") == "great grey owl"
