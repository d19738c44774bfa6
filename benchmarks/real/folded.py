"""Is the batch norm of a file of weights folded, and how uneven are its kernels?

python benchmarks/real/folded.py FILE.h5 [FILE.h5 ...]

Of each file: the range of each statistic of batch norm, and the median over layers of
the largest channel's standard deviation of kernels by the smallest one's.
"""

import sys

import h5py
import numpy as np

STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")


def arrays(file: str) -> dict[str, np.ndarray]:
    """Return the arrays of a file of weights, by their names in it."""
    found = {}
    with h5py.File(file) as weights:
        weights.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if hasattr(item, "shape") else None
            )
        )
    return found


def main() -> None:
    """Print it of each file."""
    for file in sys.argv[1:]:
        found = arrays(file)
        print(file)
        for kind in STATISTICS:
            values = [v.ravel() for name, v in found.items() if kind in name]
            if values:
                joined = np.concatenate(values)
                print(f"  {kind}: {joined.min():g} to {joined.max():g}")
        ratios = []
        for name, kernel in found.items():
            if kernel.ndim == 4 and "depthwise" not in name:
                spread = kernel.reshape(-1, kernel.shape[-1]).std(0)
                ratios.append(spread.max() / spread.min())
        print(f"  kernels, largest to smallest channel: {np.median(ratios):.1f}")


if __name__ == "__main__":
    main()
