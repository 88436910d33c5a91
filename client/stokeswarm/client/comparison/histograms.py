"""Logarithmic two-dimensional histograms REF against OTHER, and what became of χ²."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.comparison.measure import BETTER, WORSE, chi2_ratio, compared_keys
from stokeswarm.client.comparison.outcome import ALL, REACHED_NOISE, Chi2Ratios, Comparison, Row
from stokeswarm.client.comparison.pair import Pair
from stokeswarm.client.comparison.sides import QUANTITIES, Key
from stokeswarm.client.comparison.table import correlation, significant
from stokeswarm.client.plots.style import LOOKS, STYLE, number, save
from stokeswarm.client.truth import difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from stokeswarm.client.comparison.statistics import Ellipse

#: inches from panel to panel
_WIDTH, _HEIGHT = 2.3, 2.12
_BINS: Final = 64
#: ratios that an axis may name
_TICKS: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.1, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
_LINE, _ELLIPSE, _GOOD, _BAD = "#4a4a4a", "#1b7f79", "#2a7f62", "#d1495b"

Floats = npt.NDArray[np.float64]


def draw_correlations(pair: Pair, found: Comparison, path: Path, selection: str = ALL) -> Path:
    """Draw one panel a quantity and depth: log counts, the 1:1 line and the 99 % ellipse.

    Field and angles are shown where the polarisation exceeds the limit, if that is known. Azimuths lie on the
    branch of OTHER that is nearest to REF's.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    keys = [key for key in compared_keys(pair) if key.quantity in QUANTITIES and key.component == 0]
    quantities = list(dict.fromkeys(key.quantity for key in keys))
    with mpl.rc_context(STYLE):
        size = (0.9 + len(quantities) * _WIDTH, 0.75 + len(pair.log_tau) * _HEIGHT)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(pair.log_tau), len(quantities), squeeze=False)
        meshes = []
        for j, quantity in enumerate(quantities):
            polarised = pair.polarised(quantity, found.min_polarisation) is not None
            rows = [found.row(quantity, d, selection=selection, polarised=polarised) for d in pair.log_tau]
            limits = _limits(pair, rows, selection, found.min_polarisation)
            for i, (depth, row) in enumerate(zip(pair.log_tau, rows, strict=True)):
                sample = _sample(pair, Key(0, quantity, depth), selection, found.min_polarisation)
                meshes.append(_panel(axes[i, j], sample, limits, row))
                if j == 0:
                    axes[i, j].set_ylabel(f"log τ = {number(depth)}\nOTHER")
            look = LOOKS[quantity]
            above = f", pol. > {found.min_polarisation:g} σ" if polarised else ""
            axes[0, j].set_title(f"{look.label} [{look.unit}]{above}")
            axes[-1, j].set_xlabel("REF")
        _share_colours(figure, meshes, axes)
        which = "where REF reached the noise" if selection == REACHED_NOISE else "all common pixels"
        figure.suptitle(f"OTHER against REF, {which}: {found.pixels[selection]} pixels", fontsize=11)
        return save(figure, path)


def _sample(pair: Pair, key: Key, selection: str, limit: float) -> tuple[Floats, Floats]:
    """REF and OTHER of the pixels of a panel."""
    signal = pair.polarised(key.quantity, limit)
    chosen = pair.selections[selection]
    chosen = chosen if signal is None else chosen & signal
    a, b = (side.levels[key][chosen].astype(np.float64) for side in (pair.reference, pair.other))
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    return a, a + difference(key.quantity, b, a)


def _limits(pair: Pair, rows: Sequence[Row], selection: str, limit: float) -> tuple[float, float]:
    """One range for all depths and both axes, so that panels can be compared by eye; ellipses fit into it."""
    quantity = rows[0].quantity
    if quantity in ("inclination", "azimuth"):
        return 0.0, 180.0
    low, high = np.inf, -np.inf
    for row, depth in zip(rows, pair.log_tau, strict=True):
        for part in _sample(pair, Key(0, quantity, depth), selection, limit):
            if part.size:
                bounds = np.percentile(part, [0.1, 99.9])
                low, high = min(low, float(bounds[0])), max(high, float(bounds[1]))
        shape = row.agreement.ellipse
        if shape is not None:
            tilt = np.deg2rad(shape.tilt)
            x = float(np.hypot(shape.major * np.cos(tilt), shape.minor * np.sin(tilt)))
            y = float(np.hypot(shape.major * np.sin(tilt), shape.minor * np.cos(tilt)))
            low = min(low, shape.reference - x, shape.other - y)
            high = max(high, shape.reference + x, shape.other + y)
    if not np.isfinite(high - low):
        return 0.0, 1.0
    if LOOKS[quantity].scale == "positive":
        low = max(low, 0.0)
    margin = max(0.04 * (high - low), 0.05 * LOOKS[quantity].error)
    return low - margin, high + margin


def _panel(ax: Axes, sample: tuple[Floats, Floats], limits: tuple[float, float], row: Row) -> Any:
    from matplotlib.colors import LogNorm

    edges = np.linspace(*limits, _BINS + 1)
    counts, _, _ = np.histogram2d(*sample, bins=(edges, edges))
    ax.plot(limits, limits, "--", color=_LINE, lw=0.8, zorder=3)
    if row.agreement.ellipse is not None:
        _outline(ax, row.agreement.ellipse)
    # Each panel's colours are set together, once the largest count is known.
    mesh = ax.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), cmap=_counts(), norm=LogNorm(1, 10))
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    if limits == (0.0, 180.0):
        ax.set_xticks([0, 60, 120, 180])
        ax.set_yticks([0, 60, 120, 180])
    else:
        ax.locator_params(nbins=4)
    text = f"r = {correlation(row.correlation)}\nrms {significant(row.rms)}"
    ax.text(0.05, 0.95, text, transform=ax.transAxes, va="top", fontsize=7.5, linespacing=1.35)
    return mesh


def _counts() -> Colormap:
    """Colours of counts: a single pixel must be seen on white."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("counts", mpl.colormaps["magma_r"](np.linspace(0.16, 1.0, 256)))


def _outline(ax: Axes, shape: Ellipse) -> None:
    from matplotlib.patches import Ellipse as Patch

    centre = (shape.reference, shape.other)
    ax.add_patch(
        Patch(centre, 2 * shape.major, 2 * shape.minor, angle=shape.tilt, fill=False, ec=_ELLIPSE, lw=1.0)
    )


def _share_colours(figure: Figure, meshes: Sequence[Any], axes: npt.NDArray[Any]) -> None:
    largest = max((float(mesh.get_array().max() or 0) for mesh in meshes), default=0.0)
    for mesh in meshes:
        mesh.norm.vmax = max(largest, 2.0)
    bar = figure.colorbar(meshes[0], ax=axes, fraction=0.012, pad=0.01, aspect=40)
    bar.set_label("pixels")
    _plain(bar.ax.yaxis)


def draw_chi2(pair: Pair, found: Comparison, path: Path) -> Path | None:
    """Draw χ² of both, the map of their ratio, and the histogram of the ratios; None without any χ²."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ratio = chi2_ratio(pair)
    if ratio is None or not found.chi2 or pair.reference.chi2 is None or pair.other.chi2 is None:
        return None
    known = np.isfinite(ratio) & (ratio > 0)
    with mpl.rc_context(STYLE):
        ny, nx = pair.window.shape
        map_width = float(np.clip(nx / ny, 0.5, 1.6))
        figure = Figure(figsize=(2.2 + 3.1 * (map_width + 2.2), 3.9), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(map_width, 1.0, 1.1))
        _ratio_map(figure, left, pair, ratio)
        _chi2_plane(figure, middle, pair.reference.chi2[known], pair.other.chi2[known], found.noise_limit)
        _ratio_histogram(right, ratio[known], found.chi2)
        return save(figure, path)


def _ratio_map(figure: Figure, ax: Axes, pair: Pair, ratio: Floats) -> None:
    window = pair.window
    ax.patch.set(facecolor="0.82", edgecolor="0.55", hatch="////")
    shown = np.full(ratio.shape, np.nan)
    positive = np.isfinite(ratio) & (ratio > 0)
    shown[positive] = np.log2(ratio[positive])
    image = ax.imshow(
        np.ma.masked_invalid(shown),
        origin="lower",
        extent=(window.x0 - 0.5, window.x1 - 0.5, window.y0 - 0.5, window.y1 - 0.5),
        interpolation="nearest",
        cmap="PRGn_r",
        vmin=-1.0,
        vmax=1.0,
    )
    bar = figure.colorbar(image, cax=ax.inset_axes((1.03, 0.0, 0.045, 1.0)), extend="both")
    bar.set_ticks([-1.0, -0.5, 0.0, 0.5, 1.0], labels=["½", "0.7", "1", "1.4", "2"])
    ax.set(title="χ² OTHER / REF", xlabel="x [px]", ylabel="y [px]")


def _chi2_plane(figure: Figure, ax: Axes, a: Any, b: Any, limit: float | None) -> None:
    from matplotlib.colors import LogNorm

    x, y = np.log10(a[(a > 0) & (b > 0)]), np.log10(b[(a > 0) & (b > 0)])
    low, high = (float(v) for v in np.percentile(np.concatenate([x, y]), [0.1, 99.9]))
    edges = np.linspace(low - 0.05, max(high, low + 0.1) + 0.05, _BINS + 1)
    counts, _, _ = np.histogram2d(x, y, bins=(edges, edges))
    mesh = ax.pcolormesh(
        10.0**edges, 10.0**edges, np.ma.masked_equal(counts.T, 0), cmap=_counts(), norm=LogNorm(vmin=1)
    )
    ends = (10.0 ** edges[0], 10.0 ** edges[-1])
    ax.plot(ends, ends, "--", color=_LINE, lw=0.8)
    if limit is not None and limit < ends[1]:
        ax.axvline(limit, color=_GOOD, lw=0.8, ls=":")
        ax.text(
            limit,
            0.97,
            "noise reached",
            transform=ax.get_xaxis_transform(),
            ha="right",
            va="top",
            rotation=90,
            fontsize=7,
            color=_GOOD,
        )
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        _plain(axis)
    ax.set(xlabel="χ² REF", ylabel="χ² OTHER", title="reduced χ²")
    place = ax.inset_axes((1.03, 0.0, 0.045, 1.0))
    figure.colorbar(mesh, cax=place)
    _plain(place.yaxis)
    place.set_title("pixels", fontsize=7.5, loc="left", pad=3)


def _ratio_histogram(ax: Axes, ratio: Floats, chi2: Sequence[Chi2Ratios]) -> None:
    low, high = np.percentile(ratio, [0.2, 99.8])
    low, high = min(float(low), 0.7), max(float(high), 1.5)
    bins = np.geomspace(low, high, 80)
    ax.hist(np.clip(ratio, low, high), bins=list(bins), color="#6b7fa3", log=True)
    ax.set_ylim(bottom=0.7)
    _plain(ax.yaxis)
    ax.axvspan(WORSE, high, color=_BAD, alpha=0.10, lw=0)
    ax.axvspan(low, BETTER, color=_GOOD, alpha=0.10, lw=0)
    ax.axvline(1.0, color=_LINE, lw=0.8, ls="--")
    found = chi2[0]
    title = (
        f"median {significant(found.median, 3)}, 99 % below {significant(found.p99, 3)}\n"
        f"better than {BETTER}: {100 * found.better:.1f} %, worse than {WORSE}: {100 * found.worse:.1f} %"
    )
    ax.set(xscale="log", xlim=(low, high), xlabel="χ² OTHER / REF", ylabel="pixels", box_aspect=0.9)
    ax.set_title(title, fontsize=8.5)
    ticks = [tick for tick in _TICKS if low <= tick <= high]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xticks([], minor=True)


def _plain(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2 and 5 (far reaching ones at 1) with plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else 9.0
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.0 else (1.0,)))
    axis.set_minor_locator(NullLocator() if decades < 2.0 else LogLocator(subs="auto"))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda *_: ""))
