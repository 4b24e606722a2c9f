"""A loss term and a model family are one file each: everything else knows them without an edit."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

NEW_TERM = """
from keras import ops
from losses.registry import loss_term, Option, Bounds

@loss_term("margin", default=0.0, help="squared excess of the largest logit over a margin", source="none: a test",
           options=(Option("margin_size", 2.0, "largest logit that costs nothing", Bounds(low_open=True)),))
def margin(given):
    return ops.square(ops.relu(ops.max(given.student["logits"], axis=-1) - given.settings.margin_size))
"""
NEW_FAMILY = """
from models.layers import channels, conv_bn_relu
from models.registry import register

@register("pebble", "student", taps=("stride8", "stride16"), parameters=1_428, small={"width": 1.0},
          width_below={150_000: 4.0, 50_000: 4.0})
def build(keras_module, frame_shape, num_classes, *, width: float = 1.0):
    frame = keras_module.Input(frame_shape, name="frame")
    x = conv_bn_relu(keras_module, frame, channels(8, width), 3, strides=8, name="first", act="stride8")
    x = conv_bn_relu(keras_module, x, channels(16, width), 3, strides=2, name="second", act="stride16")
    x = keras_module.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras_module.Model(frame, keras_module.layers.Dense(num_classes, name="logits")(x), name="pebble")
"""
USE_THEM = """
import jsonargparse, models
from losses import LossSettings, loss_table
from models.distiller import Distiller
from tests.models import tiny
parser = jsonargparse.ArgumentParser()
parser.add_argument("--loss", type=LossSettings, default=LossSettings())
settings = parser.instantiate(parser.parse_args(["--loss.margin", "0.5", "--loss.margin_size", "0.01"])).loss
made = Distiller(models.create("pebble", tiny.FRAME, 3, width=2.0), tiny.teacher(grid=4), settings)
made.compile("sgd", jit_compile=False)
logs = {name: float(value) for name, value in made.train_step(tiny.batch()).items()}
assert logs["margin"] > 0 and logs["attention"] >= 0, logs
assert "`loss.margin_size`" in loss_table()
assert "excess of the largest logit" in " ".join(parser.format_help().split()), parser.format_help()
assert "pebble" in models.names("student") and models.find("pebble").options == {"width": 1.0}
"""


def test_a_new_term_and_a_new_family_are_one_file_each(tmp_path):
    for package, name, text in (("losses", "margin", NEW_TERM), ("models", "pebble", NEW_FAMILY)):
        folder = tmp_path / package
        folder.mkdir()
        for file in (ROOT / package).glob("*.py"):
            (folder / file.name).symlink_to(file)
        (folder / f"{name}.py").write_text(text)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n{USE_THEM}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
