#!/bin/sh
# pyarrow 25.0.1: a column of lists of one length with a missing list is written to
# Parquet, and cannot be read.
#
# A fixed-size list is the natural type of a feature vector, and null that of a picture
# without one. Parquet has no fixed-size lists: they are written as lists, the missing one
# as a list of no length, and its own reader then expects the length of all others. The
# writer says nothing. Lists of any length come back, and so do fixed ones of which none
# is missing; 26.0.1 reads all three.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/check.py" <<'PYTHON'
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

values = pa.array(np.arange(6, dtype=np.float32))
missing = pa.array([False, True, False])
columns = {
    "fixed, one missing": pa.FixedSizeListArray.from_arrays(values, 2, mask=missing),
    "fixed, all there": pa.FixedSizeListArray.from_arrays(values, 2),
    "of any length, one missing": pa.array([[0.0, 1.0], None, [4.0, 5.0]]),
}
read = []
for name, column in columns.items():
    table = pa.table({"features": column})
    pq.write_table(table, "vectors.parquet")
    try:
        back = pq.read_table("vectors.parquet")
        read.append(back.equals(table))
        words = "comes back" if read[-1] else "comes back otherwise"
    except pa.ArrowInvalid as error:
        read.append(False)
        words = str(error)
    print(f"pyarrow {pa.__version__}: {name}: {words}")
assert read == [sys.argv[1] == "all", True, True], "it has changed"
PYTHON
for pair in 25.0.1:two 26.0.1:all; do
    version=${pair%:*}
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check \
        'numpy==2.4.6' "pyarrow==$version"
    (cd "$folder" && "$folder/$version/bin/python" check.py "${pair#*:}")
done
# Seen on 2026-11-30, CPU:
#   pyarrow 25.0.1: fixed, one missing: Expected all lists to be of size=2 but index 2 had size=0
#   pyarrow 25.0.1: fixed, all there: comes back
#   pyarrow 25.0.1: of any length, one missing: comes back
#   pyarrow 26.0.1: all three come back
