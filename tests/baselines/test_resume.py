"""A baseline that was interrupted ends as one that was not, and no target depends on those before it."""

import os

import keras
import numpy as np
import pytest

import quantization.finetune
import quantization.tflite
import training.checkpoint
from evaluation.artefacts import write_metadata
from tests.baselines.runs import call


@pytest.fixture(autouse=True)
def quick(monkeypatch, eagerly):
    """Few steps without graphs; a `.tflite` file holds the weights it would be made of, and is not looked into."""

    def write(model, path, metadata, **_):
        weights = getattr(model, "model", model).get_weights()
        path.write_bytes(b"".join(np.asarray(weight).tobytes() for weight in weights))
        write_metadata(path, metadata)
        return path.stat().st_size

    monkeypatch.setattr(quantization.tflite, "export_float_tflite", write)
    monkeypatch.setattr(quantization.tflite, "export_int8", write)
    monkeypatch.setattr(quantization.tflite, "post_training_int8", lambda model, _, *place: write(model, *place))
    monkeypatch.setattr("baselines.record.count_tflite_kernels", lambda _: {})
    monkeypatch.setattr("baselines.record.measure_memory", lambda paths: [None for _ in paths])


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


PRUNE = ["--epochs", 1, "--int8-epochs", 2, "--batch-size", 48]
CHANNELS = ["--keep", 0.5, "--reconstruct", "false", "--epochs", 2, "--batch-size", 48]


@pytest.mark.parametrize(
    ("command", "whole", "words", "owner", "name", "epochs", "made"),
    [
        (
            "prune",
            ["--sparsity", 0.5, 0.75, *PRUNE],
            ["--sparsity", 0.75, *PRUNE],
            quantization.finetune,
            "write_state",
            2,  # the training in 8 bits is interrupted; the pruning before it is kept
            "sparsity_75/student",
        ),
        ("channels", CHANNELS, CHANNELS, training.checkpoint.Checkpoint, "on_epoch_end", 1, "keep_50/model"),
    ],
)
def test_the_same_command_goes_on_and_ends_with_the_same_bits(
    run, tmp_path, monkeypatch, command, whole, words, owner, name, epochs, made
):
    assert call(run, command, tmp_path / "whole", *whole) == 0
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        dies_after(patch, owner, name, epochs)
        with pytest.raises(Interrupted):
            call(run, command, out, *words)
    assert not out.exists()
    assert len(list((tmp_path / "out.unfinished").iterdir())) == epochs
    keras.utils.set_random_seed(99)
    assert call(run, command, out, *words) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "out"}
    for one, other in zip(weights(out / f"{made}.keras"), weights(tmp_path / "whole" / f"{made}.keras"), strict=True):
        np.testing.assert_array_equal(one, other)
    files = list(out.rglob("*.tflite"))
    assert len(files) == (3 if command == "prune" else 0)
    for path in files:
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


def test_states_that_a_kill_at_the_very_end_left_are_removed(run, tmp_path, capsys):
    """A state that is newer than the folder is of an interrupted --overwrite, and stays."""
    out, left = tmp_path / "out", tmp_path / "out.unfinished"
    for newer in (False, True):
        left.mkdir(exist_ok=True)
        (left / "sparsity_50-prune-0.npz").write_bytes(b"x")
        out.mkdir(exist_ok=True)
        (out / "baseline.json").write_text("{}")
        os.utime(out / "baseline.json", (0, 0) if newer else None)
        assert call(run, "prune", out, *PRUNE) == 2
        assert "exists already" in capsys.readouterr().err
        assert left.exists() == newer
