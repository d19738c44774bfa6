"""Several changed copies of each image, whose features are computed once."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfpipeline.models.feature_cache import FeatureCache


@dataclass(frozen=True)
class Views:
    """Several changed copies of each image, whose features are computed once.

    Args:
        cache: Holds a row for every key of every view.
        count: Copies of each image.
    """

    cache: FeatureCache
    count: int

    def keys(self, digests: Sequence[str], epoch: int) -> list[str]:
        """Return the keys of the view that each image shows in an epoch.

        In any `count` epochs in a row an image shows every view once; in one epoch
        different images show different views.

        Args:
            digests: Of the images.
            epoch: Number of the epoch.
        """
        return [view(key, (epoch + i) % self.count) for i, key in enumerate(digests)]


def view(digest: str, number: int) -> str:
    """Return the key under which the features of one view are kept."""
    return f"{digest}-view{number}"
