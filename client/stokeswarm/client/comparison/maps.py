"""Maps of both results and of their difference: one figure a quantity, one row a depth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.comparison.measure import compared_keys
from stokeswarm.client.comparison.outcome import Comparison
from stokeswarm.client.comparison.pair import Pair
from stokeswarm.client.comparison.sides import QUANTITIES, Bools, Key
from stokeswarm.client.comparison.table import correlation, significant
from stokeswarm.client.plots.style import LOOKS, NAMES, STYLE, number, save
from stokeswarm.client.truth import difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: inches of a map's longer and shorter side
_LONG: Final = 3.4
_SHORT: Final = 1.3
_DIFFERENCE: Final = "PRGn"
#: opacity of a difference whose polarisation is too weak to mean much
_FAINT: Final = 0.25

Floats = npt.NDArray[np.float64]


def draw_maps(pair: Pair, found: Comparison, folder: Path) -> tuple[Path, ...]:
    """Draw ``map-<quantity>.png`` for every quantity (``…-2.png`` of a second component).

    REF and OTHER share their colours. Without a result a pixel is hatched grey; where the polarisation is
    weaker than the limit, differences of field and angles are faint.
    """
    keys = [key for key in compared_keys(pair) if key.quantity in QUANTITIES]
    written = []
    for component, quantity in dict.fromkeys((key.component, key.quantity) for key in keys):
        chosen = [key for key in keys if (key.component, key.quantity) == (component, quantity)]
        name = quantity if component == 0 else f"{quantity}-{component + 1}"
        written.append(_figure(pair, found, chosen, folder / f"map-{name}.png"))
    return tuple(written)


def _figure(pair: Pair, found: Comparison, keys: list[Key], path: Path) -> Path:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    quantity, component = keys[0].quantity, keys[0].component
    look = LOOKS[quantity]
    ny, nx = pair.window.shape
    width, height = _panel_size(ny, nx)
    with mpl.rc_context(STYLE):
        size = (0.7 + 3 * (width + 0.62), 0.75 + len(keys) * (height + 0.3))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(keys), 3, sharex=True, sharey=True, squeeze=False)
        strong = pair.polarised(quantity, found.min_polarisation)
        for row, key in enumerate(keys):
            a, b = (side.levels[key].astype(np.float64) for side in (pair.reference, pair.other))
            delta = difference(quantity, b, a)
            limits = _limits(look.scale, [a, b])
            _panel(figure, axes[row, 0], pair, a, look.colours, limits, look.unit)
            _panel(figure, axes[row, 1], pair, b, look.colours, limits, look.unit)
            reach = _reach(quantity, delta, pair.common if strong is None else pair.common & strong)
            _panel(figure, axes[row, 2], pair, delta, _DIFFERENCE, (-reach, reach), look.unit, strong)
            axes[row, 0].set_ylabel(f"log τ = {number(key.log_tau or 0.0)}\ny [px]")
            numbers = found.row(quantity, key.log_tau, polarised=strong is not None, component=component + 1)
            caption = f"r = {correlation(numbers.correlation)}   rms {significant(numbers.rms)} {look.unit}"
            axes[row, 2].set_title(caption, fontsize=8.0)
        for column, title in enumerate(("REF", "OTHER")):
            axes[0, column].set_title(title)
        axes[0, 2].set_title(f"OTHER − REF\n{axes[0, 2].get_title()}", fontsize=8.0)
        for ax in axes[-1]:
            ax.set_xlabel("x [px]")
        of = f", component {component + 1}" if component else ""
        limit = f"polarisation > {found.min_polarisation:g} σ; differences elsewhere are faint"
        faint = "" if strong is None else f"   (r and rms where the {limit})"
        figure.suptitle(f"{NAMES[quantity]} {look.label}{of}{faint}", fontsize=11)
        return save(figure, path)


def _panel_size(ny: int, nx: int) -> tuple[float, float]:
    """Inches of a panel that shows square pixels, within reason for very long slits."""
    scale = _LONG / max(ny, nx)
    return max(_SHORT, nx * scale), max(_SHORT, ny * scale)


def _panel(
    figure: Figure,
    ax: Axes,
    pair: Pair,
    values: Floats,
    colours: str,
    limits: tuple[float, float],
    unit: str,
    strong: Bools | None = None,
) -> None:
    window = pair.window
    ax.patch.set(facecolor="0.82", edgecolor="0.55", hatch="////")
    extent = (window.x0 - 0.5, window.x1 - 0.5, window.y0 - 0.5, window.y1 - 0.5)
    common: dict[str, Any] = {"origin": "lower", "extent": extent, "interpolation": "nearest"}
    image = ax.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=limits[0], vmax=limits[1], **common)
    if strong is not None:
        # A veil of white over the weak pixels: transparency would let the hatching through.
        veil = np.zeros((*values.shape, 4))
        veil[..., :3] = 1.0
        veil[..., 3] = np.where(strong | ~np.isfinite(values), 0.0, 1.0 - _FAINT)
        ax.imshow(veil, **common)
    place = ax.inset_axes((1.03, 0.0, 0.045, 1.0))
    bar = figure.colorbar(image, cax=place, extend="both" if strong is not None else "neither")
    place.set_title(unit, fontsize=7.5, loc="left", pad=3)
    place.tick_params(labelsize=7)
    for spine in place.spines.values():
        spine.set_linewidth(0.5)
    if limits == (0.0, 180.0):
        bar.set_ticks([0, 45, 90, 135, 180])


def _limits(scale: str, maps: list[Floats]) -> tuple[float, float]:
    """Range of the colours of both maps, without the last half per cent of outliers."""
    if scale in ("half-turn", "circular"):
        return 0.0, 180.0
    values = np.concatenate([m[np.isfinite(m)] for m in maps])
    low, high = np.percentile(values, [0.5, 99.5]) if values.size else (0.0, 1.0)
    if scale == "signed":
        reach = max(abs(float(low)), abs(float(high)), 1e-3)
        return -reach, reach
    if scale == "positive":
        return 0.0, max(float(high), 1e-3)
    return float(low), max(float(high), float(low) + 1.0)


def _reach(quantity: str, delta: Floats, judged: Bools) -> float:
    """Half the range of a map of differences: 98 % of those that mean something."""
    values = np.abs(delta[judged & np.isfinite(delta)])
    widest = 90.0 if quantity == "azimuth" else np.inf
    least = 0.3 * LOOKS[quantity].error
    return float(min(widest, max(least, np.percentile(values, 98.0) if values.size else 0.0)))
