"""Maps of a result at chosen depths, and beside a known truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stokeswarm.client.plots.style import LOOKS, MAP_QUANTITIES, NAMES, STYLE, number, save, significant
from stokeswarm.client.results import Floats, Result
from stokeswarm.client.truth import difference
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stokeswarm.client.results import Source

_PANEL_WIDTH = 2.45  # inches


def plot_maps(
    source: Source, path: str | Path, log_tau: Sequence[float] = (0.0, -1.0, -2.0), title: str = ""
) -> Path:
    """Draw maps of T, v, B, γ and χ, one row a depth.

    Parameters
    ----------
    source : DataTree, path or URL
        The result.
    path : path
        PNG, PDF or SVG to write.
    log_tau : sequence of float
        Depths; the nearest depth points are drawn and named.
    title : str

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    NotFoundError
        There is no result.
    InvalidArgumentError
        No depth was asked for.
    """
    if not log_tau:
        raise InvalidArgumentError("plot: at least one log tau is needed")
    result = Result.open(source)
    depths = [float(result.log_tau[np.argmin(np.abs(result.log_tau - t))]) for t in log_tau]
    rows = [{q: result.level(q, depth) for q in MAP_QUANTITIES} for depth in depths]
    labels = [f"log τ = {number(depth)}" for depth in depths]
    return _draw_rows(rows, labels, result, path, title, {})


def plot_comparison(
    source: Source,
    truth: Atmosphere,
    path: str | Path,
    log_tau: float = -1.0,
    title: str = "",
    rms: Mapping[str, float] | None = None,
) -> Path:
    """Draw the truth, the inversion and their difference at one depth.

    Parameters
    ----------
    source : DataTree, path or URL
    truth : Atmosphere
        ny·nx pixels, row by row.
    path : path
    log_tau : float
    title : str
    rms : mapping, optional
        Quantity → number printed above its differences.

    Returns
    -------
    Path

    Raises
    ------
    NotFoundError
        There is no result.
    InvalidArgumentError
        The truth has another number of pixels.
    """
    result = Result.open(source)
    if len(truth) != result.shape[0] * result.shape[1]:
        raise InvalidArgumentError(f"truth: {len(truth)} pixels for a map of {result.shape}")
    row = int(np.argmin(np.abs(truth.log_tau - log_tau)))
    true = {q: truth.arrays()[q][:, row].reshape(result.shape) for q in MAP_QUANTITIES}
    found = {q: result.level(q, log_tau) for q in MAP_QUANTITIES}
    differences = {q: difference(q, found[q], true[q]) for q in MAP_QUANTITIES}
    return _draw_rows(
        [true, found, differences],
        ["truth", "inversion", "inversion − truth"],
        result,
        path,
        title or f"log τ = {number(log_tau)}",
        rms or {},
    )


def _draw_rows(
    rows: Sequence[Mapping[str, Floats]],
    labels: Sequence[str],
    result: Result,
    path: str | Path,
    title: str,
    rms: Mapping[str, float],
) -> Path:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ny, nx = result.shape
    height = _PANEL_WIDTH * float(np.clip(ny / nx, 0.35, 1.6)) + 0.32
    with mpl.rc_context(STYLE):
        size = (0.6 + len(MAP_QUANTITIES) * (_PANEL_WIDTH + 0.45), 0.6 + len(rows) * height)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(rows), len(MAP_QUANTITIES), sharex=True, sharey=True, squeeze=False)
        extent, unit = _extent(result)
        for i, row in enumerate(rows):
            is_difference = labels[i].endswith("− truth")
            # truth and inversion share their colours, or the eye compares scales instead of maps
            shared = [rows[0], rows[1]] if labels[0] == "truth" and not is_difference else [row]
            for j, quantity in enumerate(MAP_QUANTITIES):
                values = [other[quantity] for other in shared]
                limits = (
                    _difference_limits(quantity, row[quantity])
                    if is_difference
                    else _limits(quantity, values)
                )
                colours = "PRGn" if is_difference else LOOKS[quantity].colours
                ax = axes[i, j]
                _panel(figure, ax, row[quantity], quantity, limits, colours, extent)
                if i == 0:
                    ax.set_title(f"{NAMES[quantity]} {LOOKS[quantity].label}")
                if is_difference and quantity in rms:
                    ax.set_title(f"rms {significant(rms[quantity])} {LOOKS[quantity].unit}", fontsize=8.5)
                if i == len(rows) - 1:
                    ax.set_xlabel(f"x [{unit}]")
            axes[i, 0].set_ylabel(f"{labels[i]}\ny [{unit}]")
        if title:
            figure.suptitle(title, fontsize=11)
        return save(figure, path)


def _panel(
    figure: Figure,
    ax: Axes,
    values: Floats,
    quantity: str,
    limits: tuple[float, float],
    colours: str,
    extent: tuple[float, float, float, float],
) -> None:
    look = LOOKS[quantity]
    # what is NaN stays transparent and shows the panel's own hatched grey
    ax.patch.set(facecolor="0.82", edgecolor="0.55", hatch="////")
    image = ax.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        extent=extent,
        interpolation="nearest",
    )
    # an inset keeps the bar exactly as high as its map, whatever the map's shape
    place = ax.inset_axes((1.03, 0.0, 0.045, 1.0))
    bar = figure.colorbar(image, cax=place)
    place.set_title(look.unit, fontsize=7.5, loc="left", pad=3)
    place.tick_params(labelsize=7)
    for spine in place.spines.values():
        spine.set_linewidth(0.5)
    if look.scale in ("half-turn", "circular") and limits == (0.0, 180.0):
        bar.set_ticks([0, 45, 90, 135, 180])


def _limits(quantity: str, maps: Sequence[Floats]) -> tuple[float, float]:
    """Range of the colours, without the last half per cent of outliers."""
    scale = LOOKS[quantity].scale
    if scale in ("half-turn", "circular"):
        return 0.0, 180.0
    values = np.concatenate([m[np.isfinite(m)] for m in maps])
    if values.size == 0:
        return (-1.0, 1.0) if scale == "signed" else (0.0, 1.0)
    low, high = np.percentile(values, [0.5, 99.5])
    if scale == "signed":
        reach = max(abs(low), abs(high), 1e-3)
        return -float(reach), float(reach)
    if scale == "positive":
        return 0.0, float(max(high, 1e-3))
    return float(low), float(max(high, low + 1.0))


def _difference_limits(quantity: str, values: Floats) -> tuple[float, float]:
    finite = np.abs(values[np.isfinite(values)])
    reach = (
        LOOKS[quantity].error if finite.size == 0 else max(LOOKS[quantity].error, np.percentile(finite, 95))
    )
    if quantity == "azimuth":
        reach = min(reach, 90.0)
    return -float(reach), float(reach)


def _extent(result: Result) -> tuple[tuple[float, float, float, float], str]:
    """Edges of the map and the unit of its axes: arcsec where the result has coordinates, else pixels."""
    ny, nx = result.shape
    status = result.tree["fit/status"]
    edges, unit = [], "px"
    for name, n in (("x", nx), ("y", ny)):
        centre = np.arange(n, dtype=float)
        if name in status.coords and n > 1:
            values = np.asarray(status[name].values, dtype=float)
            if np.allclose(np.diff(values), values[1] - values[0]):
                centre, unit = values, str(status[name].attrs.get("units", unit))
        half = 0.5 * (centre[1] - centre[0]) if n > 1 else 0.5
        edges += [centre[0] - half, centre[-1] + half]
    return (edges[0], edges[1], edges[2], edges[3]), unit
