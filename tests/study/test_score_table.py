"""The table of a study: a row a pair, with what its gain is over."""

import math

from tfpipeline.study import score_table

NONE = "MobileNetV2:0.35:none"


def test_gains_name_the_untrained_network_and_weights_have_a_size() -> None:
    means = [
        {
            **{"source": "folder/cats", "backbone": word, "method": "probe"},
            **{"shots": "all", "accuracy": 0.75, "half_interval": math.nan, **more},
        }
        for word, more in (
            ("demo", {"gain": 0.25, "gain_half_interval": 0.1, "gain_against": NONE}),
            (NONE, {}),
        )
    ]
    pairs = [
        {
            **{"source": "folder/cats", "backbone": word, "milliseconds": 2.0},
            **{"parameters": 410_000, "bytes": 1_640_000, "logme": 0.5},
        }
        for word in ("demo", NONE)
    ]
    header, _, first, second = score_table.markdown(means, pairs).splitlines()
    names = [cell.strip() for cell in header.strip("|").split("|")]
    rows = [
        dict(zip(names, (cell.strip() for cell in line.strip("|").split("|"))))
        for line in (first, second)
    ]
    assert rows[0]["gain of the probe"] == "+0.250 ± 0.100"
    assert rows[0]["over untrained"] == f"`{NONE}`"
    assert rows[1]["gain of the probe"] == rows[1]["over untrained"] == ""
    for row in rows:
        assert (row["million weights"], row["MB"]) == ("0.41", "1.64")
