"""Pictures come as names, arrays, Pillow's, or a sample; all become files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tfpipeline import images
from tfpipeline.errors import UserError
from tfpipeline.face import pictures
from tfpipeline.face.pictures import Sample

GREEN = np.full((5, 4, 3), (0, 255, 0), np.uint8)


@pytest.mark.parametrize(
    "given",
    [
        GREEN,
        GREEN[None],
        GREEN.astype(np.float32) / 255,
        GREEN.astype(np.float64) / 255,
        [GREEN],
        Image.fromarray(GREEN),
        [Image.fromarray(GREEN).convert("RGBA")],
    ],
    ids=["one", "batch", "float32", "float64", "list", "pillow", "alpha"],
)
def test_pixels_become_files_that_hold_them(given: Any, tmp_path: Path) -> None:
    assert not pictures.are_files(given)
    (word,) = pictures.written(given, tmp_path)
    assert np.array_equal(images.decode(Path(word)), GREEN)


@pytest.mark.parametrize("given", ["a.png", Path("a.png"), ["a.png"], (Path("a.png"),)])
def test_names_stay_names(given: Any, tmp_path: Path) -> None:
    assert pictures.are_files(given)
    assert pictures.written(given, tmp_path) == ["a.png"]
    assert not list(tmp_path.iterdir())


def test_names_and_pixels_may_be_mixed(tmp_path: Path) -> None:
    words = pictures.written(["a.png", GREEN], tmp_path)
    assert words == ["a.png", str(tmp_path / "0001.png")]


def test_a_sample_is_written_below_its_classes(tmp_path: Path) -> None:
    two = np.stack([GREEN, GREEN]).astype(np.float32) / 255
    given = Sample(two, ("frog", "a/b"), ("x", "y"))
    words = pictures.written(given, tmp_path)
    # What is no name of a folder is left out.
    assert words == [str(tmp_path / "frog/0000.png"), str(tmp_path / "0001.png")]
    assert len(given[1:]) == 1 and given[1:].labels == ("a/b",)
    assert (given._repr_png_() or b"").startswith(b"\x89PNG")
    assert given[:0]._repr_png_() is None


@pytest.mark.parametrize("label", ["..", ".", "../x", "/x", ""])
def test_no_class_leads_out_of_the_folder(label: str, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    given = Sample(GREEN[None].astype(np.float32) / 255, (label,), ("x",))
    assert pictures.written(given, folder) == [str(folder / "0000.png")]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.full((2, 2, 3), 200.0), "from 200 to 200. Divide"),
        (np.full((2, 2, 3), np.nan), "from nan to nan"),
        (np.full((2, 2, 3), -0.5), "from -0.5"),
        (np.zeros((2, 2), np.uint8), r"ndarray of shape \(2, 2\)"),
        ([GREEN, np.zeros((2, 2, 1))], "at number 1"),
        (3, "int"),
    ],
)
def test_what_is_no_picture_is_told(given: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        pictures.written(given, tmp_path)
