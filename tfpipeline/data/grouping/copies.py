"""Which files are copies of each other, by what the user calls a copy."""

from collections.abc import Callable, Sequence

from tfpipeline.data import duplicates
from tfpipeline.data.scan_cache import Row


def near(
    files: Sequence[Row], alike: Sequence[Sequence[int]] | None = None
) -> list[str]:
    """Return the group of each file: of those that look `alike`, or are equal."""
    # Equal files without a telling picture have only their digest in common.
    names = [row.sha256 for row in files]
    for group in duplicates.near(files) if alike is None else alike:
        for i in group:
            names[i] = f"near {group[0]}"
    return names


# From audited files to the name of each one's group of copies.
GROUPS: dict[str, Callable[[Sequence[Row]], list[str]]] = {
    "exact": lambda files: [row.sha256 for row in files],
    "near": near,
    "none": lambda files: [f"{row.path}:{row.offset}" for row in files],
}
