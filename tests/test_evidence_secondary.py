"""What the pages say of the secondary tables: all labels, and a phantom without rivals."""

import re

from studies.statistics import holm, paired_difference
from studies.stored import read_stored
from tests.evidence_pages import PAGE, README, ROOT, of_five_seeds


def test_what_the_pages_say_of_all_labels():
    page, readme = " ".join(PAGE.split()), " ".join(README.split())
    stored = read_stored(ROOT / "studies" / "results" / "patients_156")
    arms = ("image", "alone", "shuffled")
    gaps = {arm: paired_difference(stored.counts("whole"), stored.counts(arm)) for arm in arms}
    p = holm({arm: gap.p_of_claim() for arm, gap in gaps.items()})
    assert min(p.values()) > 0.05 and max(gaps["image"].high, gaps["alone"].high) < 0.03
    means = {arm: f"{of_five_seeds(arm, 'patients_156').mean():.3f}" for arm in ("whole", "image")}
    said = re.search(r"[*]{2}All 156 patients labelled: .*? [*]{2}Which part", page)[0]
    assert f"right in {means['whole']}: {100 * gaps['image'].mean:.1f}" in said
    assert f"students have {means['whole']} and {means['image']}." in said
    for gap, where in zip(gaps.values(), ("more than the student of", "more than the student alone", "more than with")):
        low = f"{100 * gap.low:.1f}".replace("-", "−")
        assert re.search(
            rf"{100 * gap.mean:.1f} (percentage points )?{where}[^(]*[(]{low} to {100 * gap.high:.1f}", said
        )
    assert f"p {p['alone']:.2f} after Holm" in said
    ahead = "{:.1f}, {:.1f} and {:.1f}".format(*(100 * gaps[arm].mean for arm in ("image", "shuffled", "alone")))
    assert f"With all 156 labelled {ahead}: not distinguishable from 0" in readme


def test_what_the_pages_say_without_rivals():
    page, readme = " ".join(PAGE.split()), " ".join(README.split())
    stored = read_stored(ROOT / "studies" / "results" / "no_rivals_16")
    gaps = {
        arm: paired_difference(stored.counts("whole"), stored.counts(arm)) for arm in ("image", "alone", "shuffled")
    }
    p = holm({arm: gap.p_of_claim() for arm, gap in gaps.items()})
    assert p["image"] > 0.05 > max(p["alone"], p["shuffled"])
    said = re.search(r"[*]{2}No rivals: .*? [*]{2}Which part", page)[0]
    of = {
        arm: of_five_seeds(arm, "no_rivals_16")
        for arm in ("teacher_gaze", "teacher_image", "teacher_shuffled", *gaps, "whole")
    }
    assert f"right in {of['whole'].mean():.3f}: {100 * gaps['image'].mean:.1f}" in said
    assert (of["whole"] < of["image"]).sum() == 1 and "one of the five seeds has it below" in said
    for gap, where in zip(gaps.values(), ("more than the student of", "more than the student alone", "more than with")):
        assert re.search(
            rf"{100 * gap.mean:.1f} (percentage points )?{where}[^(]*[(]{100 * gap.low:.1f} to {100 * gap.high:.1f}",
            said,
        )
    assert f"p {p['image']:.2f} after Holm" in said and f"p {p['alone']:.3f}) and" in said
    gains = [
        100 * (of_five_seeds("teacher_gaze", table) - of_five_seeds("teacher_image", table)).mean()
        for table in ("no_rivals_16", "patients_16")
    ]
    assert "gain by gaze is {:.1f} here and {:.1f} with rivals".format(*gains) in said
    more = [100 * (mean.mean() - of_five_seeds(arm).mean()) for arm, mean in of.items()]
    assert len(more) == 7 and f"than with rivals, by {min(more):.1f} to {max(more):.1f}" in said
    image, shuffled, alone = (f"{100 * gaps[arm].mean:.1f}" for arm in ("image", "shuffled", "alone"))
    assert f"tell the class, {image} (p {p['image']:.2f} after Holm), {shuffled} and {alone}. **With" in readme
