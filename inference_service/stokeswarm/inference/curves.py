"""The loss curve of a training, as a table and as a drawing that a browser shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

import numpy as np

#: size of the drawing and of its margins, px
_WIDTH: Final = 720
_HEIGHT: Final = 420
_LEFT: Final = 70
_RIGHT: Final = 20
_TOP: Final = 40
_BOTTOM: Final = 50
#: most labels on the axis of epochs
_LABELS: Final = 8


@dataclass(frozen=True, slots=True)
class Epoch:
    """Figures after one epoch.

    Attributes
    ----------
    number : int
        From 1.
    training, validation : float
        Weighted mean square error of the standardised values: 1 is a network that knows only the mean.
    likelihood : float
        The loss that is minimised, on the validation part.
    rate : float
        The learning rate at the end of the epoch.
    minutes : float
        Of training so far.
    """

    number: int
    training: float
    validation: float
    likelihood: float
    rate: float
    minutes: float


def table(history: Sequence[Epoch]) -> str:
    """Comma-separated values, a line an epoch, with a head."""
    lines = [",".join(column.name for column in fields(Epoch))]
    lines += [",".join(f"{value:.6g}" for value in astuple(epoch)) for epoch in history]
    return "\n".join(lines) + "\n"


def drawing(history: Sequence[Epoch]) -> str:
    """An SVG of training and validation loss against the epoch, logarithmic in the loss."""
    losses = {
        "training": [epoch.training for epoch in history],
        "validation": [epoch.validation for epoch in history],
    }
    positive = [loss for values in losses.values() for loss in values if loss > 0]
    low, high = (min(positive), max(positive)) if positive else (0.1, 1.0)
    bottom, top = np.log10(low) - 0.05, np.log10(high) + 0.05
    last = max(2, len(history))

    def x(number: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (number - 1) / (last - 1)

    def y(loss: float) -> float:
        share = (np.log10(max(loss, low)) - bottom) / (top - bottom)
        return float(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_grid(bottom, top, last, x, y),
    ]
    for number, (name, values) in enumerate(losses.items()):
        colour = ("#888888", "#c8102e")[number]
        points = " ".join(f"{x(epoch + 1):.1f},{y(loss):.1f}" for epoch, loss in enumerate(values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{_LEFT + 110 * number}" y="24" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 12}" text-anchor="middle">epoch</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="24" text-anchor="end">weighted mean square error</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(
    bottom: float, top: float, last: int, x: Callable[[float], float], y: Callable[[float], float]
) -> list[str]:
    """Lines and labels at round losses, labels at some epochs."""
    parts = []
    decades = range(int(np.floor(bottom)), int(np.ceil(top)) + 1)
    for loss in [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]:
        if bottom <= np.log10(loss) <= top:
            parts.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" '
                'stroke="#dddddd"/>'
            )
            parts.append(f'<text x="{_LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:g}</text>')
    step = max(1, -(-last // _LABELS))
    for epoch in range(step, last + 1, step):
        place = _HEIGHT - _BOTTOM + 18
        parts.append(f'<text x="{x(epoch):.1f}" y="{place}" text-anchor="middle">{epoch}</text>')
    return parts
