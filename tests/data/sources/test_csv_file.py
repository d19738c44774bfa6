"""Tables as other programs and other systems write them: read right, or refused."""

from pathlib import Path

import pytest

from tests.data.sources.test_base import put
from tfpipeline.core.errors import UserError
from tfpipeline.data.sources import csv_file


def table(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file = folder / "list.csv"
    file.write_bytes("\r\n".join(lines).encode(encoding))
    return file


@pytest.mark.parametrize("start", ["", ".\\"])
def test_relative_paths_of_windows_are_those_of_the_folder(
    tmp_path: Path, start: str
) -> None:
    put(tmp_path, "p/Cat/1.png", "p/dog/2.png")
    rows = (f"{start}p\\Cat\\1.png,cat", "p/dog/2.png,dog", "p\\dog\\3.png,dog")
    source = csv_file.open_csv(table(tmp_path, "path,label", *rows))
    assert source.ids == ("p/Cat/1.png", "p/dog/2.png", "p/dog/3.png")
    assert [path.is_file() for path in source.paths] == [True, True, False]


def test_a_backslash_and_a_colon_may_be_part_of_a_name(tmp_path: Path) -> None:
    put(tmp_path, "C:\\a.png", "b\\1.png")
    rows = ("C:\\a.png,cat", "b\\1.png,dog")
    source = csv_file.open_csv(table(tmp_path, "path,label", *rows))
    assert [path.is_file() for path in source.paths] == [True, True]


@pytest.mark.parametrize(
    "path",
    ["C:\\data\\Cat\\1.png", "c:/data/Cat/1.png", "\\\\nas\\d\\Cat\\1.png", "\\Cat\\1"],
)
def test_absolute_paths_of_windows_are_refused_by_row(
    tmp_path: Path, path: str
) -> None:
    put(tmp_path, "1.png")
    file = table(tmp_path, "path,label", "1.png,dog", f"{path},cat")
    with pytest.raises(UserError, match="list.csv: line 3.*Windows.*Cat/1"):
        csv_file.open_csv(file)


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (("path,label", "1.png,cat", "2.png,dog"), "utf-8-sig"),
        (('"path","label"', '"1.png","cat"', '"2.png","dog"'), "utf-8"),
        (("path,label,", "1.png,cat,", "2.png,dog,"), "utf-8"),
    ],
)
def test_what_programs_write_around_values_is_no_part_of_them(
    tmp_path: Path, lines: tuple[str, ...], encoding: str
) -> None:
    source = csv_file.open_csv(table(tmp_path, *lines, encoding=encoding))
    assert source.labels == ("cat", "dog") and source.ids == ("1.png", "2.png")


@pytest.mark.parametrize(
    ("lines", "encoding", "words"),
    [
        (("path,label", "1.png,cat"), "utf-16", "CSV UTF-8"),
        (("path,label", "1.png,cat"), "utf-16-be", "CSV UTF-8"),
        (("path;label", "1.png;cat"), "utf-8-sig", "semicolons"),
        (("path\tlabel", "1.png\tcat"), "utf-8", "tabs"),
        (("1.png,cat", "2.png,dog"), "utf-8", "'path'.*first line"),
        (("path,label,label", "1.png,cat,dog"), "utf-8", "'label' twice"),
        (("path,label", "1.png,great white, shark"), "utf-8", "line 2.* shark.*quotes"),
        (("path,label", ",cat"), "utf-8", "line 2 has no path"),
    ],
)
def test_other_tables_are_refused_in_words(
    tmp_path: Path, lines: tuple[str, ...], encoding: str, words: str
) -> None:
    with pytest.raises(UserError, match=f"list.csv.*{words}"):
        csv_file.open_csv(table(tmp_path, *lines, encoding=encoding))


@pytest.mark.parametrize("path", ["hdfs:///user/a.jpg", "s3://b//a.jpg"])
def test_urls_that_a_path_would_change_are_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "list.csv").write_text(f"path,label\n{path},x\n")
    with pytest.raises(UserError, match="line 2.*empty parts"):
        csv_file.open_csv(tmp_path / "list.csv")


def test_what_is_secret_in_a_url_is_not_what_a_picture_is_called(
    tmp_path: Path,
) -> None:
    rows = ("https://h/a.png?sig=SECRET,cat", "https://me:SECRET@h/b.png,dog")
    source = csv_file.open_csv(table(tmp_path, "path,label", *rows))
    assert source.ids == ("https://h/a.png", "https://h/b.png")
    assert all("SECRET" in str(path) for path in source.paths)
