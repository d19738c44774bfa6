"""Classes are joined, renamed and dropped as if their folders had been."""

import unicodedata
from pathlib import Path

import pytest

from tests.data.sources.test_base import never, put
from tfpipeline.config import DataSettings
from tfpipeline.core import file_io
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import class_map, opening
from tfpipeline.data.sources.base import Source
from tfpipeline.data.sources.class_map import ClassMap

CAFE = "caf\u00e9"


def write(folder: Path, *lines: str) -> Path:
    file = folder / "classes.csv"
    file.write_text("\n".join(("class,new", *lines)), encoding="utf-8")
    return file


def open_(source: object, file: Path | None = None, **settings) -> Source:
    data = DataSettings(
        source=str(source), classes=None if file is None else str(file), **settings
    )
    return opening.open_source(data, Path("/nowhere"), never)


def label_of(source: Source) -> dict[str, str]:
    """The class of each picture, by the name of its file."""
    pairs = zip(source.paths, source.label)
    return {path.name: source.labels[label] for path, label in pairs}


def as_csv(root: Path) -> Path:
    files = sorted(root.rglob("*.png"))
    rows = [(file.relative_to(root), file.parent.name) for file in files]
    file_io.write_csv(root / "list.csv", ("path", "label"), rows)
    return root / "list.csv"


PICTURES = ("Cat/1.png", "b, c/2.png", "cat/3.png", "no/4.png", "010/5.png")
LINES = ("Cat,cat", '"b, c",z', "no,", "010,1:30")
RENAMED = {"1.png": "cat", "2.png": "z", "3.png": "cat", "5.png": "1:30"}


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_a_map_does_what_moving_the_files_would(tmp_path: Path, kind: str) -> None:
    root = put(tmp_path / "p", *PICTURES)
    moved = put(tmp_path / "q", *(f"{new}/{name}" for name, new in RENAMED.items()))
    file = write(tmp_path, *LINES)
    source = open_(root if kind == "folder" else as_csv(root), file)
    expected = open_(moved)
    assert source.labels == expected.labels
    assert label_of(source) == label_of(expected) == RENAMED
    assert source.dropped == {"no/4.png"}
    # What has the new names already stays as it is.
    assert class_map.read(file).name("1:30") == "1:30"


def test_classes_by_the_names_of_files_are_mapped_too(tmp_path: Path) -> None:
    put(tmp_path / "p", "pug_1.png", "Pug_2.png", "beagle_1.png", "box_1.png")
    file = write(tmp_path, "pug,dog", "beagle,dog")
    source = open_(tmp_path / "p", file, label_from="file_name")
    assert source.labels == ("box", "dog") and source.label.tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (("*,", "a,a", "b,b"), ("a", "b")),
        (("*,other", "a,a"), ("a", "other")),
        (("*,", "a,x", "b,x", "c,y"), ("x", "y")),
    ],
)
def test_a_star_is_every_class_that_is_not_named(
    tmp_path: Path, lines: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    root = put(tmp_path / "p", *(f"{name}/1.png" for name in "abcd"))
    assert open_(root, write(tmp_path, *lines)).labels == labels


def test_a_split_may_have_a_class_that_only_the_map_joins_or_drops(tmp_path) -> None:
    root = put(tmp_path / "p", "train/cat/1.png", "train/dog/2.png", "test/dog/3.png")
    put(root, "test/Cats/4.png", "test/bird/5.png")
    with pytest.raises(UserError, match="--data.classes"):
        open_(root)
    source = open_(root, write(tmp_path, "Cats,cat", "bird,"))
    assert label_of(source)["4.png"] == "cat"
    assert source.labels == ("cat", "dog") and source.dropped == {"test/bird/5.png"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("Cot,cat",), "'Cot'.*'cat'"),
        (("cat,a", "cat,b"), "line 3: 'cat'"),
        (("cat,dog", "dog,pet"), "'cat' becomes 'dog'.*'pet'"),
        (("cat,dog", "dog,"), "'cat' becomes 'dog'.*dropped"),
        ((",dog",), "line 2"),
        (("cat,",), "at least two classes.*dog"),
        (("great white, shark,x",), "line 2.*quotes"),
        (("cat,*",), r"\*"),
        (("cat,\x07",), "control characters"),
        ((), "class,new"),
    ],
)
def test_a_map_that_cannot_be_meant_is_refused(
    tmp_path: Path, lines: tuple[str, ...], words: str
) -> None:
    root = put(tmp_path / "p", "cat/1.png", "dog/1.png")
    with pytest.raises(UserError, match=f"(?s){words}"):
        open_(root, write(tmp_path, *lines))


def test_a_file_that_is_gone_or_none_is_named(tmp_path: Path) -> None:
    root = put(tmp_path / "p", "cat/1.png", "dog/1.png")
    with pytest.raises(UserError, match="--data.classes .*gone.csv"):
        open_(root, tmp_path / "gone.csv")
    (tmp_path / "t.csv").write_text("old,new\ncat,dog\n")
    with pytest.raises(UserError, match="--data.classes .*t.csv.*class,new"):
        open_(root, tmp_path / "t.csv")


@pytest.mark.parametrize("first", [{}, {"a": "b"}, {"a": None}, {"*": "b", "c": "c"}])
@pytest.mark.parametrize("second", [{}, {"b": "d"}, {"b": None}, {"c": "b"}])
def test_two_maps_in_one_do_what_one_after_the_other_does(first, second) -> None:
    one, two = ClassMap(first), ClassMap(second)
    for name in "abcde":
        middle = one.name(name)
        expected = None if middle is None else two.name(middle)
        assert one.resolve("abcde", "").then(two).name(name) == expected


def test_a_written_map_is_read_as_it_was(tmp_path: Path) -> None:
    new = {"no": "010", "x, y": None, '"q"': "z", "*": "rest"}
    before = ClassMap(new, {"x, y": "too few, 2"})
    before.write(tmp_path / "classes.csv")
    after = class_map.read(tmp_path / "classes.csv")
    assert after == before and after.digest == before.digest
    assert after.digest != ClassMap({**new, "no": "10"}).digest


def test_the_file_of_a_run_serves_the_next_one(tmp_path: Path) -> None:
    root = put(tmp_path / "p", "Cat/1.png", "cat/2.png", "dog/1.png", "fox/1.png")
    source = open_(root, write(tmp_path, "Cat,cat"))
    # As a run does with what has too few images, by its new name.
    few = class_map.dropping({"cat": "too few"})
    source.with_classes(few).class_map.write(tmp_path / "kept.csv")
    again = open_(root, tmp_path / "kept.csv")
    assert again.labels == ("dog", "fox")
    assert set(again.class_map.dropped.values()) == {"too few"}


@pytest.mark.parametrize("kind", ["folder", "csv", "file_name"])
def test_one_text_in_two_forms_of_unicode_is_one_class(
    tmp_path: Path, capsys, kind: str
) -> None:
    forms = [unicodedata.normalize(form, CAFE) for form in ("NFC", "NFD")]
    names = [f"{form}/{i}.png" for i, form in enumerate([*forms, "dog"])]
    if kind == "file_name":
        names = [name.replace("/", "_") for name in names]
    root = put(tmp_path / "p", *names)
    settings = {"label_from": "file_name"} if kind == "file_name" else {}
    source = open_(as_csv(root) if kind == "csv" else root, **settings)
    assert source.labels == (CAFE, "dog") and sorted(source.label) == [0, 0, 1]
    assert CAFE in capsys.readouterr().err
    # A file of the user's names it in either form.
    for form in forms:
        written = write(tmp_path, f"{form},x")
        assert open_(root, written, **settings).labels == ("dog", "x")


def test_each_file_that_changes_classes_is_named_and_no_other(
    tmp_path: Path, capsys
) -> None:
    root = put(tmp_path / "p", "cat/1.png", "dog/2.png", "fox/3.png", "cow/4.png")
    own, kept = write(tmp_path, "cow,ox"), ClassMap({"fox": None, "x": "y"})
    kept_name = "the run's classes.csv"
    for file, also, count in ((own, None, 1), (None, kept, 1), (own, kept, 2)):
        data = DataSettings(source=str(root), classes=file and str(file))
        opening.open_source(data, tmp_path, never, also)
        said = capsys.readouterr().err
        named = [name for name in (str(own), kept_name) if name in said]
        assert len(named) == count
    data = DataSettings(source=str(root), classes=str(own))
    opening.open_source(data, tmp_path, never, ClassMap({"x": "y"}))
    assert kept_name not in capsys.readouterr().err


def test_a_single_class_is_enough_whatever_is_renamed_where_it_may_be(
    tmp_path: Path,
) -> None:
    root = put(tmp_path / "p", "tabby/1.png")
    names = write(tmp_path, "tabby,cat")
    data = DataSettings(source=str(root), classes=str(names))
    assert opening.open_source(data, root, never, single=True).labels == ("cat",)
    form = put(tmp_path / "q", f"{unicodedata.normalize('NFD', CAFE)}/1.png")
    data = DataSettings(source=str(form))
    assert opening.open_source(data, root, never, single=True).labels == (CAFE,)
    with pytest.raises(UserError, match=f"'{CAFE}'"):
        opening.open_source(data, root, never)


def test_the_way_to_join_what_may_be_one_is_told(tmp_path: Path, capsys) -> None:
    root = put(tmp_path / "p", "Cat, x/1.png", "cat, x/1.png", "7.0/1.png", "7/1.png")
    open_(root)
    said = capsys.readouterr().err
    lines = said[said.index("class,new") :].splitlines()
    assert "--data.classes" in said
    file = write(tmp_path, *map(str.strip, lines[1:]))
    assert len(open_(root, file).labels) == 3


def test_a_name_with_spaces_at_its_ends_can_be_given_another(tmp_path: Path) -> None:
    root = put(tmp_path / "p", "cat /1.png", "cat/2.png", "dog/1.png")
    with pytest.raises(UserError, match="'cat '.*--data.classes"):
        open_(root)
    assert open_(root, write(tmp_path, "cat ,cat")).labels == ("cat", "dog")
