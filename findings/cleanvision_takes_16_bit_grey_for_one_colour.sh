#!/bin/sh
# cleanvision 0.3.7: a 16-bit grey picture is "light", and a copy of a red one.
#
# It hands pictures to Pillow's conversion to 8 bits, which does not divide 16-bit values
# but cuts them off at 255. A scan or X-ray whose PNG has 16 bits is white from then on:
# reported as too light, not as the copy of its own 8-bit version, which it is pixel for
# pixel, but as a near duplicate of every picture of one colour.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'cleanvision==0.3.7'
cat > "$folder/check.py" <<'PYTHON'
import os
import tempfile

import numpy as np
from cleanvision import Imagelab
from PIL import Image

with tempfile.TemporaryDirectory() as folder:
    for seed in range(6):
        cells = np.random.default_rng(seed).integers(40, 216, (6, 9), np.uint8)
        grey = Image.fromarray(cells).resize((96, 64), Image.Resampling.BICUBIC)
        grey.save(f"{folder}/scan{seed}.png")
    deep = np.asarray(Image.open(f"{folder}/scan0.png")).astype(np.uint16) * 257
    Image.fromarray(deep).save(f"{folder}/scan0_16bit.png")
    Image.new("RGB", (96, 64), (200, 30, 30)).save(f"{folder}/red.png")
    assert (np.asarray(Image.open(f"{folder}/scan0_16bit.png")) == deep).all()
    lab = Imagelab(data_path=folder)
    lab.find_issues(n_jobs=1, verbose=False)
    sets = [
        sorted(map(os.path.basename, some))
        for kind in ("exact_duplicates", "near_duplicates")
        for some in lab.info[kind]["sets"]
    ]
    issues = lab.issues.rename(index=os.path.basename)
light = issues.index[issues["is_light_issue"]].tolist()
print("duplicates:", sets)
print("too light: ", light)
assert sets == [["red.png", "scan0_16bit.png"]], "it has changed"
assert light == ["scan0_16bit.png"], "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   duplicates: [['red.png', 'scan0_16bit.png']]
#   too light:  ['scan0_16bit.png']
