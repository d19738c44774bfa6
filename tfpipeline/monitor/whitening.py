"""Features in the metric of a run's novelty: what varies within classes counts less."""

import numpy as np

from tfpipeline.metrics.novelty import Novelty


def whiten(features: np.ndarray, score: Novelty | None) -> np.ndarray:
    """Return points whose distances are the Mahalanobis distances of the features.

    Args:
        features: Shape (n, width).
        score: With the covariance within the classes of training images, of features
            of length 1; where None, these are returned as they are.

    Returns:
        float32, shape (n, width).
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    rows = (features / np.where(length > 0, length, 1)).astype(np.float32)
    if score is None:
        return rows
    rows -= score.mean
    # The metric is `stiffness` in all directions, less in those of large variance.
    softer = np.linalg.norm(score.directions, axis=0)
    own = softer > 0
    directions = score.directions[:, own] / softer[own]
    stiff = np.sqrt(score.stiffness)
    less = stiff - np.sqrt(np.maximum(score.stiffness - softer[own] ** 2, 0))
    return np.asarray(stiff * rows - (rows @ directions * less) @ directions.T)
