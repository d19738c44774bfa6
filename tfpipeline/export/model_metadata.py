"""What a converted classifier says of itself: its classes, and what it is to be shown.

LiteRT reads a table of metadata that lies in the model, and files that are appended to
it as a zip archive, stored and not compressed. TensorFlow comes without the classes of
that table, so its few fields are written here by their places in
`metadata_schema.fbs` (https://github.com/tensorflow/tflite-support).
"""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import flatbuffers
import numpy as np

from tfpipeline.core import target as targets
from tfpipeline.export import litert_graphs
from tfpipeline.export.converters import HIGH, KNOWN, LOW, NOVELTY, NUMBER, OUTPUT
from tfpipeline.metrics.decision import Decision

# Of the entry in the model, of the table itself, and the file that it names.
TFLITE_METADATA, _IDENTIFIER, LABELS = "TFLITE_METADATA", b"M001", "labels.txt"
TARGET = "target.json"

# The schema since which all fields that are written are known.
_SCHEMA = "1.0.0"

# Numbers of the schema's enumerations.
_NORMALIZATION, _FEATURE, _IMAGE, _RGB, _AXIS_LABELS = 1, 1, 2, 1, 2

_RESIZED = {
    "squash": "the whole picture, whatever its aspect",
    "crop": "the largest part from its middle that has the aspect of that size",
    "pad": "the whole picture in its own aspect, black added around it",
}


class Description(NamedTuple):
    """What is said of a classifier; the size is height and width.

    `novelty` is whether it has this output, `threshold` the largest one that is known
    (None: nothing can be promised, and there is no output `known`), and `false_alarms`
    the share of images like the run's own that may exceed it. `exact` is whether what
    it computes is near enough to the run's own for that promise, and sees what is no
    pixel: not in 8 bits.
    """

    name: str
    labels: Sequence[str]
    size: tuple[int, int]
    resize: str
    decision: Decision = Decision()
    novelty: bool = False
    threshold: float | None = None
    false_alarms: float = 0.05
    exact: bool = True

    @property
    def answer(self) -> str:
        """What the first output is, in a sentence."""
        if self.decision.target == targets.NUMBER:
            nothing = " NaN where the values are none of pixels." * self.exact
            words = f"The number {self.labels[0]!r}, in the unit it was trained in."
            return words + nothing
        words = f"Of the {len(self.labels)} classes, in the order of {LABELS}"
        if self.decision.target == targets.MULTI:
            return f"{words}, each by itself; {TARGET} has their thresholds."
        return f"{words}."

    @property
    def image(self) -> str:
        """What the input is, in a sentence."""
        height, width = self.size
        return (
            f"RGB, float32 in [0, 1] (8 bits divided by 255), {height} x {width} "
            f"pixels (height x width): {_RESIZED[self.resize]}."
        )

    @property
    def input(self) -> dict[str, Any]:
        """The same for programs, as the file's `.parity.json` has it."""
        kind = {"name": "images", "dtype": "float32", "range": [0, 1]}
        return {**kind, "layout": "NHWC", "color": "RGB", "size": list(self.size)}

    @property
    def outputs(self) -> dict[str, str]:
        """What each output is, by its name, in the file's order."""
        is_number = self.decision.target == targets.NUMBER
        outputs = {NUMBER if is_number else OUTPUT: self.answer}
        own = self.decision
        if is_number and own.half_width is not None:
            words = f"end of its interval, {own.half_width:g} from the number."
            outputs |= {LOW: f"Lower {words}", HIGH: f"Upper {words}"}
        nothing = " 0 where the values are none of pixels." if self.exact else ""
        if self.novelty:
            outputs[NOVELTY] = (
                "How unlike the image is those of the training: 0 for a typical one, "
                f"no upper bound.{nothing}"
            )
        if self.novelty and self.threshold is not None:
            promise = (
                " Of images like those of the training, at most a share of "
                f"{self.false_alarms:g} has 0, on average."
            )
            outputs[KNOWN] = (
                f"1 where novelty is at most {self.threshold:g}, else 0.{nothing}"
                f"{promise if self.exact else ''}"
            )
        return outputs


def describe(content: bytes, file: str, about: Description) -> bytes:
    """Return a converted classifier, `.tflite` or `.onnx`, that says what it is."""
    return (_onnx if file.endswith(".onnx") else _tflite)(content, about)


def _onnx(content: bytes, about: Description) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    properties = {
        # As ONNX's own list of metadata has them.
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.ColorSpaceGamma": "SRGB",
        "Image.NominalPixelRange": "Normalized_0_1",
        "labels": json.dumps(list(about.labels), ensure_ascii=False),
        "image_size": json.dumps(about.size),
        "resize": about.resize,
        "outputs": json.dumps(about.outputs),
    }
    if about.decision.target != targets.SINGLE:
        own = json.dumps(about.decision.to_json(), ensure_ascii=False)
        properties[TARGET.removesuffix(".json")] = own
    onnx.helper.set_model_props(model, properties)
    model.doc_string = f"{about.name}: {about.image}"
    return bytes(model.SerializeToString())


def _tflite(content: bytes, about: Description) -> bytes:
    from tensorflow.lite.python import schema_py_generated as schema

    model = litert_graphs.read(content)
    table, entry = schema.BufferT(), schema.MetadataT()
    table.data = np.frombuffer(_table(about), np.uint8)
    entry.name, entry.buffer = TFLITE_METADATA, len(model.buffers)
    model.buffers.append(table)
    model.metadata = [*(model.metadata or ()), entry]
    model.description = about.image
    with io.BytesIO() as file:
        file.write(litert_graphs.write(model))
        with zipfile.ZipFile(file, "a") as archive:
            lines = "".join(f"{label}\n" for label in about.labels)
            # The date of an entry is that of the oldest there can be, not of today.
            archive.writestr(zipfile.ZipInfo(LABELS), lines.encode())
            if about.decision.target != targets.SINGLE:
                own = json.dumps(about.decision.to_json(), ensure_ascii=False)
                archive.writestr(zipfile.ZipInfo(TARGET), own.encode())
        return file.getvalue()


class _Number(NamedTuple):
    """A number in a table, of one of the kinds of FlatBuffers."""

    kind: str
    value: int


def _table(about: Description) -> bytes:
    """Return the metadata: fields by their places in the tables of the schema."""
    height, width = about.size
    # Numbers that hold for all channels.
    zero, one, most = (np.array([value], np.float32) for value in (0, 1, 255))
    sides = {0: _Number("Uint32", width), 1: _Number("Uint32", height)}
    normalization = {0: _Number("Uint8", _NORMALIZATION), 1: {0: zero, 1: most}}
    image = {
        0: "images",
        1: about.image,
        3: {0: _Number("Uint8", _IMAGE), 1: {0: _Number("Int8", _RGB), 1: sides}},
        4: [normalization],
        5: {0: one, 1: zero},
    }
    names = {0: LABELS, 1: "Class names, one a line.", 2: _Number("Int8", _AXIS_LABELS)}
    feature = {3: {0: _Number("Uint8", _FEATURE), 1: {}}}
    outputs = [{0: n, 1: words, **feature} for n, words in about.outputs.items()]
    for output in outputs:
        if output[0] not in (
            NOVELTY,
            NUMBER,
            LOW,
            HIGH,
        ):  # Those have no largest value.
            output[5] = {0: one, 1: zero}
    if about.decision.target != targets.NUMBER:
        outputs[0][6] = [names]
    graph = {2: [image], 3: outputs}
    builder = flatbuffers.Builder(1024)
    root = {0: about.name, 1: "An image classifier.", 3: [graph], 7: _SCHEMA}
    builder.Finish(_put(builder, root), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _put(builder: Any, value: Any) -> int:
    """Return where a text, numbers, a list of tables, or a table was written."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value))
    if isinstance(value, list):
        places = [_put(builder, inner) for inner in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return int(builder.EndVector())
    inside = {
        slot: _put(builder, inner)
        for slot, inner in value.items()
        if not isinstance(inner, _Number)
    }
    builder.StartObject(max(value, default=-1) + 1)
    for slot, inner in value.items():
        if slot in inside:
            builder.PrependUOffsetTRelativeSlot(slot, inside[slot], 0)
        else:
            getattr(builder, f"Prepend{inner.kind}Slot")(slot, inner.value, 0)
    return int(builder.EndObject())
