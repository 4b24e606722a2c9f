"""A baseline that was interrupted ends as one that was not, and no target depends on those before it."""

import keras
import numpy as np
import pytest

import quantization.finetune
import training.checkpoint
from tests.baselines.runs import call


class Interrupted(BaseException):
    """As if the process had been killed."""


def dies_after(monkeypatch, owner, name, epochs):
    """The function that stores an epoch's state ends the process once it has stored so many."""
    store, count = getattr(owner, name), [0]

    def storing(*args, **kwargs):
        store(*args, **kwargs)
        count[0] += 1
        if count[0] == epochs:
            raise Interrupted

    monkeypatch.setattr(owner, name, storing)


def weights(path):
    return keras.saving.load_model(path).get_weights()


PRUNE = ["--epochs", 2, "--int8-epochs", 1, "--batch-size", 48]
CHANNELS = ["--keep", 0.5, "--reconstruct", "false", "--epochs", 2, "--batch-size", 48]


@pytest.mark.parametrize(
    ("command", "whole", "words", "owner", "name", "made"),
    [
        (
            "prune",
            ["--sparsity", 0.5, 0.75, *PRUNE],
            ["--sparsity", 0.75, *PRUNE],
            quantization.finetune,
            "write_state",
            "sparsity_75/student",
        ),
        ("channels", CHANNELS, CHANNELS, training.checkpoint.Checkpoint, "on_epoch_end", "keep_50/model"),
    ],
)
def test_the_same_command_goes_on_and_ends_with_the_same_bits(
    run, tmp_path, monkeypatch, command, whole, words, owner, name, made
):
    assert call(run, command, tmp_path / "whole", *whole) == 0
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        dies_after(patch, owner, name, 1)
        with pytest.raises(Interrupted):
            call(run, command, out, *words)
    assert not out.exists()
    assert len(list((tmp_path / "out.unfinished").iterdir())) == 1
    keras.utils.set_random_seed(99)
    assert call(run, command, out, *words) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "out"}
    for one, other in zip(weights(out / f"{made}.keras"), weights(tmp_path / "whole" / f"{made}.keras"), strict=True):
        np.testing.assert_array_equal(one, other)
    for path in out.rglob("*.tflite"):
        assert path.read_bytes() == (tmp_path / "whole" / path.relative_to(out)).read_bytes(), path.name


def test_other_settings_start_at_the_beginning(run, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        dies_after(patch, training.checkpoint.Checkpoint, "on_epoch_end", 1)
        with pytest.raises(Interrupted):
            call(run, "channels", out, *CHANNELS)
    (left,) = (tmp_path / "out.unfinished").iterdir()
    with monkeypatch.context() as patch:
        dies_after(patch, training.checkpoint.Checkpoint, "on_epoch_end", 1)
        with pytest.raises(Interrupted):
            call(run, "channels", out, *CHANNELS, "--seed", 1)
    assert left in (files := set((tmp_path / "out.unfinished").iterdir())) and len(files) == 2
