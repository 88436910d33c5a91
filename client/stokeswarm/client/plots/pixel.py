"""One pixel: its profiles with their fit, and its atmosphere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stokeswarm.client.plots.style import LOOKS, NAMES, STYLE, Look, save
from stokeswarm.client.results import Floats, Result
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from stokeswarm.client.results import Source

_OBSERVED, _FITTED, _START, _TRUE = "#222222", "#d1495b", "#7a7a7a", "#2a7f62"


def plot_pixel(source: Source, y: int, x: int, path: str | Path, truth: Atmosphere | None = None) -> Path:
    """Draw one pixel: observed and fitted profiles with their residuals, and the atmosphere with its errors.

    Parameters
    ----------
    source : DataTree, path or URL
    y, x : int
        Pixel.
    path : path
    truth : Atmosphere, optional
        ny·nx pixels, row by row.

    Returns
    -------
    Path

    Raises
    ------
    NotFoundError
        There is no result, or the map has no such pixel.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    result = Result.open(source)
    status = Status(int(result.pixel("fit/status", y, x)))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.0, 7.2), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1.0), squeeze=False)[0]
        _profiles(left, result, y, x)
        _stratification(right, result, y, x, truth)
        heading = f"pixel y = {y}, x = {x}   ·   {status.name.lower().replace('_', ' ')}"
        if "fit/chi2" in result and status.has_result:
            heading += f"   ·   χ² = {float(result.pixel('fit/chi2', y, x)):.2f}"
        figure.suptitle(heading, fontsize=11)
        return save(figure, path)


def _profiles(figure: Any, result: Result, y: int, x: int) -> None:
    """I, Q, U, V of a pixel, each above its residual."""
    wavelength = result.wavelength
    fit = result.pixel("fit/stokes", y, x)
    observed = result.pixel("observation/stokes", y, x) if "observation/stokes" in result else None
    # regions are apart: a line across the gap would be an invention
    cuts = np.flatnonzero(np.diff(wavelength) > 5 * np.median(np.diff(wavelength))) + 1
    pieces = np.split(np.arange(wavelength.size), cuts)
    axes = figure.subplots(4, 2, height_ratios=(3, 1, 3, 1), sharex=True)
    for k, stokes in enumerate("IQUV"):
        i, j = 2 * (k // 2), k % 2
        top, bottom = axes[i, j], axes[i + 1, j]
        for number, piece in enumerate(pieces):
            if observed is not None:
                top.plot(
                    wavelength[piece],
                    observed[k, piece],
                    ".",
                    color=_OBSERVED,
                    ms=2.6,
                    label="observed" if number == 0 else None,
                )
                bottom.plot(wavelength[piece], 1e3 * (observed - fit)[k, piece], "-", color=_OBSERVED, lw=0.7)
            top.plot(
                wavelength[piece],
                fit[k, piece],
                color=_FITTED,
                lw=1.2,
                label="fitted" if number == 0 else None,
            )
        bottom.axhline(0.0, color=_FITTED, lw=0.8)
        top.set_ylabel(f"{stokes} / I$_c$")
        bottom.set_ylabel("O − F\n[10⁻³]", fontsize=7.5)
        if i == 2:
            bottom.set_xlabel("wavelength [Å]")
            bottom.ticklabel_format(axis="x", useOffset=False)
        if k == 0:
            top.legend(frameon=False, loc="lower right", handletextpad=0.4)
    for ax in axes.flat:
        ax.margins(x=0.01)


def _stratification(figure: Any, result: Result, y: int, x: int, truth: Atmosphere | None) -> None:
    """Quantities with log τ: result with its 1σ band, start, and truth where it is known."""
    log_tau = result.log_tau
    axes = figure.subplots(3, 2, sharex=True)
    for ax, (quantity, look) in zip(axes.flat, LOOKS.items(), strict=True):
        values = result.pixel(f"atmosphere/{quantity}", y, x).astype(float)
        if quantity == "azimuth":
            values = _continuous(values)
        if f"uncertainty/{quantity}" in result:
            error = result.pixel(f"uncertainty/{quantity}", y, x).astype(float)
            ax.fill_between(log_tau, values - error, values + error, color=_FITTED, alpha=0.2, lw=0)
        if f"initial/{quantity}" in result:
            start = result.pixel(f"initial/{quantity}", y, x).astype(float)
            start = _near(start, values) if quantity == "azimuth" else start
            ax.plot(log_tau, start, "--", color=_START, lw=1.0, label="start")
        if truth is not None:
            row = truth.arrays()[quantity][y * result.shape[1] + x]
            if quantity == "azimuth":
                row = _near(row, np.interp(truth.log_tau, log_tau[::-1], values[::-1]))
            ax.plot(truth.log_tau, row, "-", color=_TRUE, lw=1.2, label="truth")
        ax.plot(log_tau, values, color=_FITTED, lw=1.5, label="inversion")
        drawn = values[np.isfinite(values)]
        if drawn.size and look.scale != "even":
            _open_up(ax, drawn, look)
        ax.set_ylabel(f"{look.label} [{look.unit}]")
        ax.set_title(NAMES[quantity])
    axes[0, 0].set_xlim(log_tau[0], log_tau[-1])
    for ax in axes[-1]:
        ax.set_xlabel("log τ")
    axes[0, 0].legend(frameon=False, loc="upper right")


def _open_up(ax: Axes, values: Floats, look: Look) -> None:
    """Widen an axis on which a constant would look like noise; narrow one on which errors hide the result."""
    low, high = ax.get_ylim()
    centre = 0.5 * (values.min() + values.max())
    least, most = 1.5 * look.error, max(6 * look.error, 3.0 * float(np.ptp(values)))
    low = min(max(low, centre - max(most, values.max() - centre)), centre - least)
    high = max(min(high, centre + max(most, centre - values.min())), centre + least)
    ax.set_ylim(low, high)


def _continuous(azimuth: Floats) -> Floats:
    """Azimuth without jumps of 180° between neighbouring depths."""
    finite = np.isfinite(azimuth)
    result = azimuth.copy()
    result[finite] = np.unwrap(azimuth[finite], period=180.0)
    return result


def _near(azimuth: Floats, reference: Floats) -> Floats:
    """Azimuth on the branch that lies nearest to a reference."""
    continuous = _continuous(azimuth)
    offset = np.nanmedian(reference - continuous) if np.isfinite(reference - continuous).any() else 0.0
    return np.asarray(continuous + 180.0 * np.round(offset / 180.0))
