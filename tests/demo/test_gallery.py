"""The drawn world written out to look at."""

from pathlib import Path

import pytest

from tfpipeline.core import image_io
from tfpipeline.demo import gallery, world


def test_a_sheet_and_a_folder_are_written(tmp_path: Path, capsys) -> None:
    sheet, folder = tmp_path / "sheet.png", tmp_path / "pictures"
    argv = ["--sheet", str(sheet), "--folder", str(folder), "--per_class", "2"]
    gallery.main([*argv, "--size", "32"])
    assert image_io.decode(sheet).shape[0] > 96
    found = sorted(str(f.relative_to(folder)) for f in folder.rglob("*.png"))
    assert found == [f"{c}/0000{i}.png" for c in world.TRANSFER_CLASSES for i in (0, 1)]
    assert str(folder) in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv", [[], ["--folder", "."], ["--sheet", "a", "--size", "0"]]
)
def test_what_cannot_be_written_exits_with_two(argv: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        gallery.main(argv)
    assert ended.value.code == 2 and "error:" in capsys.readouterr().err
