"""From a folder of pictures to a served classifier, looked into and attacked.

In Python, every command is a function, and a finished training is an object:

    run = tfpipeline.train({"data.source": "demo"})
    run = tfpipeline.Run.load("runs/demo")

Packages stand in one order, and each imports only those before it:

- Ground: `core` (files, images, run folders, console), `config` (settings), `cli` (from
  words to settings to an exit code), `distribute` (devices and workers).
- Libraries: `metrics`, `demo` (the drawn world), `data` (files to batches), `models`
  (networks, weights, features), `report` (pages and charts), and `attack.engine`.
- Commands, ``python -m tfpipeline.<name>``, each in a package of its own, whose
  `command` tells its story in one page: `train`, `synthesize`, `features`, `attack`,
  `evaluate`, `study`, `combine`, `export`, `predict`, `serve`, `audit`, `pack`,
  `benchmark`.
- `api`: what ``import tfpipeline`` gives.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfpipeline.api.commands import (
        attack,
        audit,
        benchmark,
        combine,
        evaluate,
        export,
        features,
        pack,
        predict,
        serve,
        study,
        synthesize,
        train,
    )
    from tfpipeline.api.run import Run
    from tfpipeline.core.errors import UserError

__version__ = "0.1.0"

__all__ = [
    "Run",
    "UserError",
    "attack",
    "audit",
    "benchmark",
    "combine",
    "evaluate",
    "export",
    "features",
    "pack",
    "predict",
    "serve",
    "study",
    "synthesize",
    "train",
]

# Where the names are that are no commands.
_PLACES = {"Run": "tfpipeline.api.run", "UserError": "tfpipeline.core.errors"}
_VERBS = frozenset(__all__) - set(_PLACES)


class _Verb(types.ModuleType):
    """The module of a command, which can be called as well."""

    def __call__(self, config: Any = None, /, **settings: Any) -> Any:
        """Do what the command does.

        Args:
            config: A YAML file, a mapping of settings, or the command's dataclass.
            settings: More of them, which win; see the command's ``--help``.
        """
        from tfpipeline.api import commands

        verb = getattr(commands, self.__name__.rpartition(".")[2])
        return verb(config, **settings)


class _Package(types.ModuleType):
    """This package. Python sets each module that it imports as an attribute of it."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Whoever imports it, and whenever: `tfpipeline.train` is always the one module
        # `tfpipeline.train`, and always a function.
        if name in _VERBS and isinstance(value, types.ModuleType):
            value.__class__ = _Verb
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that ``import tfpipeline`` takes no time."""
    if name in _VERBS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the names that users want, before they are imported."""
    return sorted({*globals(), *__all__})
