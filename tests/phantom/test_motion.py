"""How the phantom's clips move, what they show by the way, and that labels say what is shown."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from phantom.biometry import draw_fetus
from phantom.bodies import Body
from phantom.cast import CLASSES, PARTS, PLANES
from phantom.clip import Clip, set_scene
from phantom.difficulty import get_difficulty
from phantom.looks import draw_marks
from phantom.probe import View
from phantom.section import Pose
from tests.phantom.simulated import CLIP_S, simulate

PER_CLASS = {"abdomen": 20, "femur": 20, "head": 20, "background": 80}


@pytest.fixture(scope="module")
def clips() -> dict[str, list[Clip]]:
    """Those whose motion is the held body's own, without frames; many of background, which is of many kinds."""
    made = {label: [simulate(label, seed) for seed in range(count)] for label, count in PER_CLASS.items()}
    return {label: [one.clip for one in samples if one.own_motion] for label, samples in made.items()}


def track(clip: Clip, axis: int, rate_hz: float, duration_s: float) -> np.ndarray:
    """x (0) or y (1) of a body at rest under the moving mother and hand, mm."""
    motion = dataclasses.replace(clip.motion, shift_mm=(0.0, 0.0), turn=0.0)
    return motion.path(np.arange(0, duration_s, 1 / rate_hz), 0.0, 0.0)[axis]


def wave(values: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and the amplitude at each."""
    size = np.abs(np.fft.rfft(values - values.mean())) * 2 / len(values)
    return np.fft.rfftfreq(len(values), 1 / rate_hz), size


def test_the_mother_breathes_12_to_18_times_a_minute_and_moves_the_image_by_millimetres(clips):
    for clip in clips["femur"]:
        hertz, size = wave(track(clip, 1, 25.0, 200.0), 25.0)
        low = (hertz > 0.05) & (hertz < 0.32)
        peak = hertz[low][size[low].argmax()]
        assert 0.2 - 0.01 <= peak <= 0.3 + 0.01
        there = np.abs(hertz - peak) < 0.03  # a tone between two bins shares its power among them
        amplitude = np.sqrt(np.sum(size[there] ** 2))
        assert 2 * 0.7 < 2 * amplitude < 2 * 2.5  # mm from crest to trough
        aside = np.sqrt(np.sum(wave(track(clip, 0, 25.0, 200.0), 25.0)[1][there] ** 2))
        assert aside < 0.45 * amplitude


def test_the_hand_trembles(clips):
    for clip in clips["head"]:
        hertz, size = wave(track(clip, 0, 50.0, 100.0), 50.0)
        fast = (hertz > 5.5) & (hertz < 10.5)
        assert 0.01 < size[fast].max() < 0.15  # mm
        assert size[hertz > 11].max() < 0.005


def test_breathing_hardly_leaves_the_plane(clips):
    for label in PLANES:
        for clip in clips[label]:
            motion = clip.motion
            times = np.linspace(motion.start_s, motion.end_s, 200)
            still = dataclasses.replace(motion, breath=(0.0, 0.25, 0.0))
            apart = [motion.pose(t).elevation - still.pose(t).elevation for t in times]
            assert 0 < np.abs(apart).max() < 0.2


def test_the_probe_approaches_holds_and_leaves(clips):
    for label in PLANES:
        came = left = 0
        for clip in clips[label]:
            motion, still = clip.motion, clip.motion.still
            off = [self_distance(motion.pose(t), still) for t in (0.0, motion.start_s, motion.end_s, CLIP_S)]
            held = [self_distance(motion.pose(t), still) for t in np.linspace(motion.start_s, motion.end_s, 30)]
            assert max(held) < 1.2
            assert motion.end_s - motion.start_s == pytest.approx(0.6 * CLIP_S)
            came, left = came + (off[0] > max(held)), left + (off[3] > max(held))
        assert came > 0.75 * len(clips[label]) and left > 0.75 * len(clips[label])


def self_distance(pose: Pose, still: Pose) -> float:
    """How far a cut lies off the held one, mm: at the origin, or 30 mm along a tilted plane."""
    return max(abs(pose.elevation - still.elevation), 30 * abs(pose.tilt_u - still.tilt_u))


def test_labels_say_what_is_shown(clips):
    for label, made in clips.items():
        for clip in made[:60]:
            named = {interval.label for interval in clip.intervals}
            assert named <= {label, "background"} and (label in named or label == "background")
            ends = [t for i in clip.intervals for t in (i.start_s, i.end_s)]
            assert ends == sorted(ends) and ends[0] >= 0 and ends[-1] <= CLIP_S + 1e-9
            if not clip.body.defining:
                assert named == {"background"}
                continue
            for interval in clip.intervals:
                for time in np.linspace(interval.start_s, interval.end_s, 40):
                    least, most = clip.body.shown(clip.motion.pose(time))
                    if interval.label == "background":
                        assert most <= clip.body.gone + 0.05
                    else:
                        assert least >= clip.body.held - 0.1


def organs(clips: list[Clip]) -> set[str]:
    """What cuts off a plane show in the middle of their clips."""
    cut = [(clip.body, clip.motion.pose(CLIP_S / 2)) for clip in clips if clip.kind in PLANES]
    return {solid.name for body, pose in cut for solid in body.solids if solid.visible(pose) > 0.3}


def test_background_is_everything_that_a_sonographer_passes(clips):
    kinds = [clip.kind for clip in clips["background"]]
    assert set(kinds) == set(PLANES) | set(PARTS)
    assert all(clip.kind == label for label in PLANES for clip in clips[label])
    off_plane = [clip for clip in clips["background"] if clip.kind in PLANES]
    assert 0.6 < len(off_plane) / len(kinds) < 0.95
    # Far from the planes the thorax and the skull's vault; near them, where it is hard, the pelvis and the base too.
    far = {"heart", "skull", "spine", "rib"}
    hard = get_difficulty("hard")
    near_by = [simulate("background", seed, level=hard).clip for seed in range(50)]
    assert far <= organs(off_plane) and far | {"kidney", "cerebellum"} <= organs(near_by)
    middle = [clip.motion.pose(CLIP_S / 2) for clip in off_plane]
    oblique = [pose for pose in middle if abs(pose.tilt_u) > 0.1 or abs(pose.tilt_v) > 0.1]
    assert 0.2 < len(oblique) / len(off_plane) < 0.95


def test_both_ends_of_the_femur_are_in_the_frame_and_in_the_sector(clips):
    for clip in clips["femur"]:
        probe, view = clip.settings.probe, clip.view
        bone = next(s for s in clip.body.solids if s.name == "femur")
        seen = []
        for time in np.linspace(clip.motion.start_s, clip.motion.end_s, 9):
            pose = clip.motion.pose(time)
            low, high = bone.span(pose)
            assert (high - low) / bone.length > 0.9
            for end in (-bone.length / 2, bone.length / 2):
                x, y = pose.to_probe(*bone.at(end))
                angle, depth = np.arctan2(x, y + probe.radius_mm), np.hypot(x, y + probe.radius_mm) - probe.radius_mm
                inside = abs(angle) < probe.angle / 2 and 0 < depth < clip.settings.depth_mm
                seen.append(inside and all(0 < part < 1 for part in view.to_frame(x, y)))
        assert all(seen)


def test_the_scanners_settings_do_not_know_the_class():
    found = []
    for label in CLASSES:
        rng = np.random.default_rng(8)
        fetus, level = draw_fetus(np.random.default_rng(0)), get_difficulty("default")
        scene = set_scene(fetus, label, rng, level, frame_size=(112, 144), duration_s=2.0, render=False)
        found.append(scene.settings)
    for settings in found[1:]:
        for name in ("frequency_mhz", "radius_mm", "angle"):
            assert getattr(settings.probe, name) == getattr(found[0].probe, name)
        assert (settings.noise_db, settings.brightness) == (found[0].noise_db, found[0].brightness)
        np.testing.assert_array_equal(settings.gain_error_db, found[0].gain_error_db)
        marked = [(m[:, 4:-4] > 0) for m in (settings.marks, found[0].marks)]  # beside the ticks, which follow the zoom
        np.testing.assert_array_equal(*marked)


def test_marks_are_on_a_share_of_the_clips():
    view = View(-60, 0, 0.8, 112, 144)
    marked = [draw_marks(np.random.default_rng(seed), view).any() for seed in range(300)]
    assert 0.6 < np.mean(marked) < 0.9


def test_a_body_without_a_plane_shows_none():
    assert Body((), 1.0, 1.0).shown(Pose(0, 0, 0)) == (0.0, 0.0)
