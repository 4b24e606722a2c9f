"""The page's filter over time and its statistics of frames are those of Python."""

import numpy as np
import pytest

from evaluation.decision import causal, two_sided
from evaluation.ood import statistics, upside_differences
from tests.web.javascript import pack, run


def clip(frames=60, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), frames)
    return probabilities, np.cumsum(rng.uniform(0.01, 0.3, frames)), (rng.uniform(size=frames) > 0.2).astype(float)


@pytest.mark.parametrize("time_constant_s", [0.0, 0.2, 1.6])
def test_filters_over_time(time_constant_s):
    probabilities, times_s, weights = clip()
    code = """
        const { CausalFilter, twoSided } = await load("answers/decide.js");
        const rows = data.p.map((row) => Float64Array.from(row));
        const filter = new CausalFilter(data.tau);
        const both = twoSided(rows, data.t, data.tau, data.w);
        const causal = rows.map((row, i) => [...filter.add(row, data.t[i], data.w[i])]);
        return { causal, both: both.map((row) => [...row]) };
    """
    data = {"p": probabilities.tolist(), "t": times_s.tolist(), "w": weights.tolist(), "tau": time_constant_s}
    found = run(code, data)
    expected = causal(probabilities, times_s, time_constant_s, weights)
    np.testing.assert_allclose(found["causal"], expected, rtol=1e-13)
    expected = two_sided(probabilities, times_s, time_constant_s, weights)
    np.testing.assert_allclose(found["both"], expected, rtol=1e-12)


@pytest.mark.parametrize("size", [(96, 128), (31, 45)])
def test_statistics_of_frames(size):
    rng = np.random.default_rng(1)
    smooth = (127 + 120 * np.sin(np.add.outer(np.arange(size[0]) / 9, np.arange(size[1]) / 17))).astype(np.uint8)
    frames = np.stack([rng.integers(0, 256, size, dtype=np.uint8), smooth, np.zeros(size, np.uint8)])
    code = """
        const { statistics, uprightDifferences } = await load("answers/ood.js");
        const rules = [statistics, uprightDifferences];
        return data.frames.map((text) => rules.map((rule) => rule(bytes(text), data.size)));
    """
    found = run(code, {"frames": [pack(frame) for frame in frames], "size": {"height": size[0], "width": size[1]}})
    np.testing.assert_allclose([row[0] for row in found], statistics(frames), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose([row[1] for row in found], upside_differences(frames), rtol=1e-11, atol=1e-13)
