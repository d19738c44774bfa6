"""Classes are found by what people call them."""

import pytest

from tfpipeline.core.errors import UserError
from tfpipeline.models import class_names
from tfpipeline.models.class_names import ClassNames

LABELS = ClassNames(
    ("tench", "Siamese cat", "tiger cat", "crane", "zebra", "crane", "7")
)


def find(*words: str) -> list[int]:
    return LABELS.find(words, "--classes")


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
        ("crane", "2 classes have this name: 3, 5"),
        ("99", "from 0 to 6"),
        ("-1", "from 0 to 6"),
        ("qqqqqq", "none of the 7 classes of this network has this name.$"),
    ],
)
def test_what_is_not_a_class_is_told_with_the_nearest(word: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        find(word)


def test_letter_case_tells_classes_apart_where_it_has_to() -> None:
    assert ClassNames(("Cat", "cat")).find(["cat", "Cat"], "--classes") == [1, 0]
    with pytest.raises(UserError, match="from 0 to 6"):
        find("9" * 5000)


def test_underscores_are_spaces() -> None:
    assert class_names.normalize("Great__Grey-Owl ") == "great grey owl"
    assert LABELS.normalized[1] == "siamese cat"


def test_a_name_that_two_classes_have_is_not_unique() -> None:
    assert LABELS.unique["zebra"] == 4 and "crane" not in LABELS.unique


def test_the_first_difference_of_two_lists_is_named() -> None:
    assert ClassNames("ab").difference(["a", "b"], "one", "the other") == ""
    for other, number, its in (("ac", 1, "'c'"), ("a", 1, "None"), ("bb", 0, "'b'")):
        words = ClassNames("ab").difference(list(other), "one", "the other")
        own = repr("ab"[number])
        assert words == (
            f"First difference, at number {number}: one has {own}, the other {its}."
        )
    assert "None" in ClassNames("a").difference(["a", "b"], "one", "the other")


def test_the_same_names_in_another_order_or_letter_case_are_reordered() -> None:
    names = ClassNames(("cat", "Dog"))
    assert names.is_reordered(["dog", "Cat"]) and names.is_reordered(names)
    for other in (["cat"], ["cat", "dog", "DOG"], ["cat", "wolf"]):
        assert not names.is_reordered(other)


def test_a_slug_is_safe_in_any_file_system() -> None:
    names = ClassNames(("Siamese-cat", "../é", "x" * 60))
    assert [names.slug(i) for i in range(3)] == ["0_siamese_cat", "1", f"2_{'x' * 40}"]
