"""What colours, labels and ranges the quantities have in every figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Look:
    """How one quantity is drawn.

    Attributes
    ----------
    label, unit : str
    colours : str
        Colour map.
    scale : {"even", "signed", "positive", "half-turn", "circular"}
        How the range of the colours follows from the numbers.
    error : float
        A difference worth seeing, in the unit: scales of differences are never narrower.
    """

    label: str
    unit: str
    colours: str
    scale: str
    error: float


LOOKS: Final[Mapping[str, Look]] = {
    "temperature": Look("T", "K", "inferno", "even", 100.0),
    "velocity": Look("v", "km s⁻¹", "RdBu_r", "signed", 0.3),
    "field_strength": Look("B", "G", "viridis", "positive", 100.0),
    "inclination": Look("γ", "°", "PuOr", "half-turn", 10.0),
    "azimuth": Look("χ", "°", "twilight", "circular", 20.0),
    "microturbulence": Look("ξ", "km s⁻¹", "cividis", "positive", 0.3),
}
MAP_QUANTITIES: Final = ("temperature", "velocity", "field_strength", "inclination", "azimuth")
NAMES: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "velocity": "line-of-sight velocity",
    "field_strength": "field strength",
    "inclination": "inclination",
    "azimuth": "azimuth",
    "microturbulence": "microturbulence",
}
STYLE: Final[Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "hatch.linewidth": 0.4,
}


def number(value: float) -> str:
    """A number with a true minus sign."""
    return f"{value + 0.0:.4g}".replace("-", "−")


def significant(value: float) -> str:
    """An error with as many digits as it deserves."""
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure, in the format of its suffix, without a display; its folder is made."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)
    return target
