"""What a saved Keras model says of itself: read as JSON, before anything is run."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfpipeline.core.errors import UserError, suggest

# Member of a `.keras` archive; file of a preset.
_CONFIG = "config.json"

# Whose classes are there in every process that loads the model.
_PACKAGES = ("keras", "keras_hub", "builtins")

# Layers and operations by which a model prepares the pixels that it is given.
_PREPARING = ("Rescaling", "Normalization")
_ARITHMETIC = ("Divide", "TrueDivide", "Multiply", "Subtract", "Add", "Flip", "GetItem")

Config = dict[str, Any]


def read(path: Path) -> Config:
    """Return the configuration of a `.keras` file."""
    flag = f"--model.backbone {path}"
    if not path.is_file():
        near = suggest(path.name, (other.name for other in path.parent.glob("*.keras")))
        raise UserError(
            f"{flag}: no such file. Expected a model that Keras saved, "
            f"model.save('FILE.keras').{near}"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read(_CONFIG))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{flag}: expected a model that Keras 3 saved, model.save('FILE.keras'), "
            f"but it cannot be read ({error}). A SavedModel or an .h5 file has to be "
            "loaded and saved as .keras first."
        ) from None
    if not isinstance(config, dict) or "class_name" not in config:
        raise UserError(f"{flag}: its {_CONFIG} describes no model. Save it again.")
    return config


def is_run(path: Path) -> bool:
    """Return whether a file is the classifier of a run: it is shown [0, 1]."""
    with zipfile.ZipFile(path) as archive:
        return "labels.txt" in archive.namelist()


def check(path: Path, cut: str | None) -> None:
    """Refuse a file that is no model, or brings code, or has no layer of a name."""
    config = read(path)
    refuse_code(config, f"--model.backbone {path}")
    names = list(layer_names(config))
    if cut is not None and names and cut not in names:
        raise UserError(
            f"--model.cut: no layer {cut!r} in {path}.{suggest(cut, names)} Its last "
            f"of {len(names)}: {', '.join(names[-8:])}."
        )


def read_preset(folder: Path) -> Config:
    """Return the configuration of the backbone in a folder of KerasHub."""
    flag, file = f"--model.backbone kerashub:{folder}", folder / _CONFIG
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{flag}: expected a folder that `save_to_preset` wrote, with {_CONFIG}, "
            f"but that cannot be read ({error})."
        ) from None


def check_preset(folder: Path) -> None:
    """Refuse a folder that is no preset of KerasHub, or brings code."""
    refuse_code(read_preset(folder), f"--model.backbone kerashub:{folder}")


def refuse_code(config: Any, flag: str) -> None:
    """Refuse what needs code of its own: Lambda layers, and classes of others."""
    for part in _objects(config):
        kind, own = str(part.get("class_name")), part.get("config")
        named = f" {own['name']!r}" if isinstance(own, dict) and "name" in own else ""
        if kind in ("Lambda", "__lambda__"):
            raise UserError(
                f"{flag}: its layer{named} is a Lambda, which holds code; code of a "
                "file is never run. Save the model with built-in layers or keras.ops "
                "in its place, or cut it off first."
            )
        registered = str(part.get("registered_name") or "")
        package = str(part.get("module") or registered).partition(">")[0].split(".")[0]
        if package and package not in _PACKAGES:
            raise UserError(
                f"{flag}:{named or ' one part'} is a {kind} of {package}, whose code "
                "is not in Keras; a run would not load without it. Save the model with "
                "built-in layers."
            )


def uses_hub(config: Any) -> bool:
    """Return whether a model has parts of KerasHub."""
    return any(str(o.get("module")).startswith("keras_hub") for o in _objects(config))


def layer_names(config: Config) -> Iterator[str]:
    """Yield the names of the layers of a model, those of nested ones as `NAME/LAYER`.

    Nothing where only its class knows them.
    """
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, dict) else None
    for layer in layers if isinstance(layers, list) else []:
        if not isinstance(layer, dict):
            continue
        own = layer.get("config")
        name = layer.get("name") or (own.get("name") if isinstance(own, dict) else None)
        if name is None or layer.get("class_name") == "InputLayer":
            continue
        yield str(name)
        yield from (f"{name}/{below}" for below in layer_names(layer))


def input_shapes(config: Config) -> list[Any]:
    """Return the shape of each input of a model, without the batch, as it was saved."""
    inner = config.get("config")
    inner = inner if isinstance(inner, dict) else {}
    if isinstance(inner.get("image_shape"), list):
        return [inner["image_shape"]]
    for part in ("backbone", "vision_encoder"):
        if isinstance(inner.get(part), dict):
            return input_shapes(inner[part])
    layers = inner.get("layers")
    shapes = [
        layer["config"]["batch_shape"][1:]
        for layer in (layers if isinstance(layers, list) else [])
        if layer.get("class_name") == "InputLayer" and "batch_shape" in layer["config"]
    ]
    if not shapes and isinstance(inner.get("build_input_shape"), list):
        shapes = [inner["build_input_shape"][1:]]
    return shapes


def prepares_pixels(config: Config) -> bool:
    """Return whether a model does arithmetic on its input before anything else.

    That is a layer that rescales or normalizes, or an operation such as the division
    and the subtraction of `preprocess_input`.
    """
    if any(part.get("class_name") in _PREPARING for part in _objects(config)):
        return True
    layers = config["config"].get("layers") if isinstance(config["config"], dict) else 0
    layers = layers if isinstance(layers, list) else []
    inputs = {a.get("name") for a in layers if a.get("class_name") == "InputLayer"}
    return any(
        layer.get("class_name") in _ARITHMETIC
        and not inputs.isdisjoint(_sources(layer.get("inbound_nodes")))
        for layer in layers
    )


def _sources(nodes: Any) -> Iterator[str]:
    """Yield the names of the layers that calls take their input from."""
    for part in _objects(nodes):
        own = part.get("config")
        if isinstance(own, dict) and "keras_history" in own:
            yield str(own["keras_history"][0])


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every object that a configuration would build, the outermost first."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config
        for name, part in config.items():
            # Losses and metrics are not loaded.
            if name != "compile_config":
                yield from _objects(part)
    elif isinstance(config, list):
        for part in config:
            yield from _objects(part)
