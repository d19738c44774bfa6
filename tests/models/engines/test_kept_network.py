"""A converted network that was checked is found again; any other content is not."""

import numpy as np

from tfpipeline.models.engines import kept_network, litert, trial


def test_a_kept_network_is_found_as_long_as_it_is_whole(
    network, pictures, tmp_path
) -> None:
    kept = trial.Kept("some network", tmp_path)
    assert kept_network.of(kept) is None and kept_network.maps(kept) is None
    content = litert.Traced(network).convert()
    kept_network.keep(kept, content)
    kept.write()
    again = trial.Kept("some network", tmp_path)
    run = kept_network.of(again)
    assert run is not None and kept_network.maps(again) is None
    np.testing.assert_array_equal(run(pictures), litert.LiteRT(content)(pictures))
    again.converted.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert kept_network.of(again) is None
    assert kept_network.of(trial.Kept("another network", tmp_path)) is None


def test_a_folder_that_cannot_be_written_keeps_none(network, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    kept = trial.Kept("some network", tmp_path / "file")
    kept_network.keep(kept, litert.Traced(network).convert())
    assert kept.record.digest and kept_network.of(kept) is None
