"""What the loop asks of a method that makes a network resist attacks."""

from typing import Any, Protocol


class Hardening(Protocol):
    """What makes a network resist attacks; see `adversarial.hardening`."""

    @property
    def replays(self) -> int:
        """How often each batch is trained on."""

    def perturbed(self, answer: Any, image: Any, target: Any, noise: Any) -> Any:
        """Return attacked images."""

    def loss(self, each: Any, forward: Any, image: Any, moved: Any) -> tuple[Any, Any]:
        """Return what is trained on of each image, and logits."""
