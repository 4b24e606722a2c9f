"""Pruning, clustering, and both in 8 bits: the zeros and values that TF-MOT leaves are counted in the result."""

import gzip
import itertools
import math
import shutil
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from common.errors import InputError
from evaluation.artefacts import Metadata, read_metadata
from models.finite import Diverged
from quantization.cluster import cluster
from quantization.finetune import fine_tune
from quantization.footprint import count_kernels, count_tflite_kernels, gzipped_bytes, sparsity, tflite_kernels
from quantization.legacy_copy import build_legacy_copy
from quantization.preserve import quantize_preserving
from quantization.prune import prune, schedule_of
from quantization.qat import quantize
from quantization.tflite import export_dynamic_range, export_float16, export_float_tflite, export_int8
from tests.quantization import blobs, small
from tests.quantization.interpret import probabilities, run_tflite

METADATA = Metadata(small.NAME, blobs.CLASSES, blobs.SIZE, "logits", "student", dataset_checksum="abc")
FRAMES = [blobs.frames(64, seed=3)[0].astype(np.float32) / 255]


@pytest.fixture(scope="module")
def student(trained):
    return trained.student


@pytest.fixture(scope="module")
def pruned(student):
    return prune(student, small.NAME, {}, 0.8, small.tuning(student, 60))


@pytest.fixture(scope="module")
def clustered(student):
    return cluster(student, small.NAME, {}, 8, small.tuning(student))


@pytest.fixture(scope="module")
def both(pruned):
    return cluster(pruned, small.NAME, {}, 8, small.tuning(pruned), keep_sparsity=True)


@pytest.mark.parametrize(("target", "steps"), [(0.5, 1), (0.9, 7)])
def test_every_kernel_reaches_the_target_however_few_the_steps(student, target, steps, eagerly):
    before = [weight.copy() for weight in student.get_weights()]
    result = prune(student, small.NAME, {}, target, small.tuning(student, steps))
    for name, kernel in small.kernels(result).items():
        assert np.count_nonzero(kernel) == round((1 - target) * kernel.size), name
    assert np.all(result.get_layer("depth_conv").get_weights()[0] != 0)
    for now, then in zip(student.get_weights(), before):
        np.testing.assert_array_equal(now, then)


def test_zeros_grow_by_a_cubic_polynomial_and_reach_the_target(student):
    """s·(1 − (1 − t/T)³) of Zhu and Gupta 2017, here with T at 60 % of the steps, whatever their number."""
    for steps in (1, 7, 50, 333):
        schedule, end = schedule_of(0.8, steps)
        assert abs(end - 0.6 * steps) <= 0.5 + 0.012 * steps
        # TF-MOT counts from 1; its last update is the one that reaches the target.
        updates = [(step, *schedule(tf.constant(step))) for step in range(1, end + 1) if schedule(tf.constant(step))[0]]
        assert float(updates[-1][2]) == pytest.approx(0.8) and updates[-1][0] == end
        for step, _, share in updates:
            assert float(share) == pytest.approx(0.8 * (1 - (1 - step / end) ** 3), abs=1e-5)


def test_the_largest_weights_stay(student, eagerly):
    result = prune(student, small.NAME, {}, 0.75, small.tuning(student, 1, learning_rate=1e-12))
    for (name, was), now in zip(small.kernels(student).items(), small.kernels(result).values()):
        threshold = np.sort(np.abs(was).ravel())[-round(0.25 * was.size)]
        np.testing.assert_allclose(now, np.where(np.abs(was) >= threshold, was, 0), atol=1e-6, err_msg=name)


def test_pruned_and_clustered_students_still_answer_right(student, pruned, clustered, both):
    assert small.accuracy(student) > 0.95, "the task was not learned: nothing is tested"
    for model in (pruned, clustered, both):
        assert small.accuracy(model) > 0.9
        assert [layer.name for layer in model.layers] == [layer.name for layer in student.layers]


def test_each_kernel_has_as_many_values_as_clusters(student, clustered):
    for name, kernel in small.kernels(clustered).items():
        assert 1 < len(np.unique(kernel)) <= 8 < len(np.unique(small.kernels(student)[name])), name
    assert len(np.unique(clustered.get_layer("depth_conv").get_weights()[0])) > 8


def test_clustering_leaves_zeros_where_they_were(pruned, both):
    for name, kernel in small.kernels(both).items():
        np.testing.assert_array_equal(kernel == 0, small.kernels(pruned)[name] == 0, err_msg=name)
        assert len(np.unique(kernel)) <= 8


def test_a_kernel_of_few_weights_is_left_as_it_is(pruned, eagerly):
    # 96 weights, 19 of them not 0: fewer than there would be clusters.
    result = cluster(pruned, small.NAME, {}, 32, small.tuning(pruned, 3), keep_sparsity=True)
    np.testing.assert_array_equal(small.kernels(result)["point_conv"], small.kernels(pruned)["point_conv"])
    assert len(np.unique(small.kernels(result)["stem_conv"])) <= 32


@pytest.mark.parametrize(("sparse", "clustered"), [(True, False), (False, True), (True, True)])
def test_a_student_that_standardises_its_frames_is_quantized_too(sparse, clustered, eagerly):
    options = {"width": 0.25, "standardise": True}
    keras.utils.set_random_seed(0)
    model = models.create("sononet_4", (*blobs.SIZE, 1), 4, **options)
    kept = {"sparse": sparse, "clustered": clustered, "calibration": FRAMES, "training": small.tuning(model, 1)}
    result = quantize_preserving(model, "sononet_4", options, **kept)
    images = blobs.frames(16, seed=4)[0]
    wanted, given = (probabilities(each, images) for each in (model, result.model))
    assert np.corrcoef(wanted.ravel(), given.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("kind", ["PQAT", "CQAT", "PCQAT"])
def test_zeros_and_clusters_survive_the_training_in_8_bits(request, kind, tmp_path):
    model = request.getfixturevalue({"PQAT": "pruned", "CQAT": "clustered", "PCQAT": "both"}[kind])
    result = quantize_preserving(
        model,
        small.NAME,
        {},
        sparse="P" in kind,
        clustered="C" in kind,
        calibration=FRAMES,
        training=small.tuning(model, 20, freeze_batch_norm_from=0.5),
    )
    path = tmp_path / "student_int8.tflite"
    export_int8(result, path, METADATA)
    kernels = {name.split("/")[0].removeprefix("quant_"): kernel for name, kernel in tflite_kernels(path).items()}
    assert set(kernels) == set(small.KERNELS)
    for name, was in small.kernels(model).items():
        now = np.moveaxis(kernels[name], 0, -1).reshape(was.shape)
        assert now.dtype == np.int8
        if "P" in kind:
            assert np.all(now[was == 0] == 0), name
        if "C" in kind:
            assert max(len(np.unique(channel)) for channel in now.reshape(-1, now.shape[-1]).T) <= 8, name
    images, labels = blobs.frames(200, seed=11)
    given, wanted = run_tflite(path, images), probabilities(result.model, images)
    assert (given.argmax(-1) == wanted.argmax(-1)).mean() >= 0.98
    assert (given.argmax(-1) == labels).mean() > 0.9
    # It was trained, not only converted.
    assert any(not np.array_equal(a, b) for a, b in zip(_norms(model), _norms(result.model)))


def _norms(model):
    layers = [getattr(layer, "layer", layer) for layer in model.layers]
    return [keras.ops.convert_to_numpy(n.gamma) for n in layers if type(n).__name__ == "BatchNormalization"]


def test_training_in_8_bits_that_keeps_nothing_loses_the_zeros(pruned, eagerly):
    """The control: without the mask the same steps fill the zeros."""
    plain = quantize(pruned, small.NAME, {}, FRAMES)
    fine_tune(plain.model, small.tuning(pruned, 5), "control")
    kernel = plain.model.get_layer("quant_stem_conv")._weight_vars[0][0].numpy()
    assert np.mean(kernel == 0) < 0.5 < np.mean(small.kernels(pruned)["stem_conv"] == 0)


def test_a_teacher_is_followed_and_each_part_is_logged(student, eagerly):
    copy = build_legacy_copy(student, small.NAME, {})
    history = fine_tune(copy, small.tuning(student, 4, teacher=student, steps_per_epoch=2), "following")
    assert len(history) == 2
    for row in history:
        terms = ("hard", "soft", "gaze", "attention")
        assert {"loss", *terms, "regularisation", "accuracy", "agreement", "learning_rate"} == set(row)
        # Progress 1: attention at a tenth, the rest at its full weight.
        total = 0.3 * row["hard"] + 0.7 * row["soft"] + 0.3 * row["gaze"] + 0.1 * row["attention"]
        assert row["loss"] == pytest.approx(total, rel=1e-5)
    assert history[1]["learning_rate"] < history[0]["learning_rate"]


def test_what_is_not_finite_stops_with_the_step_and_the_part(student, eagerly):
    def spoil(step, batch):
        features, label, weight = batch
        return features, label, tf.where(step == 1, np.nan, weight)

    tuning = small.tuning(student, 4, batches=lambda skip: blobs.batches().enumerate().map(spoil))
    with pytest.raises(
        Diverged, match=r"pruning to 50 %, step 2: hard is nan.*: lower the learning rate \(now 0\.002\)"
    ):
        prune(student, small.NAME, {}, 0.5, tuning)


def test_counts_of_a_file_are_those_of_its_kernels(pruned, tmp_path):
    path = tmp_path / "student.tflite"
    export_float_tflite(pruned, path, METADATA)
    of_model, of_file = count_kernels(pruned), count_tflite_kernels(path)
    assert [k.weights for k in of_model.values()] == [512, 96, 288]
    assert sorted((k.weights, k.zeros) for k in of_file.values()) == sorted(
        (k.weights, k.zeros) for k in of_model.values()
    )
    assert sparsity(of_model) == pytest.approx(sum(round(0.8 * n) for n in (512, 96, 288)) / 896, abs=1e-3)
    kernel = small.kernels(pruned)["logits"]
    assert of_model["logits"].distinct == len({float(value) for value in kernel.ravel()})
    assert of_model["logits"].distinct_per_channel == max(len(set(column)) for column in kernel.T.tolist())
    if shutil.which("gzip"):
        packed = subprocess.run(["gzip", "-9", "-n", "-c", str(path)], capture_output=True, check=True).stdout
        # The same format by another program: within a percent, as their matches may differ.
        assert gzipped_bytes(path) == pytest.approx(len(packed), rel=0.01)
        assert gzip.decompress(packed) == path.read_bytes()


def test_a_sparse_file_is_smaller_and_says_the_same(pruned, tmp_path):
    images = blobs.frames(20, seed=5)[0]
    dense, sparse = tmp_path / "dense.tflite", tmp_path / "sparse.tflite"
    assert export_float_tflite(pruned, sparse, METADATA, sparse=True) < export_float_tflite(pruned, dense, METADATA)
    np.testing.assert_array_equal(run_tflite(sparse, images), run_tflite(dense, images))


@pytest.mark.parametrize(("export", "tolerance"), [(export_dynamic_range, 0.05), (export_float16, 5e-3)])
def test_what_is_quantized_after_training_agrees_with_the_float_student(student, export, tolerance, tmp_path):
    images = blobs.frames(40, seed=5)[0]
    path = tmp_path / "student.tflite"
    assert export(student, path, METADATA) == path.stat().st_size
    given, wanted = run_tflite(path, images), probabilities(student, images)
    assert given.dtype == np.float32
    assert 0 < abs(given - wanted).max() < tolerance
    found = read_metadata(path)
    assert found.output == "probabilities" and found.extra["tensors"]["input"]["dtype"] == "float32"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: prune(s, small.NAME, {}, 1.0, small.tuning(s)), r"^sparsity must be in \(0, 1\), not 1.0$"),
        (lambda s: cluster(s, small.NAME, {}, 2, small.tuning(s)), r"^clusters must be at least 3 .*, not 2$"),
        (lambda s: small.tuning(s, 0), r"^steps and steps_per_epoch must be at least 1, not 0 and 0$"),
        (lambda s: small.tuning(s, learning_rate=math.inf), "^learning_rate must be above 0, not inf$"),
        (
            lambda s: quantize_preserving(
                s, small.NAME, {}, sparse=False, clustered=False, calibration=FRAMES, training=small.tuning(s)
            ),
            "nothing is to be kept",
        ),
    ],
)
def test_what_cannot_be_is_named(student, call, message):
    with pytest.raises(InputError, match=message):
        call(student)


def test_counting_distinct_values_by_channel():
    frame = keras.Input((4, 4, 1), name="frame")
    model = keras.Model(frame, keras.layers.Conv2D(2, 2, use_bias=False, name="conv")(frame))
    values = itertools.cycle([0.0, 1.0, 0.0, 2.0, 0.0, 1.0])
    model.get_layer("conv").kernel.assign(np.array([next(values) for _ in range(8)], np.float32).reshape(2, 2, 1, 2))
    (kernel,) = count_kernels(model).values()
    # Channel 0 is 0 0 0 0, channel 1 is 1 2 1 1.
    assert (kernel.weights, kernel.zeros, kernel.distinct, kernel.distinct_per_channel) == (8, 4, 3, 2)


def test_pruning_and_clustering_do_not_depend_on_what_the_process_did_before(student, clustered):
    keras.utils.set_random_seed(99)
    prune(student, small.NAME, {}, 0.5, small.tuning(student, 2))
    again = cluster(student, small.NAME, {}, 8, small.tuning(student))
    for one, other in zip(clustered.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(one, other)
