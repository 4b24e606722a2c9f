"""SonoNet: the authors' weights give the authors' network, and a teacher starts from them."""

import keras
import numpy as np
import pytest
from scipy.stats import binomtest
from skimage.io import imread
from skimage.transform import resize

import models
from benchmarks import sononet as sononet_benchmark
from common.errors import InputError
from evaluation.artefacts import Metadata
from models.preprocess import Standardise
from models.registry import create, outline
from models.sononet_weights import AUTHORS_CLASSES, authors_network, read_sononet_npz
from tests.models.sononet_file import forward, made_up, write
from tests.models.zoo import count

FRAME = (32, 48, 1)
# The file name of an example screen → its class.
EXAMPLES = {"ABDOMINAL": "Abdominal", "BRAIN-CB": "Brain (Cb.)", "FEMUR": "Femur", "4CH": "4CH", "LVOT": "LVOT"}
EXAMPLES |= {"SPINE-SAGITTAL": "Spine (sag.)"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    arrays = made_up()
    return arrays, write(tmp_path_factory.mktemp("sononet") / "SonoNet16.npz", arrays)


def frames(count=3, seed=1):
    """Coarse random pictures: pure noise would look alike to a network that averages over the grid."""
    cells = np.random.default_rng(seed).random((count, FRAME[0] // 8, FRAME[1] // 8)) ** 2
    return np.kron(cells, np.ones((8, 8)))[..., None].astype(np.float32)


def test_the_authors_network_is_what_numpy_computes_from_the_file(made):
    arrays, path = made
    wanted = np.stack([forward(arrays, frame[..., 0]) for frame in frames()])
    given = authors_network(path, FRAME)(frames(), training=False).numpy()
    assert wanted.std(axis=0).min() > 5e-4  # the frames do differ in what they give
    np.testing.assert_allclose(given, wanted, atol=1e-5 * abs(wanted).max())


def test_the_variance_is_exact_where_it_is_large(made):
    """A first layer on standardised frames has variances of thousands; ε must not be lost in float32."""
    arrays, path = made
    norm = authors_network(path, FRAME).get_layer("conv1_1_bn")
    inverse = 1 / np.sqrt(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon)
    np.testing.assert_allclose(inverse, arrays[4], rtol=1e-6)


def test_a_teacher_starts_from_the_file_with_a_head_of_its_own(made):
    _, path = made
    model = create("sononet_16", FRAME, 4, fusion="none", dropout=0.0)
    head = model.get_layer("classes_conv").get_weights()
    line = models.load_pretrained(model, "sononet_16", path)
    assert line.endswith("new: classes_conv")
    given, published = (
        keras.Model(m.input, m.get_layer("stride16").output) for m in (model, authors_network(path, FRAME))
    )
    np.testing.assert_array_equal(given(frames(), training=False), published(frames(), training=False))
    for now, then in zip(model.get_layer("classes_conv").get_weights(), head):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("fusion", ["early", "concat"])
def test_with_early_gaze_or_concatenated_gaze_it_starts_as_the_network_without(made, fusion):
    _, path = made
    outputs = []
    for option in ("none", fusion):
        keras.utils.set_random_seed(0)
        model = create("sononet_16", FRAME, 4, fusion=option)
        models.load_pretrained(model, "sononet_16", path)
        model.get_layer("classes_conv").bias.assign([0.1, 0.2, 0.3, 0.4])
        model = keras.Model(model.input, model.get_layer("stride16").output)
        gaze = np.zeros((3, 4, 6), np.float32)
        gaze[:, 1, 2] = 1
        outputs.append(model(frames() if option == "none" else [frames(), gaze], training=False).numpy())
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5 * abs(outputs[0]).max())


def test_standardising_forgets_gain_and_offset_and_bears_a_constant_frame():
    layer = Standardise()
    given = layer(frames()).numpy()
    np.testing.assert_allclose(given.mean(axis=(1, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(given.std(axis=(1, 2, 3)), 255, rtol=1e-5)
    np.testing.assert_allclose(layer(0.5 * frames() + 0.2).numpy(), given, atol=1e-2)
    np.testing.assert_array_equal(layer(np.full((1, *FRAME), 0.5, np.float32)), 0)


def test_the_standardising_is_inside_every_export(made, tmp_path):
    """Whatever is deployed takes frames in [0, 1] and gives the teacher's own probabilities."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from quantization.saved_model import export_saved_model
    from quantization.tflite import export_float_tflite

    model = create("sononet_16", FRAME, 3, fusion="none", width=0.5)
    wanted = keras.ops.softmax(model(frames(), training=False)).numpy()
    metadata = Metadata("sononet_16", ("a", "b", "c"), FRAME[:2], "probabilities", "teacher")
    export_saved_model(model, tmp_path / "saved", metadata)
    export_float_tflite(model, tmp_path / "t.tflite", metadata)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.serve(tf.constant(frames()))["probabilities"], wanted, atol=1e-5)
    interpreter = Interpreter(str(tmp_path / "t.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frames()[:1])
    interpreter.invoke()
    given = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(given, wanted[:1], atol=1e-5)


@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda a: a.pop(), r"holds 74 arrays, without arr_74, expected 75"),
        (lambda a: a.append(a[0]), r"holds 76 arrays, with arr_75 besides"),
        (lambda a: a.__setitem__(5, a[5][:, :8]), r"arr_5 \(kernel of conv1_2\): has shape \(16, 8, 3, 3\).*\(16, 16"),
        (lambda a: a.__setitem__(7, a[7][:3]), r"arr_7 \(gamma of conv1_2\): has shape \(3,\).*expected \(16,\)"),
        (lambda a: a.__setitem__(65, a[65][:3]), r"arr_65 \(kernel of adaptation\)"),
        (lambda a: a[6].__setitem__(2, np.nan), r"arr_6 \(beta of conv1_2\): holds values that are not finite"),
        (lambda a: a[9].__setitem__(2, 0), r"arr_9 \(inverse standard .*: holds values of at most 0"),
        (lambda a: a.__setitem__(0, a[0][0]), r"arr_0 \(kernel of conv1_1\)"),
    ],
)
def test_a_file_that_is_not_the_authors_is_refused_by_array(tmp_path, harm, message):
    arrays = made_up()
    harm(arrays)
    with pytest.raises(InputError, match=rf"bad\.npz.*{message}"):
        read_sononet_npz(write(tmp_path / "bad.npz", arrays))


def test_what_is_no_npz_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz: there is no such file"):
        read_sononet_npz(tmp_path / "none.npz")
    for content in (b"", b"PK\x03\x04 broken", b"text"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.npz: is no readable \.npz"):
            read_sononet_npz(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("sononet_32", {}, r"arr_0: has 16 filters, .*sononet_32 .* has 32: choose sononet_16"),
        ("sononet_16", {"width": 0.5}, r"at width 0\.5 has 8"),
        ("sononet_16", {"standardise": False}, "standardise false: leave that option out"),
        ("sononet_8", {"width": 2.0}, r"the model is sononet_8: choose sononet_16"),
        ("vgg16", {}, r"the model is vgg16: choose sononet_16"),
    ],
)
def test_what_can_not_start_from_the_file_is_said_before_it_is_built(made, name, options, message):
    with pytest.raises(InputError, match=message):
        models.check_pretrained(name, made[1], options)


def test_a_model_of_another_size_is_left_as_it_was(made):
    model = create("sononet_16", FRAME, 3, width=0.5)
    before = model.get_weights()
    with pytest.raises(InputError, match=r"SonoNet16\.npz: arr_0 has shape 3×3×1×16, .* wants shape 3×3×1×8"):
        models.load_pretrained(model, "sononet_16", made[1])
    for now, then in zip(model.get_weights(), before):
        np.testing.assert_array_equal(now, then)


def test_the_numbers_of_parameters_follow_the_paper_layout():
    filters, total, before = 16, 0, 1
    for shape in [array.shape for array in made_up(filters, 14)[::5]]:
        total += int(np.prod(shape)) + (4 * shape[0] if shape[0] != 14 else 14)
        before = shape[0]
    assert before == 14 and count("sononet_16", (224, 288, 1), 14, fusion="none") == total


def test_the_first_layer_of_a_student_has_its_filters():
    assert outline("sononet_4", (64, 64, 1), 4).get_layer("conv1_1_conv").filters == 4


def test_all_example_screens_are_right(sononet_dir):
    model = authors_network(sononet_dir / "SonoNet16.npz")
    files = sorted((sononet_dir / "examples").glob("*.png"))
    assert len(files) == 6
    for file in files:
        screen = imread(file)[115:734, 81:874, :3].astype(np.float64)
        frame = resize(screen, (224, 288), order=1, mode="reflect", anti_aliasing=False).mean(axis=-1) / 255
        logits = model(frame[None, ..., None].astype(np.float32), training=False).numpy()[0]
        assert AUTHORS_CLASSES[logits.argmax()] == EXAMPLES[file.stem.upper()], file.name
        assert np.exp(logits.max() - np.logaddexp.reduce(logits)) > 0.85, file.name


@pytest.mark.parametrize(
    "every, images, right",
    [(10, 76, 71), pytest.param(1, 750, 694, marks=pytest.mark.whole)],
    ids=["every tenth image of each class", "all"],
)
def test_untrained_it_classifies_another_hospitals_images(sononet_dir, fetal_planes_dir, every, images, right):
    """Measured before, with another port: 0.925 of the 750 official test images of the subset.

    Of every tenth image of each class 0.934 are right. Nothing is random here; a tie of two classes may go
    the other way on another machine, in one image of 150 or fewer.
    """
    summed, planes = sononet_benchmark.classify(sononet_dir / "SonoNet16.npz", fetal_planes_dir, every)
    found = np.sum(summed.argmax(axis=-1) == planes)
    if len(planes) == images:
        assert abs(found - right) <= max(1, images / 150)
    else:  # another selection of the data set: as good, at the level of 0.001
        assert binomtest(int(found), len(planes), 0.925, "less").pvalue > 1e-3
