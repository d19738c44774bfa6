"""What the user calls a network of their own, checked without TensorFlow."""

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfpipeline.config import ModelSettings
from tfpipeline.core.errors import UserError, suggest
from tfpipeline.models.own import archive

HUB = "kerashub:"

# What `--model.weights` is resolved to: those that come with the network.
OWN = "own"

_REMOTE = ("kaggle://", "hf://", "gs://", "modelscope://")


def is_own(name: str) -> bool:
    """Return whether a backbone is a file or a preset, not a name of the table."""
    return name.endswith(".keras") or name.startswith(HUB)


def preset_of(name: str) -> str:
    """Return the preset, folder or handle behind `kerashub:`."""
    return name.removeprefix(HUB)


def check(settings: ModelSettings) -> None:
    """Refuse a file, a preset or a layer that is not there, or that runs code."""
    name = settings.backbone
    if settings.weights not in (None, OWN, "none"):
        raise UserError(
            f"--model.weights {settings.weights}: {name} comes with its weights. Leave "
            "it out; none starts untrained."
        )
    if settings.alpha is not None:
        raise UserError(
            f"--model.alpha: {name} comes in one width only; leave it out. Received: "
            f"{settings.alpha}."
        )
    if not name.startswith(HUB):
        archive.check(Path(name), settings.cut)
        return
    if settings.cut is not None:
        raise UserError(
            f"--model.cut {settings.cut}: a backbone of KerasHub has no top to cut "
            "off; leave it out."
        )
    check_installed(f"--model.backbone {name}")
    preset = preset_of(name)
    if Path(preset).is_dir():
        archive.check_preset(Path(preset))
    elif not preset.startswith(_REMOTE):
        known = set(builtin_presets())
        if preset not in known:
            raise UserError(
                f"--model.backbone {name}: expected a folder that `save_to_preset` "
                f"wrote, a preset of KerasHub, or {', '.join(_REMOTE)}...; there is no "
                f"such folder or preset.{suggest(preset, known)} All {len(known)} with "
                "pictures: keras.io/keras_hub/presets."
            )


def check_installed(what: str) -> None:
    """Refuse what needs KerasHub where that is not installed."""
    if importlib.util.find_spec("keras_hub") is None:
        raise UserError(
            f"{what}: needs KerasHub, which is not installed: run pip install "
            "'.[hub]' in the folder of tfpipeline's source; it takes Python 3.11 or "
            "later."
        )


def builtin_presets() -> Iterator[str]:
    """Yield the presets of networks that take pictures, without importing KerasHub."""
    spec = importlib.util.find_spec("keras_hub")
    assert spec is not None and spec.origin is not None
    models = Path(spec.origin).parent / "src" / "models"
    for converter in sorted(models.glob("*/*_image_converter.py")):
        for file in converter.parent.glob("*_presets.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                    yield from (
                        key.value
                        for key in node.value.keys
                        if isinstance(key, ast.Constant) and isinstance(key.value, str)
                    )


def content(settings: ModelSettings) -> str:
    """Return a digest of what decides how a network of one's own computes.

    That of a preset by its name is its name: presets are versioned by KerasHub.
    """
    name = settings.backbone
    digest = hashlib.sha256()
    parts: Mapping[str, Any] = {
        key: getattr(settings, key) for key in ("cut", "preprocessing", "image_size")
    }
    digest.update(json.dumps(parts).encode())
    path = Path(preset_of(name))
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix in (".json", ".h5"))
    else:
        files = [path] if path.is_file() else []
    for file in files:
        digest.update(file.name.encode() if path.is_dir() else b"")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    if not files:
        digest.update(name.encode())
    return digest.hexdigest()
