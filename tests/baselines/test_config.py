"""Each baseline has a typed configuration, which refuses what is wrong by the parameter's name before any work."""

import dataclasses
from pathlib import Path

import pytest

import baselines
import compress
from baselines import ChannelsConfig, ClusterConfig, PostTrainingConfig, PruneConfig
from baselines.registry import all_baselines
from common.errors import InputError
from common.parsing import field_docs

PLACES = {"source": "student.keras", "data": "data", "out": "out"}
CLUSTERS = "clusters must be at least 3 (one below zero, zero, one above) and at most 65,536"


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (PruneConfig, {"sparsity": (1.2,)}, "sparsity must be in (0, 1), not 1.2"),
        (PruneConfig, {"sparsity": (0.5, 0.5)}, "sparsity must be different values, one or more, not [0.5, 0.5]"),
        (PruneConfig, {"clusters": 2}, f"{CLUSTERS}, not 2"),
        (PruneConfig, {"clusters": 10**12}, f"{CLUSTERS}, not 1000000000000"),
        (PruneConfig, {"epochs": 0}, "epochs must be at least 1, not 0"),
        (PruneConfig, {"seed": -1}, "seed must be at least 0 and below 2^32, not -1"),
        (PruneConfig, {"learning_rate": float("inf")}, "learning_rate must be above 0, not inf"),
        (ClusterConfig, {"clusters": ()}, "clusters must be different values, one or more, not []"),
        (ClusterConfig, {"clusters": (16, 2)}, f"{CLUSTERS}, not 2"),
        (ClusterConfig, {"gaze": "left"}, "gaze must be one of real, none, shuffled, centre, not 'left'"),
        (ClusterConfig, {"int8_epochs": -1}, "int8_epochs must be at least 0, not -1"),
        (ChannelsConfig, {"keep": (0.0,)}, "keep must be above 0 and at most 1, not 0.0"),
        (ChannelsConfig, {"criterion": "l2"}, "criterion must be one of l1, scale, not 'l2'"),
        (ChannelsConfig, {"batch_size": 0}, "batch_size must be at least 1, not 0"),
        (ChannelsConfig, {"epochs": 10**12}, "epochs must be at most 100,000, not 1000000000000"),
        (PruneConfig, {"int8_epochs": 10**12}, "int8_epochs must be at most 100,000, not 1000000000000"),
        (PruneConfig, {"batch_size": 10**12}, "batch_size must be at most 65,536, not 1000000000000"),
        (PruneConfig, {"learning_rate": 1e308}, "learning_rate must be at most 1e+30 and at least -1e+30, not 1e+308"),
        (PostTrainingConfig, {"kinds": ("int4",)}, "kinds must be one of dynamic, float16, int8, not 'int4'"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_parameter(config, given, message):
    with pytest.raises(InputError) as caught:
        config(**PLACES, **given)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", all_baselines())
def test_flags_give_the_configuration_of_the_library(name):
    baseline = all_baselines()[name]
    wanted = baseline.config(**PLACES)
    assert baseline.parse(["student.keras", "--data", "data", "--out", "out"]) == wanted
    given = baseline.parse(["student.keras", "--data", "data", "--out", "out", "--seed", "7", "--overwrite"])
    assert given == dataclasses.replace(wanted, seed=7, overwrite=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        given.seed = 8


def test_help_says_what_every_flag_is():
    """Once those of the classes that a configuration extends, `--seed` and `--teacher` among them, had no help."""
    for name, baseline in all_baselines().items():
        said, text = field_docs(baseline.config), " ".join(baseline.parser().format_help().split())
        flags = [field.name for field in dataclasses.fields(baseline.config) if field.name not in ("loss", "augment")]
        assert [flag for flag in flags if said[flag] not in text] == [], name


def test_several_targets_follow_their_flag():
    parse = all_baselines()["prune"].parse
    config = parse(["s.keras", "--sparsity", "0.5", "0.75", "--clusters", "8", "--data", "d", "--out", "o"])
    assert (config.sparsity, config.clusters, config.source) == ((0.5, 0.75), 8, Path("s.keras"))


ADDED = '''
import dataclasses

from baselines.config import BaselineConfig
from baselines.registry import Baseline


@dataclasses.dataclass(frozen=True, kw_only=True)
class RoundConfig(BaselineConfig):
    """Round the weights.

    Attributes:
        digits: kept of each weight.
    """

    digits: int = 3


def run(config):
    print(f"{config.source} to {config.digits} digits")


BASELINE = Baseline("round", "weights with fewer digits", RoundConfig, run)
'''


def test_a_baseline_is_one_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "rounding.py").write_text(ADDED)
    monkeypatch.setattr(baselines, "__path__", [*baselines.__path__, str(tmp_path)])
    assert "round" in all_baselines()
    assert compress.main(["round", "s.keras", "--data", "d", "--out", "o", "--digits", "2"]) == 0
    assert capsys.readouterr().out == "s.keras to 2 digits\n"
