"""The evidence page's numbers follow from the stored predictions, by numpy alone."""

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data.gaze.read import read_gaze
from studies.evidence import lost_shares
from studies.statistics import holm, paired_difference
from studies.stored import read_stored
from tests.evidence_pages import FOLDERS, PAGE, README, ROOT, TRAINING_PAGE, accuracies, of_five_seeds, table
from tests.pages import block as snippet_of


def of_folds(folder):
    return "fold_of" in (index := json.loads((folder / "study.json").read_text(encoding="utf-8"))) and index["fold_of"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_table_gives_the_accuracy_that_was_measured(folder):
    trainings = json.loads((folder / "study.json").read_text(encoding="utf-8"))["trainings"]
    label = pd.read_csv(folder / "frames.csv.bz2")["label"].to_numpy() if trainings else None
    for name, training in trainings.items():
        right = pd.read_csv(folder / f"{name}.csv.bz2").to_numpy().argmax(axis=1) == label
        assert right[label >= 0].mean() == pytest.approx(training["accuracy"], abs=1e-12), name


@pytest.mark.parametrize("folder", [each for each in FOLDERS if not of_folds(each)], ids=lambda folder: folder.name)
def test_three_numbers_of_the_page_are_those_of_the_tables(folder):
    index = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    page = TRAINING_PAGE if folder.parent.name == "equivalence" else PAGE
    block = re.search(rf"<!-- results: {re.escape(folder.name)} -->(.*?)<!-- end of results -->", page, re.DOTALL)[1]
    ran = [arm for arm in index["arms"] if any(name.startswith(f"{arm}.s") for name in index["trainings"])]
    for arm in ran[:3]:
        values = np.array([value for _, value in sorted(accuracies(folder, arm).items())])
        spread = f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" if len(values) > 1 else f"{values.mean():.3f} (one"
        about = index["arms"][arm]
        compared = index["claims"] or index["described"]
        named = about["model"] if compared else f"{about['model']}, {about['transfer'] or 'labels alone'}"
        line = next(line for line in block.splitlines() if line.startswith(f"| {named} |"))
        assert f"| {len(values)} | {spread}" in line
    assert not ran or len(table(folder / "frames.csv.bz2")) > 0


def test_the_areas_of_the_folds_are_those_of_the_tables():
    folds = [each for each in FOLDERS if of_folds(each) == "polyps"]
    assert len(folds) == 5
    block = re.search(r"<!-- results: polyps -->(.*?)<!-- end of results -->", PAGE, re.DOTALL)[1]
    index = json.loads((folds[0] / "study.json").read_text(encoding="utf-8"))
    for arm in [name for name in index["arms"] if list(folds[0].glob(f"{name}.s0.csv.bz2"))][:3]:
        areas = []
        for folder in folds:
            label = np.array([row["label"] for row in table(folder / "frames.csv.bz2")]).astype(int)
            classes = json.loads((folder / "study.json").read_text(encoding="utf-8"))["classes"]
            rows = table(folder / f"{arm}.s0.csv.bz2")
            score = np.array([float(row["p_sessile"]) for row in rows])
            pairs = np.subtract.outer(
                score[label == classes.index("sessile")], score[label != classes.index("sessile")]
            )
            areas.append((np.sum(pairs > 0) + np.sum(pairs == 0) / 2) / pairs.size)
        line = next(line for line in block.splitlines() if line.startswith(f"| {index['arms'][arm]['model']} |"))
        if line.split("|")[2].strip() == "5":
            assert f"| {np.mean(areas):.3f} ± {np.std(areas, ddof=1):.3f} |" in line


def test_the_accuracies_of_the_scanners_are_those_of_the_tables():
    folds = [each for each in FOLDERS if of_folds(each) == "scanners"]
    block = re.search(r"<!-- results: scanners -->(.*?)<!-- end of results -->", PAGE, re.DOTALL)[1]
    index = json.loads((folds[0] / "study.json").read_text(encoding="utf-8"))
    assert len(folds) == 3
    for arm in (
        "today",
        "varied",
        "today_long",
        "standardised",
        "today_blanked",
        "varied_long",
        "teacher_today",
        "sononet_today",
        "sononet_4_today",
        "teacher_varied",
        "sononet_varied",
    ):
        found = [np.mean(list(accuracies(folder, arm).values())) for folder in folds if accuracies(folder, arm)]
        line = next(line for line in block.splitlines() if line.startswith(f"| {index['arms'][arm]['model']} |"))
        each = line.split("|")[-2].replace("not run", "").split()
        assert each == [f"{value:.3f}" for value in found]
        seeds = set.intersection(*(set(accuracies(folder, arm)) for folder in folds))
        repeated = [np.mean([accuracies(folder, arm)[seed] for folder in folds]) for seed in sorted(seeds)]
        spread = f"± {np.std(repeated, ddof=1):.3f}" if len(repeated) > 1 else "(one training)"
        assert len(found) < len(folds) or f"| {np.mean(found):.3f} {spread} |" in line


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("sononet_today", "SonoNet-8, made as row 3 in 1,600 steps, has {}"),
        ("sononet_4_today", r"SonoNet-4 \(75 KB\) {}"),
        ("today_long", r"SqueezeNet 1\.1 from labels alone, at as many steps, {}"),
    ],
)
def test_the_readme_says_what_the_tables_say_of_the_scanners(arm, said):
    folds = [accuracies(folder, arm) for folder in FOLDERS if of_folds(folder) == "scanners"]
    assert len(folds) == 3 and all(len(each) == 5 for each in folds)
    mean = f"{np.mean([np.mean(list(each.values())) for each in folds]):.3f}"
    begin = r"On scanners left out of it \(mean of three, five seeds\) .*"
    assert re.search(begin + said.format(mean), " ".join(README.split()))


def test_what_the_pages_say_of_all_frames_of_the_scanners_and_of_their_seeds():
    folders = [folder for folder in FOLDERS if of_folds(folder) == "scanners"]
    frames = [len(table(folder / "frames.csv.bz2")) for folder in folders]
    page = " ".join(PAGE.split())
    assert "Aloka {}, Voluson E6 {}, other machines {}.".format(*frames) in page
    arms = ("sononet_today", "sononet_4_today", "today", "today_long")
    alike = [
        np.average([np.mean(list(accuracies(folder, arm).values())) for folder in folders], weights=frames)
        for arm in arms
    ]
    said = (
        "SonoNet-8 is right in {:.3f}, SonoNet-4 in {:.3f}, and the baseline recipe in {:.3f}, at 1,600 steps in {:.3f}"
    )
    assert f"Over all {sum(frames)} frames alike {said.format(*alike)}" in page
    deviations = []
    for arm in json.loads((folders[0] / "study.json").read_text(encoding="utf-8"))["arms"]:
        folds = [accuracies(folder, arm) for folder in folders]
        if all(len(each) == 5 for each in folds):
            deviations.append(np.std([np.mean([each[seed] for each in folds]) for seed in range(5)], ddof=1))
    said = f"and {100 * min(deviations):.1f} to {100 * max(deviations):.1f} on scanners left out."
    assert len(deviations) >= 5 and said in " ".join(README.split())


def test_the_differences_of_the_summary_are_those_of_the_tables():
    summary = PAGE.partition("## In short")[2].partition("\n## ")[0]
    tables = re.findall(r"<!-- results: .*?<!-- end of results -->", PAGE, re.DOTALL)
    found = re.findall(r"([+−][\d.]+) \(([−\d.]+) to ([\d.]+)\)", summary)
    assert len(found) >= 11
    for difference, low, high in found:
        low, difference = low.replace("−", "-"), difference.replace("−", "-")
        row = f"| {difference} | {low if low.startswith('-') else '+' + low} to +{high} |"
        assert any(row in block for block in tables), row


def test_the_manifests_of_the_folds_test_each_image_once(tmp_path, monkeypatch):
    if "GAZE_POLYPS_DIR" not in os.environ:
        pytest.skip("the polyps' images and fixations: GAZE_POLYPS_DIR is not set")
    source = Path(os.environ["GAZE_POLYPS_DIR"]).resolve()
    monkeypatch.setenv("GAZE_POLYPS_DIR", str(source))
    (tmp_path / "studies").symlink_to(ROOT / "studies")
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet_of("polyps", "python"), "evidence.md", "exec"), {})
    tested = []
    for file in sorted(Path("datasets/polyps_manifests").glob("fold_*.csv")):
        rows = list(csv.DictReader(file.open(encoding="utf-8")))
        assert len({row["recording_id"] for row in rows}) == len(rows) == 998
        assert all((file.parent / row["video"]).is_file() and (file.parent / row["gaze"]).is_file() for row in rows)
        tested += [row["recording_id"] for row in rows if row["split"] == "test"]
        validation = [row["label"] for row in rows if row["split"] == "val"]
        assert len(validation) == 80 and 15 <= validation.count("sessile") <= 16
    assert len(tested) == len(set(tested)) == 998
    labels = pd.read_csv(source / "images.csv").set_index("image")
    manifest = pd.read_csv("datasets/polyps_manifests/fold_3.csv").set_index("recording_id")
    assert (manifest["label"] == labels["label"]).all()
    assert ((manifest["split"] == "test") == (labels["fold"] == 3)).all()


def test_the_manifests_take_the_tables_as_their_authors_publish_them(tmp_path, monkeypatch):
    monkeypatch.setenv("GAZE_POLYPS_DIR", str(tmp_path / "set"))
    (tmp_path / "studies").symlink_to(ROOT / "studies")
    monkeypatch.chdir(tmp_path)
    Path("set").mkdir()
    name = "cju0qkwl35piu0993l0dewei2"
    Path("set/kvasir_fixation.csv").write_text(
        "IMAGE,CURRENT_FIX_START,CURRENT_FIX_DURATION,CURRENT_FIX_X,CURRENT_FIX_Y\n"
        f"{name}.jpg,7,455,0.4826,0.4542\nother.jpg,512,181,0.237,0.4764\n"
    )
    exec(compile(snippet_of("polyps", "python"), "evidence.md", "exec"), {})
    manifest = pd.read_csv("datasets/polyps_manifests/fold_0.csv").set_index("recording_id")
    row = manifest.loc[name]
    gaze = read_gaze(Path("datasets/polyps_manifests") / row["gaze"], gaze_recording=row["gaze_recording"])
    assert row["label"] == "other" and row["split"] == "test" and set(gaze.x) == {0.4826}


def test_stored_results_stay_small():
    assert sum(file.stat().st_size for file in (ROOT / "studies" / "results").glob("**/*") if file.is_file()) < 5 << 20


README_ROWS = {  # arm: how its row begins
    "whole": "the whole method: a teacher with gaze",
    "image": "distilled from a teacher that never saw gaze",
    "shuffled": "the whole method with the gaze of other recordings",
    "alone": "alone",
}


@pytest.mark.parametrize("arm", README_ROWS)
def test_the_readme_says_what_the_tables_say_of_gaze(arm):
    row = re.search(rf"^\| {re.escape(README_ROWS[arm])}[^|]*\| (0\.\d+) [^|]*\| ([\d.]*)", README, re.MULTILINE)
    assert float(row[1]) == pytest.approx(of_five_seeds(arm).mean(), abs=0.00051)
    if arm != "whole":
        assert float(row[2]) == pytest.approx(100 * (of_five_seeds("whole") - of_five_seeds(arm)).mean(), abs=0.051)


REAL_ROWS = {  # row of the README: arm of the study of compact students
    "SonoNet-16, fine-tuned, float: the teacher": "teacher",
    "SonoNet-8 ×0.95, channels of the teacher, distilled, 8-bit": "sononet_8_taught",
    "SonoNet-8 ×0.95, labels alone, 8-bit": "sononet_8",
    "SqueezeNet 1.1 ×0.45, distilled, 8-bit": "squeezenet_taught",
}


@pytest.mark.parametrize("row", REAL_ROWS)
def test_the_readme_says_what_the_tables_say_of_real_images(row):
    """The mean of five seeds by numpy alone, and the interval of the page's row of the same arm."""
    said = re.search(rf"^\| \**{re.escape(row)}\** \| (0\.\d+) \((0\.\d+)–(0\.\d+)\)", README, re.MULTILINE)
    assert f"{of_five_seeds(REAL_ROWS[row], 'students').mean():.3f}" == said[1]
    model = json.loads((ROOT / "studies/results/students/study.json").read_text("utf-8"))["arms"][REAL_ROWS[row]][
        "model"
    ]
    block = PAGE.partition("<!-- results: students -->")[2].partition("<!-- end")[0]
    shown = re.search(
        rf"^\| {re.escape(model)} \| 5 \| (0\.\d+) ± 0\.\d+ \| (0\.\d+) to (0\.\d+) \|", block, re.MULTILINE
    )
    assert shown.groups() == said.groups()


SINGLE_ROWS = {  # row of docs/results.md: stored training
    "SonoNet-16 | fine-tuned from the authors' weights": "sononet_16_finetuned_112",
    "SonoNet-8 ×0.95 | channels of the teacher, soft targets, attention": "sononet_8_inherited",
    "SonoNet-8 ×0.95 | none": "sononet_8_alone",
    "SqueezeNet 1.1 ×0.45 | soft targets, attention": "squeezenet_1_1_distilled",
    "SqueezeNet 1.1 ×0.45 | none": "squeezenet_1_1_alone",
    "ResNet-50, 60 epochs from scratch | none": "resnet50",
}


@pytest.mark.parametrize("row", SINGLE_ROWS)
def test_the_results_say_what_the_predictions_of_single_trainings_say(row):
    """The accuracy to its last digit, and the interval as far as two bootstraps over patients agree."""
    results = (ROOT / "docs" / "results.md").read_text(encoding="utf-8").partition("## Release 0.1.0")[0]
    said = re.search(rf"^\| {re.escape(row)} \|.*?\| (0\.\d+) \((0\.\d+)–(0\.\d+)\)", results, re.MULTILINE)
    folder = ROOT / "studies" / "results" / "fetal_planes"
    frames, rows = table(folder / "frames.csv.bz2"), table(folder / f"{SINGLE_ROWS[row]}.s0.csv.bz2")
    right = np.array([np.argmax([float(value) for value in each.values()]) for each in rows])
    right = right == np.array([int(each["label"]) for each in frames])
    assert len(right) == 750 and f"{right.mean():.3f}" == said[1]
    _, patient = np.unique([each["patient_id"] for each in frames], return_inverse=True)
    share = np.ones(patient.max() + 1) / (patient.max() + 1)
    taken = np.random.default_rng(0).multinomial(patient.max() + 1, share, 4000)
    drawn = taken @ np.bincount(patient, right) / (taken @ np.bincount(patient))
    np.testing.assert_allclose([float(said[2]), float(said[3])], np.quantile(drawn, [0.025, 0.975]), atol=0.002)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (("half_16", "patients_16", "patients_8"), "over five seeds is {} to {} percentage points"),
        (("students",), "on real images {} to {} with all labels"),
        (("simulated_gaze_10",), "{} to {} with a tenth of them"),
    ],
)
def test_the_readme_says_how_much_trainings_differ(tables, said):
    deviations = []
    for folder in (ROOT / "studies" / "results" / name for name in tables):
        arms = json.loads((folder / "study.json").read_text(encoding="utf-8"))["arms"]
        each = [list(accuracies(folder, arm).values()) for arm in arms]
        deviations += [100 * np.std(values, ddof=1) for values in each if len(values) == 5]
    assert len(deviations) >= 4
    assert said.format(f"{min(deviations):.1f}", f"{max(deviations):.1f}") in " ".join(README.split())


COMPACT = {
    "SonoNet-8": "sononet_8",
    "SonoNet-4": "sononet_4",
    "MobileNet v1": "mobilenet_v1",
    "MobileNet v2": "mobilenet_v2",
    "SqueezeNet 1.1": "squeezenet",
}


@pytest.mark.parametrize("name", COMPACT)
def test_the_readme_says_what_five_seeds_say_of_real_images(name):
    """Distilled accuracies; who gains, and that the intervals of the others hold 0."""
    readme, row = " ".join(README.split()), COMPACT[name]
    stored = read_stored(ROOT / "studies" / "results" / "students")
    base = f"{row}_channels" if row.startswith("sononet") else row  # they start as the teacher's channels
    gain = paired_difference(stored.counts(f"{row}_taught"), stored.counts(base))
    assert f"{name} ({of_five_seeds(f'{row}_taught', 'students').mean():.3f})" in readme
    if name == "MobileNet v2":
        assert gain.low > 0 and f"any student: {100 * gain.mean:.1f} percentage points" in readme
        assert f"({100 * gain.low:.1f}–{100 * gain.high:.1f}) for {name}" in readme
    else:
        assert gain.low < 0 < gain.high


def test_what_the_page_says_of_every_seed_and_of_the_place():
    whole = of_five_seeds("whole")
    assert all((whole > of_five_seeds(arm)).all() for arm in ("image", "shuffled", "alone"))
    share = (whole - of_five_seeds("shuffled")).mean() / (whole - of_five_seeds("alone")).mean()
    page = " ".join(PAGE.split())
    stored = read_stored(ROOT / "studies" / "results" / "patients_16")
    sentence = next(part for part in lost_shares(stored) if part.startswith("Of what"))
    low, high = re.search(r"(\d+) to (\d+) %", sentence).groups()
    assert f"it loses 4.5, {100 * share:.0f} % ({low} to {high} %)" in page
    tests = {arm: stats.ttest_rel(whole, of_five_seeds(arm)) for arm in ("image", "alone", "shuffled")}
    gaps = [
        f"{100 * gap.low:.1f} to {100 * gap.high:.1f}" for gap in (t.confidence_interval(0.95) for t in tests.values())
    ]
    assert f"Student's t over the five seeds alone gives {gaps[0]}, {gaps[1]} and {gaps[2]}" in page
    assert "all p are 0.005 or less after Holm" in page
    assert max(holm({arm: found.pvalue for arm, found in tests.items()}).values()) < 0.0055


def test_what_the_page_says_of_the_half_size():
    page = " ".join(PAGE.split())
    stored = read_stored(ROOT / "studies" / "results" / "half_16")
    harm = paired_difference(stored.counts("image"), stored.counts("shuffled"))
    assert f"not planned; {100 * harm.low:.1f} to {100 * harm.high:.1f})".replace("-", "−") in page
    sentence = next(part for part in lost_shares(stored) if part.startswith("Of what"))
    share, low, high = re.search(r"loses (\d+) %.*?(\d+) to (\d+) %", sentence).groups()
    assert f"Here shuffled gaze loses {share} % of the gain ({low} to {high} %)" in page
    whole, *others = (of_five_seeds(arm, "half_16") for arm in ("whole", "image", "alone", "shuffled"))
    assert all((whole > other).all() for other in others) and "Every seed has it above the three others" in page
    gap = stats.ttest_rel(whole, others[0]).confidence_interval(0.95)
    assert f"by t over the seeds {100 * gap.low:.1f} to {100 * gap.high:.1f}" in page
    p = [stats.ttest_rel(whole, other).pvalue for other in others]
    assert f"each p {3 * min(p):.3f} after Holm" in page
    assert all(abs(each - 3 * min(p)) < 5e-5 for each in holm(dict(zip("dag", p))).values())


def test_what_the_pages_say_of_eight_labelled_patients():
    page, readme = " ".join(PAGE.split()), " ".join(README.split())
    stored = read_stored(ROOT / "studies" / "results" / "patients_8")
    arms = ("image", "alone", "shuffled")
    gaps = {arm: paired_difference(stored.counts("whole"), stored.counts(arm)) for arm in arms}
    for gap, where in zip(
        gaps.values(), ("percentage points more than the student of an image-only", "more than the", "more than")
    ):
        found = f"{100 * gap.mean:.1f} {where}[^(]*[(]{100 * gap.low:.1f} to {100 * gap.high:.1f}[)]"
        assert re.search(found, page), found
    p = holm({arm: gap.p_of_claim() for arm, gap in gaps.items()})
    assert "p {:.3f}, {:.3f} and {:.3f} after Holm".format(*p.values()) in page
    whole = of_five_seeds("whole", "patients_8")
    assert f"right in {whole.mean():.3f}: 6.4" in page
    assert all((whole > of_five_seeds(arm, "patients_8")).all() for arm in arms)
    sentence = next(part for part in lost_shares(stored) if part.startswith("Of what"))
    share, low, high = re.search(r"loses (\d+) %.*?(\d+) to (\d+) %", sentence).groups()
    assert f"With 8 patients shuffled gaze loses {share} % of the gain ({low} to {high} %)" in page and int(low) > 50
    ahead = " {:.1f}, {:.1f} and {:.1f}".format(*(100 * gaps[arm].mean for arm in ("image", "shuffled", "alone")))
    assert f"with 8 labelled patients{ahead}; without rivals" in readme
    teachers = of_five_seeds("teacher_gaze", "patients_8")
    assert f"the teachers with gaze have {teachers.min():.3f} to {teachers.max():.3f}" in page


PARTS = {
    "e": "no_gaze_loss",
    "d": "image",
    "i": "image_gaze_loss",
    "f": "whole",
    "b": "gaze_loss",
    "a": "alone",
    "h": "centre",
    "c": "pretrained",
}


def test_what_the_pages_say_of_the_parts_of_the_method():
    stored = read_stored(ROOT / "studies" / "results" / "patients_16")
    found = re.findall(
        r"([\d.]+)(?: percentage points[^(]*)? \((\w) against (\w), ([−\d.]+) to ([−\d.]+)\)", " ".join(PAGE.split())
    )
    assert len(found) == 7
    said = {}
    for better, one, other, low, high in found:
        gap = paired_difference(stored.counts(PARTS[one]), stored.counts(PARTS[other]))
        said[one + other] = [float(value.replace("−", "-")) for value in (better, low, high)]
        np.testing.assert_allclose(said[one + other], np.array([gap.mean, gap.low, gap.high]) * 100, atol=0.051)
    readme = " ".join(README.split())
    for pair, where in (("ed", "in the teacher alone"), ("id", "in the student's own")):
        better, low, high = said[pair]
        assert f"{better} ({low}–{high}) {where}" in readme
    alone = of_five_seeds("gaze_alone").mean()
    assert f"The gaze map alone, without a frame, has {alone:.3f}" in " ".join(PAGE.split())
    gain, reaches = of_five_seeds("teacher_gaze") - of_five_seeds("teacher_image"), said["ed"][0]
    assert f"of its {100 * gain.mean():.1f} does" in " ".join(PAGE.split()) and reaches > 100 * gain.mean() / 3
