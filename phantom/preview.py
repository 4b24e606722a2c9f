"""Pictures of what the phantom makes: a contact sheet, two short clips, and real images next to them."""

from __future__ import annotations

import dataclasses
import itertools
import os
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.console import track
from common.files import whole_folder
from data.animation import write_animation
from phantom.biometry import AGE_RANGES_WEEKS, Fetus, draw_fetus
from phantom.cast import CLASSES
from phantom.clip import Clip, Session, simulate_clip
from phantom.config import PhantomConfig
from phantom.difficulty import Difficulty
from phantom.looks import LOOKS
from phantom.tracker import Screen, draw_bias

SHEET = "planes.jpg"
BESIDE = "beside_real.jpg"
FPS = 10.0
# What decides the pictures: all other settings are those of a data set.
PREVIEWED = ("frame_size", "seed", "difficulty", "rivals")
GAZE_COLOUR = "#E69F00"
# The real plane that is drawn next to each class of the phantom; of its planes the thorax is nearest to background.
REAL_PLANES = {
    "abdomen": "Fetal abdomen",
    "femur": "Fetal femur",
    "head": "Fetal brain",
    "background": "Fetal thorax",
}
_SHEET_S, _CLIP_S = 1.5, 4.0
_STYLE = {"font.size": 9, "figure.dpi": 100, "axes.titlesize": 8}


def write_preview(
    folder: str | os.PathLike[str],
    config: PhantomConfig | None = None,
    *,
    reference: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Simulate a clip of every class, age and look, and draw them.

    Args:
        folder: to make, whole or not at all.
        config: of which the settings in `PREVIEWED` count.
        reference: folder of FETAL_PLANES_DB; its images are drawn next to simulated ones.
        overwrite: replace a folder that holds an earlier preview.

    Returns:
        The files: `planes.jpg` (classes × ages × looks, gaze over the frames),
        `head.gif` and `femur.gif`, and `beside_real.jpg` if there is a reference.

    Raises:
        InputError: a reference that can't be read, or a folder that can't be written.
    """
    config = config or PhantomConfig()
    seed, frame_size, level = config.seed, config.frame_size, config.level()
    real = _real_images(reference, frame_size) if reference is not None else None
    with whole_folder(folder, overwrite=overwrite, marker=SHEET) as temporary:
        cells = list(itertools.product(CLASSES, AGE_RANGES_WEEKS, range(len(LOOKS))))
        scenes = {
            cell: simulate_scene(*cell, [seed, number], frame_size, level)
            for number, cell in enumerate(track(cells, "simulating clips"))
        }
        _save(_sheet(scenes, seed, config.difficulty), temporary / SHEET)
        names = [SHEET]
        if real is not None:
            _save(_beside(scenes, real), temporary / BESIDE)
            names.append(BESIDE)
        for number, (label, trimester) in enumerate((("head", 2), ("femur", 3))):
            scene = simulate_scene(label, trimester, number, [seed, 1000 + number], frame_size, level, _CLIP_S)
            _animate(scene, temporary / f"{label}.gif")
            names.append(f"{label}.gif")
    return [Path(folder) / name for name in names]


@dataclasses.dataclass(frozen=True)
class Scene:
    """A simulated clip and what it was asked to show."""

    label: str
    fetus: Fetus
    look: int
    screen: Screen
    clip: Clip

    def best_frame(self) -> np.ndarray:
        """The frame in the middle of what the clip is about, uint8 [H, W]."""
        start, end = self._interval()
        return self.clip.frames[min(round((start + end) / 2 * FPS), len(self.clip.frames) - 1)]

    def gaze(self, start_s: float | None = None, end_s: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Valid gaze samples in a stretch (default: what the clip is about), in pixels of the frame: x, y."""
        if start_s is None:
            start_s, end_s = self._interval()
        gaze, (left, top, wide, tall) = self.clip.gaze, self.screen.box
        chosen = gaze.valid & (gaze.time_s >= start_s) & (gaze.time_s < end_s)
        height, width = self.clip.frames.shape[1:]
        x = (gaze.x[chosen] * self.screen.width - left) / wide * width - 0.5
        y = (gaze.y[chosen] * self.screen.height - top) / tall * height - 0.5
        return x, y

    def shown(self, time_s: float) -> str:
        """The label at a time, or none."""
        return next((i.label for i in self.clip.intervals if i.start_s <= time_s < i.end_s), "nothing")

    def _interval(self) -> tuple[float, float]:
        found = next(i for i in self.clip.intervals if i.label == self.label)
        return found.start_s, found.end_s


def simulate_scene(
    label: str,
    trimester: int,
    look: int,
    seed: list[int],
    frame_size: tuple[int, int],
    difficulty: Difficulty,
    duration_s: float = _SHEET_S,
) -> Scene:
    """A clip of this class, age and look; `seed` decides everything else."""
    rng = np.random.default_rng(seed)
    fetus = draw_fetus(rng)
    while fetus.trimester != trimester:
        fetus = draw_fetus(rng)
    session = Session(LOOKS[look], draw_bias(rng), Screen())
    clip = simulate_clip(fetus, label, session, rng, difficulty, frame_size=frame_size, fps=FPS, duration_s=duration_s)
    return Scene(label, fetus, look, session.screen, clip)


def _sheet(scenes: dict[tuple, Scene], seed: int, difficulty: str) -> Figure:
    """A row for each class and age, a column for each look."""
    rows = [(label, trimester) for label in CLASSES for trimester in AGE_RANGES_WEEKS]
    height, width = next(iter(scenes.values())).clip.frames.shape[1:]
    figure, axes = _grid(len(rows), len(LOOKS), height / width)
    figure.suptitle(
        f"Simulated planes and simulated gaze (seed {seed}, difficulty {difficulty}). Orange: the gaze samples of the\n"
        "labelled stretch, 90 Hz. Nothing here is a patient, and nothing is clinical evidence.",
        fontsize=10,
    )
    for row, (label, trimester) in zip(axes, rows):
        low, high = AGE_RANGES_WEEKS[trimester]
        row[0].set_ylabel(f"{label}\n{low:.0f}–{high:.0f} weeks", fontsize=10)
        for look, axis in enumerate(row):
            scene = scenes[label, trimester, look]
            _show(axis, scene.best_frame(), f"look {look + 1}, {scene.fetus.weeks:.1f} weeks")
            x, y = scene.gaze()
            axis.plot(x, y, color=GAZE_COLOUR, linewidth=0.5, alpha=0.5)
            axis.scatter(x, y, s=5, color=GAZE_COLOUR, edgecolors="black", linewidths=0.2)
    return figure


def _beside(scenes: dict[tuple, Scene], real: dict[str, list[np.ndarray]]) -> Figure:
    """A row for each class: simulated frames on the left, real ones on the right."""
    count = len(LOOKS)
    height, width = next(iter(scenes.values())).clip.frames.shape[1:]
    figure, axes = _grid(len(CLASSES), 2 * count, height / width)
    figure.suptitle(
        f"Left {count} columns: simulated. Right: FETAL_PLANES_DB (Burgos-Artizzu et al., CC BY 4.0), resized alike."
    )
    for row, label in zip(axes, CLASSES):
        row[0].set_ylabel(label, fontsize=10)
        for look, axis in enumerate(row[:count]):
            scene = scenes[label, 2 + look % 2, look]
            _show(axis, scene.best_frame(), f"simulated, look {look + 1}")
        for axis, image in zip(row[count:], real[label]):
            _show(axis, image, f"real, {REAL_PLANES[label].lower()}")
    return figure


def _real_images(reference: str | os.PathLike[str], frame_size: tuple[int, int]) -> dict[str, list[np.ndarray]]:
    # Imported late: it loads TensorFlow, which a preview without real images does not need.
    from data.sources import example_images
    from data.video.framing import prepare_image

    return {
        label: [
            prepare_image(image, frame_size) for image in example_images("fetal-planes", reference, plane, len(LOOKS))
        ]
        for label, plane in REAL_PLANES.items()
    }


def _animate(scene: Scene, path: Path) -> None:
    about = f"simulated {scene.label}, {scene.fetus.weeks:.1f} weeks, look {scene.look + 1}"
    times = np.arange(len(scene.clip.frames)) / FPS
    captions = [f"{about}\n{t:.1f} s, labelled: {scene.shown(t)}" for t in times]
    trails = [np.stack(scene.gaze(t - 0.4, t + 1 / FPS), axis=1) for t in times]
    write_animation(path, scene.clip.frames, trails, captions, FPS)


def _grid(rows: int, columns: int, aspect: float) -> tuple[Figure, np.ndarray]:
    cell = 2.3
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(columns * cell + 0.4, rows * (cell * aspect + 0.22) + 0.6), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    return figure, axes


def _show(axis: Axes, image: np.ndarray, title: str) -> None:
    height, width = image.shape
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    # The gaze may lie outside the image; the picture ends where the image does.
    axis.set_xlim(-0.5, width - 0.5)
    axis.set_ylim(height - 0.5, -0.5)
    axis.set_title(title, fontsize=8, pad=2)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 88})
