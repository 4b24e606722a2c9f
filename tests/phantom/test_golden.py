"""A clip of the phantom is what it was: who moves it raises `phantom.version.VERSION`, and says so in its CHANGELOG."""

import numpy as np
import pytest

from phantom.version import VERSION
from tests.phantom.simulated import simulate

# By version, of two frames of 28×36 and a second of gaze. Another machine rounds otherwise, by a grey level.
GOLDEN = {
    1: {
        "head": {
            "mean": 46.047,
            "row": [16, 45, 14, 4, 38, 109],
            "column": [5, 4, 4, 4, 11, 141],
            "x": [0.367248, 0.367013, 0.378094, 0.314832, 0.373333],
            "y": [0.386507, 0.377446, 0.411219, 0.430303, 0.242883],
        },
        "background": {
            "mean": 59.064,
            "row": [121, 84, 8, 55, 22, 94],
            "column": [78, 155, 37, 26, 38, 6],
            "x": [0.539319, 0.584666, 0.544767, 0.601761, 0.608013],
            "y": [0.583002, 0.603257, 0.595753, 0.482955, 0.496883],
        },
    }
}


@pytest.mark.parametrize("label", ["head", "background"])
def test_a_clip_is_that_of_its_version(label):
    clip = simulate(label, 3, frame_size=(28, 36), fps=2.0, duration_s=1.0, render=True).clip
    found = {
        "mean": clip.frames.mean(),
        "row": clip.frames[1, 14, ::6].astype(float),
        "column": clip.frames[0, 4:26:4, 18].astype(float),
        "x": clip.gaze.x[::30],
        "y": clip.gaze.y[::30],
    }
    assert VERSION in GOLDEN, f"take the values of the new version over into this test:\n{found}"
    tolerance = {"mean": 0.1, "row": 2, "column": 2, "x": 1e-5, "y": 1e-5}
    for name, values in GOLDEN[VERSION][label].items():
        np.testing.assert_allclose(
            found[name], values, rtol=0, atol=tolerance[name], err_msg=f"{name} has moved: raise VERSION:\n{found}"
        )
