"""Run as a script by a Python that has MediaPipe, without this project: what it reads of a bundle's files.

    python mediapipe_reader.py BUNDLE FRAMES.npy

It prints JSON: `metadata` {file: fields, by MediaPipe's generated reader of the published schema}, and `answers`, a
list of {class: score} that its ImageClassifier gives for the frames, uint8 [n, H, W].
"""

import json
import sys
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks import python as tasks
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
from mediapipe.tasks.metadata import schema_py_generated as tflite


def read(path):
    content = path.read_bytes()
    model = tflite.Model.GetRootAsModel(content, 0)
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        if entry.Name() == b"TFLITE_METADATA":
            return fields(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    return None


def fields(buffer):
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(buffer, 0)
    model = schema.ModelMetadata.GetRootAs(buffer, 0)
    graph = model.SubgraphMetadata(0)
    entry, end = graph.InputTensorMetadata(0), graph.OutputTensorMetadata(0)
    image, options = schema.ImageProperties(), schema.NormalizationOptions()
    assert entry.Content().ContentPropertiesType() == schema.ContentProperties.ImageProperties
    table = entry.Content().ContentProperties()
    image.Init(table.Bytes, table.Pos)
    unit = entry.ProcessUnits(0)
    assert unit.OptionsType() == schema.ProcessUnitOptions.NormalizationOptions
    options.Init(unit.Options().Bytes, unit.Options().Pos)
    labels = end.AssociatedFiles(0)
    assert labels.Type() == schema.AssociatedFileType.TENSOR_AXIS_LABELS
    return {
        "name": model.Name().decode(),
        "version": model.Version().decode(),
        "licence": model.License().decode(),
        "input": entry.Description().decode(),
        "size": [image.DefaultSize().Height(), image.DefaultSize().Width()],
        "colour": image.ColorSpace(),
        "mean": options.MeanAsNumpy().tolist(),
        "std": options.StdAsNumpy().tolist(),
        "range": [entry.Stats().Min(0), entry.Stats().Max(0)],
        "labels": labels.Name().decode(),
    }


def classify(path, frames):
    options = tasks.vision.ImageClassifierOptions(base_options=tasks.BaseOptions(model_asset_path=str(path)))
    with tasks.vision.ImageClassifier.create_from_options(options) as classifier:
        for frame in frames:
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.repeat(frame[..., None], 3, axis=-1))
            found = classifier.classify(image).classifications[0].categories
            yield {category.category_name: category.score for category in found}


def main(bundle, frames):
    files = sorted(bundle.glob("*.tflite"))
    answers = list(classify(bundle / "student_int8_rgb.tflite", np.load(frames)))
    print(json.dumps({"metadata": {path.name: read(path) for path in files}, "answers": answers}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
