"""From a folder of pictures to a served classifier, looked into and attacked.

In Python, every command is a function, and a finished training is an object:

    run = tfpipeline.train({"data.source": "demo"})
    run = tfpipeline.Run.load("runs/demo")

The map of the house:

- The *face* (`face`) is what ``import tfpipeline`` gives; it calls verbs.
- *Verbs* (`train`, `combine`, `evaluate`, `predict`, `export`, `serve`, `synthesize`,
  `features`, `attack`, `study`, `audit`, `pack`, `benchmark`) are the commands
  ``python -m tfpipeline.<verb>``; they call rooms and write files.
  ``python -m tfpipeline.report`` makes pages of what they wrote.
- The *workflow* (`workflow`) joins rooms for the verbs.
- *Rooms* (`data`, `demo`, `models`, `training`, `evaluation`, `synthesis`,
  `adversarial`, `serving`, `report`, `distribution`) compute; none of them imports
  another, but `distribution`, which loops stand on.
- *Ground* (`atomic`, `calling`, `checks`, `cli`, `cluster`, `config`,
  `config_adversary`, `config_attack`, `config_benchmark`, `config_serving`,
  `config_study`, `config_synthesis`, `config_training`, `disk`, `errors`, `flags`,
  `formats`, `images`, `interruption`, `machine`, `manifest`, `orientation`, `progress`,
  `results`, `run_replacement`, `runs`, `sheets`, `staging`, `terminal`) is shared by
  all.
"""

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfpipeline.errors import UserError
    from tfpipeline.face.commands import (
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
    from tfpipeline.face.runs import Run

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
_PLACES = {"Run": "tfpipeline.face.runs", "UserError": "tfpipeline.errors"}
_VERBS = frozenset(__all__) - set(_PLACES)


class _Verb(types.ModuleType):
    """The module of a command, which can be called as well."""

    def __call__(self, config: Any = None, /, **settings: Any) -> Any:
        """Do what the command does.

        Args:
            config: A YAML file, a mapping of settings, or the command's dataclass.
            settings: More of them, which win; see the command's ``--help``.
        """
        from tfpipeline.face import commands

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
