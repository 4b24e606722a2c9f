"""Training curves: every column of a run's history over its epochs."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.figures import PALETTE

# Cross-entropies and divergences are in nats; attention, hint and similarity are squared distances without a unit.
_TERMS = "loss terms, unweighted\n(nats, or squared distances)"
_TOTAL = "total loss"
_SHARES = ("accuracy", "agreement")
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
        row[0].set_ylabel(label)
        if label.startswith("share"):
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
    groups: dict[str, list[str]] = {_TOTAL: [], _TERMS: []}
    groups |= {"share of frames": [], "learning rate": []}
    for name in metrics:
        base = name.removeprefix("val_")
        if base == "loss":
            groups[_TOTAL].append(name)
        elif any(word in base for word in _SHARES):
            groups["share of frames"].append(name)
        elif base in ("learning_rate", "lr"):
            groups["learning rate"].append(name)
        else:
            groups[_TERMS].append(name)
    return {label: names for label, names in groups.items() if names}


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
            label="_nolegend_" if validation and name.removeprefix("val_") in names else name.replace("_", " "),
        )
        drawn = True
    axis.grid(alpha=0.3)
    if drawn:
        axis.legend(fontsize=7)
    else:
        axis.set_visible(False)
