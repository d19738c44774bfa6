"""What a command line may call the settings of a command.

Every command is asked in the same words: `--source`, `--run`, `--output`, `--resize`
mean the same everywhere, whatever the setting is called in its config file. What stands
on the command line without a flag belongs to one setting, and `--help` begins with
those settings that matter first.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from tfpipeline import config
from tfpipeline.config import (
    attack,
    benchmark,
    embed,
    monitoring,
    serving,
    study,
    synthesis,
    train,
)
from tfpipeline.core.errors import UserError

# Flags without a value, beside those of every command that begin with `--config`.
SWITCHES = ("-h", "--help", "--quiet", "--json", "--print_config")


@dataclass(frozen=True)
class Words:
    """The words of one command.

    Args:
        positional: The setting that words without a flag belong to.
        main: The settings that `--help` begins with, in this order.
        aliases: The setting behind each other name; of a name that is a setting too,
            the one that a command line means.
    """

    positional: str | None = None
    main: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)


_NETWORK = {"backbone": "model.backbone", "weights": "model.weights"}
_DATA = {"resize": "data.resize", "batch_size": "data.batch_size"}
_FOLDER = {"workdir": "output"}

_WORDS: dict[type, Words] = {
    config.RunSettings: Words(
        "data.source",
        (
            *("data.source", "workdir", "preset", "model.backbone", "model.weights"),
            *("train.epochs", "fine_tune.epochs", "data.augmentation"),
            *("seed", "overwrite"),
        ),
        {"source": "data.source", "output": "workdir", **_NETWORK, **_DATA}
        | {"epochs": "train.epochs", "learning_rate": "train.learning_rate"}
        | {"augmentation": "data.augmentation"},
    ),
    train.CombineSettings: Words(
        "runs", ("runs", "how", "workdir", "overwrite"), {"output": "workdir"}
    ),
    config.EvaluateSettings: Words(
        "source",
        ("run", "source", "allow_missing_classes", "robust"),
        {"data.source": "source"},
    ),
    config.PredictSettings: Words(
        "images", ("images", "model", "output", "sort_into", "top_k"), {"run": "model"}
    ),
    config.AuditSettings: Words(
        "source",
        ("source", "output", "data.label_from", "overwrite"),
        {"data.source": "source", **_FOLDER},
    ),
    config.PackSettings: Words(
        "source",
        ("source", "output", "shard_megabytes", "overwrite"),
        {"data.source": "source", **_FOLDER},
    ),
    attack.AttackSettings: Words(
        "images",
        (
            *("images", "run", "model.backbone", "target", "epsilon", "norm"),
            *("minimal", "judges", "output", "overwrite"),
        ),
        {"data.resize": "resize", **_NETWORK, **_FOLDER},
    ),
    synthesis.SynthesizeSettings: Words(
        "classes",
        (
            *("classes", "run", "model.backbone", "preset", "judges"),
            *("synthesis.steps", "gif", "seed", "output", "overwrite"),
        ),
        {**_NETWORK, **_FOLDER},
    ),
    synthesis.FeaturesSettings: Words(
        "images",
        (
            *("images", "run", "model.backbone", "layers", "classes", "channels"),
            *("top", "output", "overwrite"),
        ),
        {"data.resize": "resize", **_NETWORK, **_FOLDER},
    ),
    study.StudySettings: Words(
        "sources",
        (
            *("sources", "backbones", "output", "shots", "seeds", "heads"),
            *("scratch", "workers", "overwrite"),
        ),
        {"source": "sources", "data.source": "sources", "resize": "data.resize"}
        | _FOLDER,
    ),
    embed.EmbedSettings: Words(
        "images",
        (
            *("images", "output", "run", "model.backbone", "model.weights", "dtype"),
            *("workers", "part", "parts", "shard_images"),
        ),
        {"data.resize": "resize", **_NETWORK, **_FOLDER},
    ),
    embed.MergeSettings: Words("shards", ("shards", "output")),
    serving.ExportSettings: Words(
        "run", ("run", "output", "also", "name", "label", "top_k", "only_if_better")
    ),
    serving.ServeSettings: Words(
        "base", ("base", "name", "rest_port", "grpc_port", "ui", "run")
    ),
    monitoring.SimilarSettings: Words(
        "images",
        ("images", "run", "count", "metric", "output", "overwrite"),
        _FOLDER,
    ),
    monitoring.MonitorSettings: Words(
        "images",
        (
            *("images", "run", "predictions", "false_alarms", "ignore_shares"),
            *("fail_on_drift", "output", "overwrite"),
        ),
        _FOLDER,
    ),
    benchmark.BenchmarkSettings: Words(
        "source",
        ("source", "model.backbone", "images", "epochs", "output", "overwrite"),
        {"data.source": "source", **_NETWORK, **_FOLDER, **_DATA},
    ),
}


def of(settings: type) -> Words:
    """Return the words of a command by its settings; of others there are none."""
    return _WORDS.get(settings, Words())


def hints(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted name of each setting, and its type."""
    for name, hint in get_type_hints(settings).items():
        if dataclasses.is_dataclass(hint):
            yield from hints(hint, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hint


def spell_out(settings: type, argv: Sequence[str]) -> list[str]:
    """Return a command line with its settings under their own names, all with flags.

    Raises:
        UserError: A setting is given under two names, or words belong to none.
    """
    words, known = of(settings), dict(hints(settings))
    spelled: list[str] = []
    bare: list[str] = []
    under: dict[str, str] = {}
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            bare.append(word)
            continue
        flag, equals, value = word.partition("=")
        name = flag.removeprefix("--")
        setting = words.aliases.get(name, name)
        if under.setdefault(setting, flag) != flag:
            raise twice(under[setting], flag)
        spelled.append(f"--{setting}{equals}{value}" if setting != name else word)
        if equals or flag in SWITCHES:
            continue
        spelled += rest[: _count(rest, known.get(setting))]
        del rest[: _count(rest, known.get(setting))]
    if bare and words.positional is None:
        raise UserError(f"{bare[0]}: expected a flag, such as --config. See --help.")
    return [*_positional(words.positional, known, bare, under), *spelled]


def _count(rest: Sequence[str], hint: Any) -> int:
    """Return how many of the next words are values of a flag of this type."""
    ends = (i for i, word in enumerate(rest) if word.startswith("--"))
    count = next(ends, len(rest))
    return count if hint == list[str] else min(1, count)


def _positional(
    setting: str | None,
    known: Mapping[str, Any],
    bare: list[str],
    under: Mapping[str, str],
) -> list[str]:
    """Return the words without a flag behind the flag that they belong to."""
    if setting is None or not bare:
        return []
    if setting in under:
        raise twice(under[setting], bare[0])
    if known[setting] == list[str]:
        return [f"--{setting}", *bare]
    if len(bare) > 1:
        raise UserError(
            f"--{setting}: expected one. Received: {' '.join(bare)}. Put names with "
            "spaces in quotes, and every other setting behind its flag. See --help."
        )
    return [f"--{setting}={bare[0]}"]


def twice(first: str, second: str) -> UserError:
    """Return the error for a setting that is given under two names."""
    return UserError(f"{first} and {second} name the same setting: give one of them.")
