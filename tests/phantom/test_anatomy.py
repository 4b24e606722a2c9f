"""The phantom's anatomy against growth charts and geometry, measured on what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import find_contours

from phantom.abdomen import abdomen
from phantom.acoustics import Receiver, Tissue, random_scatterers
from phantom.biometry import Fetus, draw_fetus, ellipse_circumference, growth_chart
from phantom.bodies import Body
from phantom.cast import PARTS
from phantom.difficulty import get_difficulty
from phantom.head import head
from phantom.probe import PolarGrid, Probe
from phantom.section import Pose, Section
from phantom.shapes import Ellipsoid, Rod
from phantom.thigh import thigh

BUILDERS = {"head": head, "abdomen": abdomen, "femur": thigh}


def fetus_of(trimester: int, seed: int) -> Fetus:
    rng = np.random.default_rng(seed)
    while (fetus := draw_fetus(rng)).trimester != trimester:
        pass
    return fetus


def make(plane: str, trimester: int, seed: int) -> tuple[Fetus, Body]:
    fetus = fetus_of(trimester, seed)
    if plane in PARTS:
        return fetus, PARTS[plane](fetus, np.random.default_rng(seed))
    return fetus, BUILDERS[plane](fetus, np.random.default_rng(seed), get_difficulty("default"))


def drawn(grid: PolarGrid, solids, pose: Pose, attenuation: float = 0.0) -> Tissue:
    tissue = Tissue.filled(grid, 0, attenuation)
    section = Section(grid, tissue, pose)
    for solid in solids:
        solid.draw(section)
    return tissue


def outline(grid: PolarGrid, map_: np.ndarray, level: float) -> np.ndarray:
    """The longest contour of a map, mm, [n, 2]."""
    rows, columns = max(find_contours(map_, level), key=len).T
    distance = grid.probe.radius_mm + rows * grid.step
    angle = np.interp(columns, np.arange(grid.shape[1]), grid.angle)
    return np.stack([distance * np.sin(angle), distance * np.cos(angle) - grid.probe.radius_mm], axis=1)


def around(line: np.ndarray) -> float:
    return float(np.hypot(*np.diff(np.r_[line, line[:1]], axis=0).T).sum())


@pytest.mark.parametrize("trimester", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_drawn_circumferences_are_those_of_the_fetus(trimester, seed):
    """Measured as a polygon round what is drawn, in any place and at any angle."""
    rng = np.random.default_rng(seed)
    grid = PolarGrid(Probe(angle=np.deg2rad(90)), 220, 900, 700)
    pose = Pose(rng.uniform(-15, 15), rng.uniform(85, 110), rng.uniform(-np.pi, np.pi))
    fetus, body = make("head", trimester, seed)
    bone = next(s for s in body.solids if s.name == "skull")
    outside = [s for s in body.solids if s.name != "skull base"]
    head_line = outline(grid, drawn(grid, outside, pose).attenuation, bone.attenuation / 2)
    assert around(head_line) == pytest.approx(fetus.hc, rel=0.01)
    fetus, body = make("abdomen", trimester, seed)
    skin = body.solids[0]
    line = outline(grid, drawn(grid, [skin], pose).attenuation, skin.attenuation / 2)
    assert around(line) == pytest.approx(fetus.ac, rel=0.01)
    across = np.hypot(*(line - (pose.x, pose.y)).T)
    assert across.max() / across.min() < 1.1  # as circular as the plane should be


@pytest.mark.parametrize("trimester", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_drawn_femur_is_bowed_and_as_long_as_the_fetus_has_it(trimester, seed):
    grid = PolarGrid(Probe(), 120, 1200, 600)
    fetus, body = make("femur", trimester, seed)
    bone = next(s for s in body.solids if s.name == "femur")
    line = outline(grid, drawn(grid, [bone], Pose(2, 60, 0.3)).attenuation, bone.attenuation / 2)
    _, axes = np.linalg.eigh(np.cov(line.T))
    along, across = ((line - line.mean(0)) @ axes)[:, ::-1].T
    # The bone's round ends reach half its width beyond the ends between which it is measured.
    assert np.ptp(along) - bone.width == pytest.approx(fetus.fl, rel=0.02)
    middle, ends = np.abs(along) < 0.1 * fetus.fl, np.abs(along) > 0.42 * fetus.fl
    rise = abs(across[middle].mean() - across[ends].mean())
    assert 0.005 < rise / fetus.fl < 0.06


SHADOWS = [("skull", "head"), ("femur", "femur"), ("spine", "abdomen"), ("rib", "abdomen")]
SHADOWS += [("bone", "lower leg"), ("spine", "spine"), ("bone", "limbs")]


@pytest.mark.parametrize("trimester", [2, 3])
@pytest.mark.parametrize(("name", "kind"), SHADOWS)
def test_bone_casts_a_shadow_of_8_to_30_decibels(name, kind, trimester):
    """Through the middle of each bone as it is drawn; long ones lie across the beam, as they are looked for."""
    grid = PolarGrid(Probe(), 170, 700, 300)
    for seed in range(4):
        _, body = make(kind, trimester, seed)
        inner = [body.solids[body.solids.index(s) + 1] for s in body.solids if s.name == "skull"]
        for solid in [s for s in body.solids if s.name == name and s.attenuation > 1.0]:  # a hollow rod is a vessel
            turn = -solid.angle if name == "rib" else np.random.default_rng(seed).uniform(-0.5, 0.5)
            place = Pose(0, 0, turn).to_probe(solid.u, solid.v)
            pose = Pose(-place[0], 75 - place[1], turn)
            lost = Receiver(grid).loss_db(drawn(grid, [solid], pose).attenuation)
            if inner:  # the skull is a shell: what it costs to look into it, and through all of it
                shell = Receiver(grid).loss_db(drawn(grid, [solid, *inner], pose).attenuation)
                shell -= Receiver(grid).loss_db(drawn(grid, inner, pose).attenuation)
                within = np.argmin(np.abs(grid.depth - 75))
                assert 8 <= shell[within, grid.shape[1] // 2] <= 30
                lost = shell
            assert 8 <= lost[-1, grid.shape[1] // 2] <= 30
            assert lost[-1, 3] < 0.1


def test_the_shadow_is_seen_in_the_image():
    grid, rng = PolarGrid(Probe(), 120, 500, 220), np.random.default_rng(0)
    _, body = make("femur", 3, 1)
    bone = next(s for s in body.solids if s.name == "femur")
    pose = Pose(0, 50, 0)
    power = [
        Receiver(grid, noise_db=-200).power(drawn(grid, solids, pose, 0.5), random_scatterers(rng, grid.shape), rng)
        for solids in ([bone], [])
    ]
    deep = (grid.depth > 60) & (grid.depth < 80)
    under, beside = np.abs(grid.angle) < 0.1, np.abs(grid.angle) > 0.45
    shadow, open_ = (10 * np.log10(p[deep][:, under].mean() / p[deep][:, beside].mean()) for p in power)
    assert 8 < open_ - shadow < 30


def test_a_wall_along_the_beam_fades():
    """The head with its midline across the beam: near and far wall are bright, the walls beside them drop out."""
    grid = PolarGrid(Probe(angle=np.deg2rad(90)), 170, 900, 500)
    for seed in range(5):
        _, body = make("head", 2, seed)
        bone = next(s for s in body.solids if s.name == "skull")
        specular = drawn(grid, body.solids, Pose(0, 80, 0)).specular

        def peak(x: float, y: float, specular=specular) -> float:
            return float(specular[(grid.x - x) ** 2 + (grid.y - y) ** 2 < 2**2].max())

        on_beam = min(peak(0, 80 - bone.b), peak(0, 80 + bone.b))
        beside = max(peak(bone.a, 80), peak(-bone.a, 80))
        assert 20 * np.log10(on_beam / beside) > 20


@pytest.mark.parametrize("turned", [0.0, np.pi])
def test_the_far_half_of_a_head_is_clearer_than_the_near_one(turned):
    """Reverberation under the near skull: more echo there, and less contrast of the same thalamus."""
    grid = PolarGrid(Probe(angle=np.deg2rad(90)), 170, 700, 400)
    for trimester in (2, 3):
        for seed in range(4):
            _, body = make("head", trimester, seed)
            pose, size = Pose(0, 80, turned), body.solids[1].b
            pair = [s for s in body.solids if s.name == "thalamus"]
            brain = drawn(grid, [*body.solids[:3], *pair, body.solids[-1]], pose).echo
            level, contrast = [], []
            for solid in sorted(pair, key=lambda s: pose.to_probe(s.u, s.v)[1]):
                x, y = pose.to_probe(solid.u, solid.v)
                half = np.sign(y - 80)
                inside = (grid.x - x) ** 2 + (grid.y - y) ** 2 < (0.7 * solid.b) ** 2
                # At the same depth, beside the thalamus.
                by = (np.abs(grid.x) < 0.45 * size) & (np.abs(grid.x - x) > 1.3 * solid.a) & (np.abs(grid.y - y) < 2)
                level.append(brain[(np.hypot(grid.x, grid.y - 80) < 0.85 * size) & (half * (grid.y - 80) > 1)].mean())
                contrast.append(20 * np.log10(brain[by].mean() / brain[inside].mean()))
            assert level[0] > 1.05 * level[1]
            assert contrast[0] < contrast[1] - 0.4  # dB; more of it further from the middle


def test_the_midline_is_broken_by_the_cavum():
    grid = PolarGrid(Probe(angle=np.deg2rad(90)), 170, 900, 500)
    for seed in range(4):
        _, body = make("head", 2, seed)
        cavum = next(s for s in body.solids if s.name == "cavum")
        echo = drawn(grid, body.solids, Pose(0, 80, 0)).echo
        across = np.argmin(np.abs(grid.depth - 80))
        u = grid.x[across]
        behind = (u > -0.3 * 2 * body.radius) & (u < cavum.u - cavum.a - 2)
        within = np.abs(u - cavum.u) < 0.6 * cavum.a
        assert np.median(echo[across, behind]) > 5 * np.median(echo[across, within])


def test_each_plane_has_what_it_must_show():
    for trimester in (2, 3):
        for seed in range(6):
            names = {p: [s.name for s in make(p, trimester, seed)[1].solids] for p in BUILDERS}
            needed = {"skull", "midline", "cavum", "thalamus", "lateral ventricle", "choroid plexus", "cerebellum"}
            assert needed <= set(names["head"])
            assert {"skin", "stomach", "umbilical vein", "spine", "aorta", "rib", "kidney"} <= set(names["abdomen"])
            assert names["abdomen"].count("umbilical vein") == 2  # both strokes of the J
            assert names["femur"].count("femur") == 1


@pytest.mark.parametrize("trimester", [2, 3])
def test_the_umbilical_vein_is_a_j_that_bends_away_from_the_stomach(trimester):
    for seed in range(8):
        _, body = make("abdomen", trimester, seed)
        long, short = sorted((s for s in body.solids if s.name == "umbilical vein"), key=lambda s: -s.length)
        stomach = next(s for s in body.solids if s.name == "stomach")
        ends = [[np.array(rod.at(side * rod.length / 2)) for side in (-1, 1)] for rod in (long, short)]
        apart = {(i, j): np.hypot(*(ends[0][i] - ends[1][j])) for i in (0, 1) for j in (0, 1)}
        (_, j), gap = min(apart.items(), key=lambda item: item[1])
        assert gap < long.width  # the strokes meet
        hook, corner = ends[1][1 - j], ends[1][j]
        assert abs(hook[1]) > abs(corner[1]) and hook[1] * stomach.v < 0  # and the short one leads away
        assert 0.2 < short.length / long.length < 1.0
        assert all(np.hypot(*end) < body.radius for pair in ends for end in pair)


@pytest.mark.parametrize("trimester", [2, 3])
def test_the_femur_is_much_brighter_than_the_muscle_around_it(trimester):
    grid = PolarGrid(Probe(), 120, 1200, 600)
    for seed in range(6):
        _, body = make("femur", trimester, seed)
        pose = Pose(0, 60, 0)
        tissue = drawn(grid, body.solids, pose)
        bone = next(s for s in body.solids if s.name == "femur")
        power = tissue.echo**2 + tissue.specular**2
        v = grid.y - 60
        near = (np.abs(grid.x) < 0.3 * bone.length) & (np.abs(v - bone.v) < 0.04 * bone.length)
        muscle = (np.abs(grid.x) < 0.3 * bone.length) & (np.abs(v) < 0.2 * bone.length) & ~near
        assert 10 * np.log10(np.quantile(power[near], 0.9) / np.median(power[muscle])) > 12


def test_ribs_are_symmetric():
    for seed in range(6):
        _, body = make("abdomen", 2, seed)
        ribs = {(round(s.u, 6), round(s.v, 6)) for s in body.solids if s.name == "rib"}
        assert len(ribs) >= 4 and {(u, -v) for u, v in ribs} == ribs


def test_kidneys_lie_off_the_plane():
    _, body = make("abdomen", 3, 2)
    for solid in body.solids:
        if solid.name in ("kidney", "bladder", "heart"):
            assert solid.visible(Pose(0, 0, 0)) == 0


def test_fetal_sizes_have_the_charts_mean_and_spread():
    rng = np.random.default_rng(0)
    fetuses = [draw_fetus(rng) for _ in range(1500)]
    scores = {
        m: np.array([(getattr(f, m) - growth_chart(m, f.weeks)[0]) / growth_chart(m, f.weeks)[1] for f in fetuses])
        for m in ("hc", "bpd", "ofd", "ac", "fl")
    }
    for score in scores.values():
        assert abs(score.mean()) < 0.12
        assert 0.85 < score.std() < 1.15
    chart = [4.389214 + 38.10015 / f.weeks + 2.0063e-6 * f.weeks**3 for f in fetuses]  # Napolitano et al. 2020
    spread = [0.6707 + 0.034258 * f.weeks for f in fetuses]
    ventricle = (np.array([f.ventricle for f in fetuses]) - chart) / spread
    assert abs(ventricle.mean()) < 0.05 and 0.4 < ventricle.std() < 0.55  # half the chart's, and by itself
    assert abs(np.corrcoef(ventricle, scores["ac"])[0, 1]) < 0.1
    shared = np.corrcoef(list(scores.values()))
    assert 0.6 < shared[0, 3] < 0.85 and 0.6 < shared[3, 4] < 0.85  # large in all, but not to the same degree
    for fetus in fetuses[:50]:
        assert 18 <= fetus.weeks <= 22 or 34 <= fetus.weeks <= 38
        assert ellipse_circumference(fetus.bpd, fetus.ofd) == pytest.approx(fetus.hc)


@pytest.mark.parametrize("angle", [0.0, 1.0])
def test_a_drawn_section_has_its_area_in_mm(angle):
    grid = PolarGrid(Probe(), 150, 900, 500)
    tissue = Tissue.filled(grid)
    Ellipsoid(3, -2, 0, 30, 22, 40, angle=0.4, echo_db=10).draw(Section(grid, tissue, Pose(4, 70, angle)))
    cell = (grid.depth[:, None] + grid.probe.radius_mm) * grid.spacing * grid.step
    assert np.sum((tissue.echo - 1) / (10**0.5 - 1) * cell) == pytest.approx(np.pi * 30 * 22, rel=0.01)


def test_a_tilted_plane_foreshortens_a_bone():
    bone = Rod(0, 0, 0, length=40, width=3, c=3)
    assert bone.visible(Pose(0, 0, 0)) == 1
    assert bone.visible(Pose(0, 0, 0, elevation=3.1)) == 0
    low, high = bone.span(Pose(0, 0, 0, tilt_u=0.3))
    assert (low, high) == pytest.approx((-10, 10))  # |0.3·s| < 3 mm


def test_an_ellipsoid_vanishes_beyond_its_thickness():
    solid = Ellipsoid(0, 0, 5, 10, 8, c=4)
    assert solid.visible(Pose(0, 0, 0, elevation=5)) == 1
    assert solid.visible(Pose(0, 0, 0, elevation=7)) == pytest.approx(np.sqrt(0.75))
    assert solid.visible(Pose(0, 0, 0, elevation=9.1)) == 0


@pytest.mark.parametrize(
    ("weeks", "expected"),
    [
        (
            16,
            {
                "hc": (122.9, 6.3),
                "bpd": (35.6, 1.9),
                "ofd": (42.8, 2.2),
                "ac": (103.2, 5.4),
                "fl": (19.5, 1.6),
            },
        ),
        (
            20,
            {
                "hc": (172.5, 7.4),
                "bpd": (48.4, 2.3),
                "ofd": (60.7, 2.8),
                "ac": (147.7, 7.6),
                "fl": (31.3, 1.8),
            },
        ),
        (
            36,
            {
                "hc": (319.4, 10.8),
                "bpd": (91.2, 3.5),
                "ofd": (111.6, 4.9),
                "ac": (312.8, 17.0),
                "fl": (66.4, 2.7),
            },
        ),
    ],
)
def test_growth_charts_give_the_published_values(weeks, expected):
    for measure, values in expected.items():
        assert growth_chart(measure, weeks) == pytest.approx(values, abs=0.051)


@pytest.mark.parametrize("weeks", [16, 20, 24, 28, 32, 36])
def test_the_skull_ellipse_has_the_charts_circumference(weeks):
    a, b = growth_chart("ofd", weeks)[0] / 2, growth_chart("bpd", weeks)[0] / 2
    around = np.pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    assert around == pytest.approx(growth_chart("hc", weeks)[0], abs=0.8)


def test_growth_charts_refuse_what_they_do_not_cover():
    with pytest.raises(ValueError, match="outside the charts"):
        growth_chart("hc", 41)
    with pytest.raises(ValueError, match="none of"):
        growth_chart("waist", 20)


@pytest.mark.parametrize("build", [head, abdomen, thigh])
@pytest.mark.parametrize("level", ["easy", "default", "hard"])
def test_a_body_shows_its_plane_in_the_middle_and_not_beyond_its_reach(build, level):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        body = build(draw_fetus(rng), rng, get_difficulty(level))
        assert body.shown(Pose(0, 0, 0))[0] >= body.held
        for elevation in (-body.reach[0], body.reach[1]):
            assert body.shown(Pose(0, 0, 0, elevation=elevation))[1] <= body.gone
