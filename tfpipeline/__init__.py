"""From a folder of pictures to a served classifier, looked into and attacked.

In Python, every command is a function, and a finished training is an object:

    run = tfpipeline.train({"data.source": "demo"})
    run = tfpipeline.Run.load("runs/demo")

Packages stand in one order, and each imports only those before it: `core`, `config`,
`cli`, `distribute`; the libraries `metrics`, `demo`, `data`, `models`, `report`, and
`attack.engine`; the commands, ``python -m tfpipeline.<name>``, `train`, `synthesize`,
`features`, `attack`, `evaluate`, `study`, `combine`, `export`, `predict`, `similar`,
`monitor`, `serve`, `audit`, `pack`, `benchmark`; and `api`, which is what
``import tfpipeline`` gives.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfpipeline.api.commands import attack as attack
    from tfpipeline.api.commands import audit as audit
    from tfpipeline.api.commands import benchmark as benchmark
    from tfpipeline.api.commands import combine as combine
    from tfpipeline.api.commands import evaluate as evaluate
    from tfpipeline.api.commands import export as export
    from tfpipeline.api.commands import features as features
    from tfpipeline.api.commands import monitor as monitor
    from tfpipeline.api.commands import pack as pack
    from tfpipeline.api.commands import predict as predict
    from tfpipeline.api.commands import serve as serve
    from tfpipeline.api.commands import similar as similar
    from tfpipeline.api.commands import study as study
    from tfpipeline.api.commands import synthesize as synthesize
    from tfpipeline.api.commands import train as train
    from tfpipeline.api.run import Run as Run
    from tfpipeline.core.errors import UserError as UserError

__version__ = "0.1.0"

# Commands that are functions too, and where the other names are.
COMMANDS = (
    *("train", "evaluate", "predict", "export", "serve", "combine", "synthesize"),
    *("features", "attack", "study", "similar", "monitor", "audit", "pack"),
    "benchmark",
)
_PLACES = {"Run": "tfpipeline.api.run", "UserError": "tfpipeline.core.errors"}
__all__ = [*_PLACES, *COMMANDS]


class _Command(types.ModuleType):
    """The module of a command, which can be called as well."""

    def __call__(self, config: Any = None, /, **settings: Any) -> Any:
        """Do what the command does.

        Args:
            config: A YAML file, a mapping of settings, or the command's dataclass.
            settings: More of them, which win; see the command's ``--help``.
        """
        from tfpipeline.api import commands

        command = getattr(commands, self.__name__.rpartition(".")[2])
        return command(config, **settings)


class _Package(types.ModuleType):
    """This package. Python sets each module that it imports as an attribute of it."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Whoever imports it, and whenever: `tfpipeline.train` is always the one module
        # `tfpipeline.train`, and always a function.
        if name in COMMANDS and isinstance(value, types.ModuleType):
            value.__class__ = _Command
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import a name when it is used, so that ``import tfpipeline`` takes no time."""
    if name in COMMANDS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names that users want, before they are imported."""
    return sorted({*globals(), *__all__})
