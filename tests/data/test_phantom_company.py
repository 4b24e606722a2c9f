"""Two parts of the fetus in view: what they show, and that nothing but the gaze tells which of two rivals is held."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_score

from data.phantom import clip as clip_module
from data.phantom import landmarks
from data.phantom.biometry import draw_fetus
from data.phantom.bodies import nothing_shown
from data.phantom.clip import CLASSES, PLANES, Clip, Session, simulate_clip
from data.phantom.difficulty import get_difficulty
from data.phantom.looks import LOOKS
from data.phantom.tracker import Screen, draw_bias

LEVEL = dataclasses.replace(get_difficulty("default"), company=1.0, rivals=0.8)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Of many fetuses, a second part beside every plane; without their frames, which take the time."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_module, "film", lambda *args, **kwargs: [np.zeros((1, 1), np.uint8)])
        for seed in range(150):
            rng = np.random.default_rng([3, seed])
            session, fetus = Session(LOOKS[seed % 4], draw_bias(rng), Screen()), draw_fetus(rng)
            size = {"frame_size": (96, 128), "fps": 2.0, "duration_s": 4.0}
            made += [simulate_clip(fetus, label, session, rng, LEVEL, **size) for label in CLASSES]
    return made


def middle(clip: Clip):
    return clip.motion.pose((clip.motion.start_s + clip.motion.end_s) / 2)


def kind_of(body) -> str:
    return next(name for name, start in (("head", "cavum"), ("abdomen", "umb"), ("femur", "fem"))
                if body.defining[0].startswith(start))  # fmt: skip


def centre(body) -> tuple[float, float]:
    """Mean place of what makes the plane, in the first body's coordinates, mm."""
    places = [landmarks.middle(solid) for solid in body.solids if solid.name in body.defining]
    return tuple(np.mean(places, axis=0))


def test_a_rival_shows_its_plane_while_the_other_is_held_and_background_shows_neither(clips):
    rivals = [clip for clip in clips if clip.rival]
    assert len(rivals) > 200
    for clip in rivals:
        for interval in clip.intervals:
            for time in np.linspace(interval.start_s, interval.end_s, 15):
                pose = clip.motion.pose(time)
                if interval.label == "background":
                    assert nothing_shown((clip.body, clip.second), pose)
                else:
                    assert clip.second.shown(pose)[0] >= clip.second.held - 0.1
                    assert clip.body.shown(pose)[0] >= clip.body.held - 0.1


def test_any_other_second_part_never_shows_its_plane(clips):
    others = [clip for clip in clips if clip.second is not None and not clip.rival]
    assert len(others) > 100
    for clip in others:
        poses = [clip.motion.pose(t) for t in np.linspace(0, clip.motion.duration_s, 26)]
        assert all(nothing_shown((clip.second,), pose) for pose in poses)


def test_every_pair_of_rivals_is_as_common_either_way(clips):
    pairs = Counter((kind_of(clip.body), kind_of(clip.second)) for clip in clips if clip.rival)
    assert set(pairs) == {(a, b) for a in PLANES for b in PLANES if a != b}
    for (a, b), count in pairs.items():
        # Two counts of about 40: five standard deviations of their difference.
        assert abs(count - pairs[b, a]) < 5 * (count + pairs[b, a]) ** 0.5


def test_place_size_and_order_do_not_tell_which_of_two_rivals_is_held(clips):
    """A forest sees both parts' place, size and order in random order; which is held stays a toss (chance 0.5)."""
    rng = np.random.default_rng(0)
    rows, held, patients = [], [], []
    for number, clip in enumerate(clips):
        if not clip.rival:
            continue
        pose, frame = middle(clip), []
        for part in (clip.body, clip.second):
            x, y = clip.view.to_frame(*pose.to_probe(*centre(part)))
            solids = [solid for solid in part.solids if solid.name in part.defining]
            missed = abs(np.mean([pose.cut(s.u, s.v) - s.e for s in solids]))
            first = (part is clip.body) != clip.above  # drawn over the other
            frame.append((x, y, abs(x - 0.5), abs(y - 0.5), part.radius / clip.view.mm_per_px, first, missed))
        swap = rng.integers(2)
        rows.append(np.concatenate(frame[::-1] if swap else frame))
        held.append(swap)
        patients.append(number // len(CLASSES))
    scores = cross_val_score(
        RandomForestClassifier(200, min_samples_leaf=4, random_state=0), rows, held, groups=patients, cv=GroupKFold(5)
    )
    # 240 pairs or so: 0.5 within three standard deviations of 0.032.
    assert abs(np.mean(scores) - 0.5) < 0.1


def test_the_eye_is_on_what_is_held_not_on_its_rival(clips):
    on = {"held": 0, "rival": 0}
    for clip in clips:
        if not clip.rival:
            continue
        start, end = clip.motion.start_s, clip.motion.end_s
        during = clip.gaze.valid & (clip.gaze.time_s > start) & (clip.gaze.time_s < end)
        box = Screen().box
        spots = np.stack(
            [(clip.gaze.x[during] * 1920 - box[0]) / box[2], (clip.gaze.y[during] * 1080 - box[1]) / box[3]], axis=1
        )
        pose, (height, width) = middle(clip), (clip.view.height, clip.view.width)
        far = []
        for part in (clip.body, clip.second):
            place = clip.view.to_frame(*pose.to_probe(*centre(part)))
            far.append(np.hypot(*((spots - place) * (width, height)).T))
        on["held"] += int(np.sum(far[0] < far[1]))
        on["rival"] += int(np.sum(far[1] < far[0]))
    assert on["held"] > 8 * on["rival"]
