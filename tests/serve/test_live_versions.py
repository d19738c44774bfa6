"""New versions come and old ones go, and every answer is of a whole one."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from tests.conftest import Exported
from tfpipeline.core.errors import UserError
from tfpipeline.export import signatures, tf_serving_files, versions
from tfpipeline.serve import live_versions

pytestmark = pytest.mark.slow


@pytest.fixture
def base(exported: Exported, tmp_path: Path) -> Path:
    """A folder with the first version alone, as it was before the second came."""
    shutil.copytree(exported.base / "1", tmp_path / "base" / "1")
    tf_serving_files.write(tmp_path / "base", "classifier", {"stable": 1}, [1, 4])
    return tmp_path / "base"


def publish(base: Path, exported: Exported, number: int = 2) -> None:
    shutil.copytree(exported.base / str(number), base / ".next")
    os.rename(base / ".next", base / str(number))


def test_a_label_is_moved_and_moved_back(base: Path, exported: Exported) -> None:
    holder = live_versions.Holder(base)
    assert not holder.refresh()
    publish(base, exported)
    assert not holder.refresh(), "a version that is called nothing is not served"
    labels = versions.label(base, "canary", 2)
    tf_serving_files.write(base, "classifier", labels, [1, 4])
    assert holder.refresh() and set(holder.served.models) == {1, 2}
    for asked, number in ((None, 2), ("stable", 1), ("canary", 2)):
        chosen = holder.choose(label=asked)
        assert chosen is not None and chosen[0] == number
    assert holder.choose(version=3) is None and holder.choose(label="x") is None
    tf_serving_files.write(base, "classifier", {"stable": 2}, [1, 4])
    assert holder.refresh() and set(holder.served.models) == {2}
    tf_serving_files.write(base, "classifier", {"stable": 1}, [1, 4])
    assert holder.refresh() and holder.choose(label="stable")[0] == 1


def test_answers_are_of_one_version_while_labels_move(
    base: Path, exported: Exported
) -> None:
    holder = live_versions.Holder(base)
    publish(base, exported)
    ended, wrong, count = threading.Event(), [], [0]

    def ask() -> None:
        while not ended.is_set():
            number, model = holder.choose(label="stable")
            (answer,) = model.answer(exported.contents[:1])
            # The second version names two classes, the first five.
            if len(answer.labels) != {1: 5, 2: 2}[number]:
                wrong.append(answer)
            count[0] += 1

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for swap in range(2):
        labels = {"stable": 2 - swap % 2}
        tf_serving_files.write(base, "classifier", labels, [1, 4])
        assert holder.refresh()
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong and count[0] > 4


def test_each_signature_is_warm_before_it_is_asked(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    class Spying(signatures.Loaded):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            self.signatures = {
                name: lambda name=name, one=one, **sent: (
                    called.append((name, len(sent["image_bytes"]))),
                    one(**sent),
                )
                for name, one in self.signatures.items()
            }

    monkeypatch.setattr(live_versions, "Loaded", Spying)
    live_versions.Holder(base)
    assert ("features", 1) in called
    assert {n for name, n in called if name == "serving_default"} == {1, 4}


def test_a_folder_without_versions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found\\s+none"):
        live_versions.Holder(tmp_path)


def test_a_broken_version_is_told_once_and_loaded_when_it_is_mended(
    base: Path, exported: Exported, capsys
) -> None:
    holder = live_versions.Holder(base)
    publish(base, exported)
    file = base / "2" / "saved_model.pb"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    labels = versions.label(base, "canary", 2)
    tf_serving_files.write(base, "classifier", labels, [1, 4])
    assert not holder.refresh()
    assert "version 2 cannot be loaded" in capsys.readouterr().err
    assert not holder.refresh()
    assert "cannot be loaded" not in capsys.readouterr().err, "it is not loaded again"
    assert set(holder.served.models) == {1}
    file.write_bytes(whole)
    assert holder.refresh() and set(holder.served.models) == {1, 2}
