"""Two parts of the fetus in view: what they show, and that nothing but the gaze tells which of two rivals is held."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold, cross_val_score

from phantom import PhantomConfig, landmarks
from phantom.biometry import draw_fetus
from phantom.bodies import nothing_shown
from phantom.cast import CLASSES, PLANES
from phantom.clip import Clip, Session, simulate_clip
from phantom.company import Carried, placed
from phantom.looks import LOOKS
from phantom.motion import Motion
from phantom.section import Placement
from phantom.tracker import draw_bias
from tests.phantom.simulated import DEFAULT, SCREEN, simulate

LEVEL = dataclasses.replace(DEFAULT, company=1.0, rivals=0.8)
PATIENTS = 130  # about 310 pairs of rivals


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Clips of every class, a second part beside every plane; without frames."""
    return [simulate(label, 1000 + seed, level=LEVEL).clip for seed in range(PATIENTS) for label in CLASSES]


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
    assert len(rivals) > 280
    for clip in rivals:
        for part in (clip.body, clip.second):  # both ends of every femur, every defining landmark is in the frame
            ends = [
                solid.at(side * solid.length / 2) for solid in part.solids if solid.name == "femur" for side in (-1, 1)
            ]
            for place in ends or [landmarks.middle(s) for s in part.solids if s.name in part.defining]:
                x, y = clip.view.to_frame(*middle(clip).to_probe(*place))
                assert 0 < x < 1 and 0 < y < 1
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
        # Tremor is fast: between these moments too.
        poses = [clip.motion.pose(t) for t in np.linspace(0, clip.motion.duration_s, 301)]
        assert max(clip.second.shown(pose)[1] for pose in poses) <= clip.second.gone


def test_every_pair_of_rivals_is_as_common_either_way(clips):
    pairs = Counter((kind_of(clip.body), kind_of(clip.second)) for clip in clips if clip.rival)
    assert set(pairs) == {(a, b) for a in PLANES for b in PLANES if a != b}
    for (a, b), count in pairs.items():
        # Two counts of about 50: at the level of 0.001.
        assert abs(count - pairs[b, a]) < 3.3 * (count + pairs[b, a]) ** 0.5


def test_a_second_part_is_as_common_beside_planes_and_background(clips):
    """`company` is 1 here: every clip of a body that a plane is made of has one."""
    for clip in clips:
        assert (clip.second is not None) == (clip.kind in PLANES)


def test_the_same_draws_give_the_same_frames_whichever_of_two_rivals_is_held():
    """By construction: two clips of one seed and two labels differ in nothing but names and gaze."""
    level = dataclasses.replace(LEVEL, rivals=1.0)
    compared = 0
    for seed in range(12):
        made = {}
        for label in ("head", "abdomen", "femur"):
            rng = np.random.default_rng([8, seed])
            fetus, session = draw_fetus(rng), Session(LOOKS[seed % 4], draw_bias(rng), SCREEN)
            clip = simulate_clip(fetus, label, session, rng, level, frame_size=(48, 64), fps=1.0, duration_s=2.0)
            made[label, kind_of(clip.second)] = clip
        for (held, rival), clip in made.items():
            other = made.get((rival, held))
            if other is None or held > rival:
                continue
            compared += 1
            np.testing.assert_array_equal(clip.frames, other.frames)
            for one, two in zip(clip.intervals, other.intervals, strict=True):
                assert (one.start_s, one.end_s) == (two.start_s, two.end_s)
                assert (one.label, two.label) in ((held, rival), ("background", "background"))
            assert not np.array_equal(clip.gaze.x, other.gaze.x)
    assert compared >= 8


def test_nothing_in_the_scene_tells_which_of_two_rivals_is_held(clips):
    """A forest sees how each part lies in the scene, the two in random order; which is held stays a toss (0.5)."""
    rng = np.random.default_rng(0)
    rows, held, patients = [], [], []
    for number, clip in enumerate(clips):
        if not clip.rival:
            continue
        parts = [_features(clip, part) for part in (clip.body, clip.second)]
        swap = rng.integers(2)
        rows.append(np.concatenate(parts[::-1] if swap else parts))
        held.append(swap)
        patients.append(number // len(CLASSES))
    forest = RandomForestClassifier(60, min_samples_leaf=4, random_state=0)
    scores = cross_val_score(forest, rows, held, groups=patients, cv=GroupKFold(5))
    # 0.5 within 2.6 standard deviations: the level of 0.01.
    assert abs(np.mean(scores) - 0.5) < 2.6 * 0.5 / len(rows) ** 0.5


def _features(clip: Clip, part) -> tuple[float, ...]:
    """Where one of two parts lies in the scene, how the plane cuts it, and what lies about it."""
    pose = middle(clip)
    lead = clip.motion.motion if isinstance(clip.motion, Carried) else clip.motion
    about = lead.pose((clip.motion.start_s + clip.motion.end_s) / 2)
    x, y = pose.to_probe(*centre(part))
    around = [np.hypot(*np.subtract(about.to_probe(s.u, s.v), (x, y))) for s in clip.around]
    solids = [solid for solid in part.solids if solid.name in part.defining]
    missed = np.mean([pose.cut(s.u, s.v) - s.e for s in solids])
    slope = [pose.cut(s.u + np.cos(s.angle), s.v + np.sin(s.angle)) - pose.cut(s.u, s.v) for s in solids]
    across, down = clip.view.to_frame(x, y)
    return (
        *(across, down, abs(across - 0.5), abs(down - 0.5)),
        part.radius / clip.view.mm_per_px,
        (part is clip.body) != clip.above,  # drawn over the other
        *(missed, abs(missed), np.max(np.abs(slope))),
        y - clip.settings.probe.focus_mm,
        (clip.far_mm - y) / part.radius,
        *(min(around, default=99.0), min(around, default=99.0) / part.radius),
    )


def test_a_body_seen_from_its_neighbour_is_cut_the_same(clips):
    """The same scene in the coordinates of either part: every solid lies at the same place, as far off the plane."""
    rng = np.random.default_rng(1)
    for clip in [clip for clip in clips if clip.second is not None][:20]:
        there = Placement(*rng.uniform(-40, 40, 3), rng.uniform(-3, 3))
        pose = dataclasses.replace(middle(clip), tilt_u=rng.normal(0, 0.3), tilt_v=rng.normal(0, 0.3))
        for solid, seen in zip(clip.second.solids, placed(clip.second, there).solids, strict=True):
            assert pose.of(there).to_probe(solid.u, solid.v) == pytest.approx(pose.to_probe(seen.u, seen.v), abs=1e-9)
            assert pose.of(there).cut(solid.u, solid.v) - solid.e == pytest.approx(
                pose.cut(seen.u, seen.v) - seen.e, abs=1e-9
            )
            assert solid.visible(pose.of(there)) == pytest.approx(seen.visible(pose), abs=1e-7)
        back = pose.of(there).of(there.inverse())
        assert dataclasses.astuple(back) == pytest.approx(dataclasses.astuple(pose), abs=1e-9)
        times = np.linspace(0, 4, 9)
        for motion in (clip.motion, Carried(clip.motion, there)) if isinstance(clip.motion, Motion) else (clip.motion,):
            x, y = motion.path(times, 3.0, -7.0)
            for at in zip(times, x, y):
                assert motion.pose(at[0]).to_probe(3.0, -7.0) == pytest.approx(at[1:], abs=1e-9)


def test_the_eye_is_on_what_is_held_not_on_its_rival(clips):
    on = {"held": 0, "rival": 0}
    for clip in clips:
        if not clip.rival:
            continue
        start, end = clip.motion.start_s, clip.motion.end_s
        during = clip.gaze.valid & (clip.gaze.time_s > start) & (clip.gaze.time_s < end)
        box = SCREEN.box
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


def test_without_rivals_no_second_part_shows_its_plane():
    level = PhantomConfig(rivals=0.0).level()
    assert dataclasses.replace(level, rivals=DEFAULT.rivals) == DEFAULT  # nothing else is another
    made = [
        simulate(label, seed, level=dataclasses.replace(level, company=1.0)).clip
        for seed in range(8)
        for label in PLANES
    ]
    for clip in made:
        assert not clip.rival and clip.second is not None
        poses = [clip.motion.pose(t) for t in np.linspace(0, clip.motion.duration_s, 101)]
        assert all(nothing_shown((clip.second,), pose) for pose in poses)
