"""Figures as SVG that stands in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from evaluation.page.markup import text
from evaluation.plots import STYLE

_REFERENCES = re.compile(r'(\bid="|\burl\(#|href="#)')


def draw_with(draw: Callable[..., object], *given: Any) -> Callable[[Figure], object]:
    """A function of a figure alone."""
    return lambda figure: draw(figure, *given)


def svg_of(key: str, title: str, draw: Callable[[Figure], object]) -> str:
    """What `draw` draws, as an <svg> element without scripts, links or names that another figure has.

    Args:
        key: put before every name in it, since all figures of a page share one space of names.
        title: what a screen reader says of it.
        draw: fills an empty figure.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(layout="constrained")
        draw(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    content = stream.getvalue()
    content = content[content.index("<svg") :]
    content = re.sub(r"<metadata>.*?</metadata>\s*", "", content, flags=re.DOTALL)
    content = _REFERENCES.sub(rf"\g<1>{key}-", content)
    return content.replace("<svg ", f'<svg role="img" aria-label="{text(title)}" ', 1).strip()
