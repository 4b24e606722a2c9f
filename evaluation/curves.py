"""Training curves: every column of a run's history over its epochs."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.figures import PALETTE
from losses.registry import TERMS

_TERMS, _TOTAL, _SHARE, _RATE = (
    "loss terms, unweighted",
    "total loss, weighted",
    "share of frames",
    "learning rate per step",
)
_GROUP_OF = {"loss": _TOTAL, "accuracy": _SHARE, "agreement": _SHARE, "learning_rate": _RATE}
_UNITS = {"regularisation": "weighted"}
_STYLES = ("-", (0, (1, 1)))  # a second round through the palette is dotted


def draw_curves(figure: Figure, history: pd.DataFrame, title: str) -> None:
    """A column per stage; rows: the total loss, its terms, shares, and the learning rate if it is logged.

    Args:
        history: columns `stage`, `epoch`, then any metrics; `val_` marks those on the
            validation split. Columns without a number in a stage are left out of it.
        title: of the figure.
    """
    stages = list(dict.fromkeys(history["stage"]))
    groups = _groups([name for name in history.columns if name not in ("stage", "epoch")])
    figure.set_size_inches(4.2 * len(stages) + 0.5, 2.7 * max(len(groups), 1) + 0.6)
    figure.suptitle(title)
    axes = figure.subplots(max(len(groups), 1), len(stages), squeeze=False, sharex="col")
    for row, (label, names) in zip(axes, groups.items()):
        for axis, stage in zip(row, stages):
            _draw(axis, history[history["stage"] == stage], names)
        next((axis for axis in row if axis.get_visible()), row[0]).set_ylabel(label)
        if label == _SHARE:
            lowest = min(axis.get_ylim()[0] for axis in row)
            for axis in row:
                axis.set_ylim(max(lowest, 0), 1.02)
    for axis, stage in zip(axes[0], stages):
        axis.set_title(stage)
    for column in axes.T:
        drawn = [axis for axis in column if axis.get_visible()] or [column[-1]]
        drawn[-1].set_xlabel("epoch (solid: training, dashed: validation)")
        drawn[-1].tick_params(labelbottom=True)  # another column may have more rows
        drawn[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _groups(metrics: list[str]) -> dict[str, list[str]]:
    """{axis label: columns}; what is no share and no rate is a term of the loss."""
    groups: dict[str, list[str]] = {_TOTAL: [], _TERMS: [], _SHARE: [], _RATE: []}
    for name in metrics:
        groups[_GROUP_OF.get(name.removeprefix("val_"), _TERMS)].append(name)
    return {label: names for label, names in groups.items() if names}


def _legend(name: str) -> str:
    """A column's name; of a term of the loss also its unit, as the term declares it."""
    term = TERMS.get(name.removeprefix("val_"))
    unit = term.unit if term else _UNITS.get(name.removeprefix("val_"))
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


def _draw(axis: Axes, part: pd.DataFrame, names: list[str]) -> None:
    base = list(dict.fromkeys(name.removeprefix("val_") for name in names))
    drawn = False
    for name in names:
        values = part[name].astype(float)
        if not values.notna().any():
            continue
        validation = name.startswith("val_")
        number = base.index(name.removeprefix("val_"))
        axis.plot(
            part["epoch"],
            values,
            color=PALETTE[number % len(PALETTE)],
            linestyle="--" if validation else _STYLES[number // len(PALETTE) % 2],
            linewidth=1.4,
            marker="." if len(part) < 15 else None,
            label="_nolegend_" if validation and name.removeprefix("val_") in names else _legend(name),
        )
        drawn = True
    axis.grid(alpha=0.3)
    if drawn:
        axis.legend(fontsize=7)
    else:
        axis.set_visible(False)
