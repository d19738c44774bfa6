"""Versions are whole or not there, and their numbers only grow."""

import threading
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfpipeline.core.errors import UserError
from tfpipeline.export import publication, tf_serving_files, versions


def put(base: Path) -> int:
    with publication.staged(base) as folder:
        (folder / "saved_model.pb").write_bytes(b"x")
        return publication.publish(folder, "auto", "pets", [1, 8])[0]


def test_numbers_grow_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert [put(tmp_path), put(tmp_path)] == [1, 2]
    (tmp_path / "7").mkdir()
    assert put(tmp_path) == 8
    assert versions.versions(tmp_path) == [1, 2, 8]
    assert not list(tmp_path.glob(".next*"))


def test_what_fails_is_never_seen(tmp_path: Path) -> None:
    with pytest.raises(KeyError), publication.staged(tmp_path) as folder:
        (folder / "saved_model.pb").write_bytes(b"half")
        assert versions.versions(tmp_path) == []
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No space left"):
        with publication.staged(tmp_path):
            raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
    # A file that is missing is no matter of the disk.
    with pytest.raises(FileNotFoundError):
        with publication.staged(tmp_path):
            (tmp_path.parent / "splits.csv").read_text()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["base", "elsewhere"])
def test_only_what_cannot_be_written_here_is_told_as_such(
    tmp_path: Path, place: str
) -> None:
    file = tmp_path / place / "splits.csv"
    error = PermissionError(13, "Permission denied", str(file))
    with pytest.raises(UserError if place == "base" else PermissionError):
        with publication.staged(tmp_path / "base"):
            raise error


def test_many_that_publish_at_once_get_numbers_of_their_own(tmp_path: Path) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(put(tmp_path))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 13)) == versions.versions(tmp_path)


def test_labels_are_written_for_the_server_and_read_back(tmp_path: Path) -> None:
    put(tmp_path), put(tmp_path)
    (tmp_path / "models.config").unlink()
    assert versions.read_labels(tmp_path) == {}
    labels = versions.label(tmp_path, "stable", 1)
    tf_serving_files.write(tmp_path, "pets", labels, [1, 8])
    labels = versions.label(tmp_path, "canary", 2)
    tf_serving_files.write(tmp_path, "pets", labels, [1, 8])
    assert versions.read_labels(tmp_path) == {"stable": 1, "canary": 2}
    # The real message of the server reads what was written.
    text = (tmp_path / "models.config").read_text()
    parsed = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (config,) = parsed.model_config_list.config
    assert config.name == "pets" and dict(config.version_labels) == labels
    assert list(config.model_version_policy.specific.versions) == list(range(1, 11))
    assert versions.label(tmp_path, "stable", 2) == {"stable": 2}
    with pytest.raises(UserError, match=r"versions \(1, 2\)"):
        versions.check_there(tmp_path, 3)


def test_a_label_that_is_in_use_moves_only_to_a_version_that_was_named_before(
    tmp_path: Path,
) -> None:
    """Else the official server takes nothing of the file, versions included."""
    held: list[int] = []
    for move in ("auto", "auto", "auto", "stable", "auto", 3, 4, "stable", "auto", 5):
        labels = versions.read_labels(tmp_path)
        if isinstance(move, int):
            now = publication.promote(tmp_path, move)
        else:
            with publication.staged(tmp_path) as folder:
                (folder / "saved_model.pb").write_bytes(b"x")
                _, now = publication.publish(folder, move, "pets", [1, 4], 64)
        moved = {now[name] for name, number in labels.items() if name in now} - set(
            labels.values()
        )
        assert not held or moved <= set(held), move
        held = versions.read_named(tmp_path)
        assert set(now.values()) <= set(held)
        there = set(held) & set(versions.versions(tmp_path))
        assert len(there) <= 4, "no more than those with a label now or just before"


def test_batches_are_filled_up_to_sizes_that_are_warm_and_large_requests_divided() -> (
    None
):
    text = tf_serving_files.batching([1, 4, 32], 256)
    assert "max_batch_size { value: 256 }" in text
    # The server wants the last of the allowed sizes to be this one.
    assert "max_execution_batch_size { value: 32 }" in text
    assert "enable_large_batch_splitting { value: true }" in text
    assert [int(li.split()[1]) for li in text.splitlines() if "allowed" in li] == [
        *(1, 4, 32),
    ]


def test_a_version_is_no_folder_of_versions(tmp_path: Path) -> None:
    put(tmp_path)
    with pytest.raises(UserError, match="Name "):
        versions.check_base(tmp_path / "1")
