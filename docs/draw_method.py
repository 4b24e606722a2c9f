"""Draw the figure of the method, docs/method.svg.

python docs/draw_method.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

TEACHER, STUDENT, GAZE, DATA = "#3b6ea8", "#2f8f6b", "#c9711a", "#5f6670"
# (left, bottom, width, height), in hundredths of the figure.
BOXES = {
    "frame": ((1, 22, 14, 16), DATA, "frame\nH × W, 8-bit grey"),
    "gaze": ((1, 46, 14, 12), GAZE, "gaze map\nstride 8, sums to 1"),
    "teacher": ((24, 42, 22, 16), TEACHER, "teacher\nlarge, sees frame and gaze\nfrozen while it teaches"),
    "student": ((24, 20, 22, 16), STUDENT, "student\ncompact, sees the frame alone"),
    "loss": ((57, 30, 17, 20), DATA, "distillation loss\nlabels, soft targets,\nattention maps, gaze"),
    "int8": ((24, 2, 22, 12), STUDENT, "8-bit student\nthe same loss, fake-quantized"),
    "file": ((57, 2, 17, 12), STUDENT, "student_int8.tflite\nuint8 frames in"),
    "answer": ((82, 2, 17, 12), DATA, "class\nhead, abdomen,\nfemur or other"),
}
# (from, to, colour, text beside the arrow, where the text stands)
ARROWS = (
    ((15, 52), (24, 52), GAZE, "", None),
    ((15, 34), (24, 46), DATA, "", None),
    ((15, 28), (24, 28), DATA, "", None),
    ((46, 50), (57, 44), TEACHER, "soft targets, maps", (47, 51.5)),
    ((46, 28), (57, 36), STUDENT, "logits, maps", (47.5, 27)),
    ((8, 58), (65, 50), GAZE, "where the sonographer looked, as a target for the student's maps", (20, 63.5)),
    ((65, 30), (46, 22), DATA, "gradient", (56.5, 22.5)),
    ((35, 20), (35, 14), STUDENT, "quantize, then distil on", (36.5, 16.2)),
    ((46, 8), (57, 8), STUDENT, "convert", (48.3, 9.5)),
    ((74, 8), (82, 8), DATA, "", None),
)


def main() -> None:
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "method", "font.size": 9}):
        figure = Figure(figsize=(9.6, 6.4))
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, 100), ylim=(0, 67))
        axis.axis("off")
        for (left, bottom, width, height), colour, text in BOXES.values():
            _box(axis, left, bottom, width, height, colour, text)
        for start, end, colour, text, place in ARROWS:
            _arrow(axis, start, end, colour)
            if place:
                axis.text(*place, text, color=colour, fontsize=8.5, ha="left", va="center")
        figure.savefig(Path(__file__).with_name("method.svg"), metadata={"Date": None})


def _box(axis: Axes, left: float, bottom: float, width: float, height: float, colour: str, text: str) -> None:
    shape = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=1.2", facecolor="white", edgecolor=colour
    )
    shape.set_linewidth(1.8)
    axis.add_patch(shape)
    title, _, rest = text.partition("\n")
    lines = rest.count("\n") + bool(rest)
    middle = bottom + height / 2
    axis.text(left + width / 2, middle + 1.6 * lines, title, ha="center", va="center", color=colour, weight="bold")
    axis.text(left + width / 2, middle - 1.6, rest, ha="center", va="center", color="#30353b", fontsize=8.2)


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    bend = "arc3,rad=-0.28" if end[0] - start[0] > 40 else "arc3"
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=13,
            color=colour,
            linewidth=1.5,
            connectionstyle=bend,
            shrinkA=1,
            shrinkB=1,
        )
    )


if __name__ == "__main__":
    main()
