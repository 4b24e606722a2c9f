"""The published metadata of TFLite files: a FlatBuffer of its own that names what goes in and what comes out.

The schema is `metadata_schema.fbs` (namespace `tflite`, file identifier `M001`), which Android's code generator, the
TFLite Support library and MediaPipe Tasks read. Its tables are written here field by field, so that writing needs the
FlatBuffers runtime alone; tests read them back with generated readers of other projects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import flatbuffers

IDENTIFIER = b"M001"
# The first version of the reader that knows all the fields that are written here.
_LEAST_PARSER = "1.0.0"
# Values of the schema's enumerations and unions.
_TENSOR_AXIS_LABELS = 2
_DESCRIPTIONS = 1
_IMAGE_PROPERTIES = 2
_NORMALIZATION = 1
_FEATURE_PROPERTIES = 1
RGB, GREY = 1, 2


@dataclasses.dataclass(frozen=True)
class TfliteDescription:
    """What the metadata of a classifier says.

    Attributes:
        name, description, version, author, licence: of the model.
        input_description: what goes in and how it is prepared.
        output_description: what comes out.
        size: (H, W) of the frames, pixels.
        colour: `RGB` or `GREY`.
        mean, std: a float model would get (byte − mean) / std.
        labels: name of the associated file that has one class per line.
        attached: name of the associated file that describes the model, in JSON.
    """

    name: str
    description: str
    version: str
    author: str
    licence: str
    input_description: str
    output_description: str
    size: tuple[int, int]
    colour: int
    labels: str
    attached: str
    mean: float = 0.0
    std: float = 255.0


def pack(about: TfliteDescription) -> bytes:
    """The FlatBuffer of a model with one input, an image of bytes, and one output, one score per class."""
    writer = _Writer()
    source = writer.table(
        {
            0: writer.text("frame"),
            1: writer.text(about.input_description),
            3: _image_content(writer, about),
            4: writer.vector([_normalization(writer, about)]),
            5: writer.table({0: writer.floats([255.0]), 1: writer.floats([0.0])}),  # greatest and least byte
        }
    )
    labels = writer.table(
        {0: writer.text(about.labels), 1: writer.text("one class per line, in the order of the outputs")},
        bytes_={2: _TENSOR_AXIS_LABELS},
    )
    features = writer.table({1: writer.table({})}, bytes_={0: _FEATURE_PROPERTIES})
    target = writer.table(
        {
            0: writer.text("probabilities"),
            1: writer.text(about.output_description),
            3: features,
            5: writer.table({0: writer.floats([1.0]), 1: writer.floats([0.0])}),
            6: writer.vector([labels]),
        }
    )
    graph = writer.table({2: writer.vector([source]), 3: writer.vector([target])})
    attached = writer.table(
        {0: writer.text(about.attached), 1: writer.text("classes, preparation, thresholds: JSON")},
        bytes_={2: _DESCRIPTIONS},
    )
    texts = (about.name, about.description, about.version)
    model = writer.table(
        {
            **{slot: writer.text(text) for slot, text in enumerate(texts)},
            3: writer.vector([graph]),
            4: writer.text(about.author),
            5: writer.text(about.licence),
            6: writer.vector([attached]),
            7: writer.text(_LEAST_PARSER),
        }
    )
    return writer.finish(model)


def _image_content(writer: _Writer, about: TfliteDescription) -> int:
    height, width = about.size
    size = writer.table({}, numbers={0: width, 1: height})
    image = writer.table({1: size}, bytes_={0: about.colour})
    return writer.table({1: image}, bytes_={0: _IMAGE_PROPERTIES})


def _normalization(writer: _Writer, about: TfliteDescription) -> int:
    options = writer.table({0: writer.floats([about.mean]), 1: writer.floats([about.std])})
    return writer.table({1: options}, bytes_={0: _NORMALIZATION})


class _Writer:
    """Tables by the number of their fields, as the FlatBuffers format stores them.

    Everything that a table refers to is written before it: the arguments of `table` are offsets.
    """

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)

    def text(self, value: str) -> int:
        return self._builder.CreateString(value)

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return self._builder.EndVector()

    def vector(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def table(
        self,
        offsets: Mapping[int, int],
        *,
        bytes_: Mapping[int, int] | None = None,
        numbers: Mapping[int, int] | None = None,
    ) -> int:
        bytes_, numbers = bytes_ or {}, numbers or {}
        self._builder.StartObject(1 + max([*offsets, *bytes_, *numbers], default=-1))
        for slot, offset in offsets.items():
            self._builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, value in numbers.items():
            self._builder.PrependUint32Slot(slot, value, 0)
        for slot, value in bytes_.items():
            self._builder.PrependUint8Slot(slot, value, 0)
        return self._builder.EndObject()

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, IDENTIFIER)
        return bytes(self._builder.Output())
