"""Which settings of a training have no meaning for its target."""

from tfpipeline.config import RunSettings
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data.dataset import Examples
from tfpipeline.metrics.targets import conformal
from tfpipeline.metrics.thresholds import CRITERIA
from tfpipeline.train.targets import losses


def check_settings(settings: RunSettings) -> None:
    """Refuse what no target has, before any work is done."""
    losses.check(settings.train, settings.data.target)
    given = settings.calibration
    if given.thresholds not in CRITERIA:
        raise unknown("--calibration.thresholds", given.thresholds, CRITERIA)
    if not 0 < given.precision <= 1:
        raise UserError(
            "--calibration.precision: expected a share above 0, up to 1. Received: "
            f"{given.precision:g}."
        )
    conformal.check(given.coverage)


def check(settings: RunSettings, examples: Examples) -> None:
    """Refuse settings that the target of the examples gives no meaning to."""
    target, train = examples.source.target, settings.train
    losses.check(train, target)
    if target in targets.CLASSES:
        return
    if settings.robust.method != "none":
        raise targets.undefined(
            *(target, f"--robust.method {settings.robust.method}"),
            "Attacks need one class to be the answer: --robust.method none.",
        )
    if target != targets.NUMBER:
        return
    if train.class_weights != "none":
        raise targets.undefined(
            *(target, f"--train.class_weights {train.class_weights}"),
            "--data.sampling balanced has as many of each tenth of the numbers.",
        )
    if train.label_smoothing:
        raise targets.undefined(
            *(target, f"--train.label_smoothing {train.label_smoothing:g}"),
            "--train.loss huber is the one that forgives wrong numbers.",
        )
    if settings.data.augmentation == "cutmix":
        raise targets.undefined(
            *(target, "--data.augmentation cutmix"),
            "Say light, randaugment or mixup.",
        )
