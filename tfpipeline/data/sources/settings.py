"""Which settings of a source mean nothing, before anything is opened."""

from tfpipeline.config import DataSettings, check_fraction
from tfpipeline.core import brightness
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, unknown
from tfpipeline.data.grouping.copies import GROUPS


def check(settings: DataSettings) -> None:
    """Refuse shares and names that mean nothing."""
    for name in ("max_bad_fraction", "min_class_share"):
        if not 0 <= (value := getattr(settings, name)) <= 1:
            raise UserError(
                f"--data.{name}: expected a share from 0 to 1. Received: {value}."
            )
    shares = {
        "data.validation_fraction": settings.validation_fraction,
        "data.test_fraction": settings.test_fraction,
    }
    for name, value in shares.items():
        if message := check_fraction(name, value):
            raise UserError(message)
    brightness.parse(settings.range)
    targets.check(settings.target)
    if settings.min_per_class < 0:
        raise UserError(
            f"--data.min_per_class: expected 0 or more. Received: "
            f"{settings.min_per_class}."
        )
    if settings.group not in GROUPS:
        raise unknown("--data.group", settings.group, GROUPS)
    if settings.examples_per_class is not None and settings.examples_per_class < 1:
        raise UserError(
            "--data.examples_per_class: expected a positive number, or null. Received: "
            f"{settings.examples_per_class}."
        )
    if settings.max_pixels < 1:
        raise UserError(
            "--data.max_pixels: expected a positive number. Received: "
            f"{settings.max_pixels}."
        )
    if not 0 < settings.train_fraction <= 1:
        raise UserError(
            "--data.train_fraction: expected a share above 0 and up to 1. Received: "
            f"{settings.train_fraction}."
        )
    if sum(shares.values()) >= 1:
        raise UserError(
            "--data.validation_fraction and --data.test_fraction: expected a sum below "
            f"1, or nothing is left for training. Received: {sum(shares.values()):g}."
        )
