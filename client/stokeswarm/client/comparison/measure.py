"""From two results laid over each other to the numbers of their comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.comparison.outcome import (
    Chi2Ratios,
    Comparison,
    Ends,
    Row,
    Seconds,
    TruthRow,
    Worst,
)
from stokeswarm.client.comparison.pair import Pair, load
from stokeswarm.client.comparison.sides import QUANTITIES, SCALARS, Bools, Key, Map, Side
from stokeswarm.client.comparison.statistics import agreement
from stokeswarm.client.gate import Reason
from stokeswarm.client.layout import NOT_RUN, Start
from stokeswarm.client.progress import words
from stokeswarm.client.truth import DEPTHS, SIGNIFICANT, difference
from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import Status

if TYPE_CHECKING:
    from stokeswarm.client.comparison.pair import Source, Truth

#: ratios of χ² beyond which a fit is called worse, or better
WORSE: Final = 1.1
BETTER: Final = 0.9
#: pixels that are named by their χ² ratio, and by each quantity's difference
WORST_CHI2: Final = 10
WORST_EACH: Final = 5
#: numbers of a whole pixel that differ by less than this everywhere do not vary
_CONSTANT: Final = 1e-6


def compare(
    reference: Source,
    other: Source,
    truth: Truth | None = None,
    log_tau: Sequence[float] = DEPTHS,
    *,
    min_polarisation: float = SIGNIFICANT,
    output: str | Path | None = None,
) -> Comparison:
    """Compare two results of one map, pixel by pixel over those that both have.

    Parameters
    ----------
    reference, other : path, URL, ResultStore or xarray.DataTree
        REF and OTHER; archives of atmospheres too, as of `load`.
    truth : the same, or Atmosphere, optional
        What the map really is.
    log_tau : sequence of float
        Depths.
    min_polarisation : float
        Field and angles are judged once more over the pixels whose polarisation exceeds it [σ].
    output : path, optional
        Folder for ``comparison.json`` and the figures, made if need be; files of the same names are replaced.

    Raises
    ------
    NotFoundError, DataLossError, InvalidArgumentError
        As of `load`; or the limit of polarisation is negative.
    """
    pair = load(reference, other, truth, log_tau)
    found = measure(pair, min_polarisation)
    if output is not None:
        from stokeswarm.client.comparison.report import write_report

        write_report(pair, found, output)
    return found


def measure(pair: Pair, min_polarisation: float = SIGNIFICANT) -> Comparison:
    """Numbers of a pair that is in memory.

    Raises
    ------
    InvalidArgumentError
        The limit of polarisation is negative.
    """
    if not min_polarisation >= 0:
        raise InvalidArgumentError(f"polarisation: expected a limit of at least 0, found {min_polarisation}")
    notes = list(pair.notes)
    if pair.polarisation is None:
        notes.append("no observation with its noise: field and angles are judged over all pixels alone")
    return Comparison(
        reference=pair.reference.name,
        other=pair.other.name,
        truth=None if pair.truth is None else pair.truth.name,
        region=str(pair.window),
        pixels={name: int(chosen.sum()) for name, chosen in pair.selections.items()},
        noise_limit=pair.noise_limit,
        log_tau=pair.log_tau,
        min_polarisation=float(min_polarisation),
        rows=tuple(_rows(pair, min_polarisation)),
        chi2=tuple(_chi2(pair)),
        seconds=_seconds(pair),
        ends=_ends(pair),
        worst=tuple(_worst(pair, min_polarisation)),
        against_truth=tuple(_against_truth(pair, min_polarisation)),
        notes=tuple(notes),
    )


def compared_keys(pair: Pair) -> list[Key]:
    """What both sides have, in the order of the tables; numbers of a whole pixel only where they vary."""
    found = []
    for component in range(min(pair.reference.n_component, pair.other.n_component)):
        wanted = [Key(component, name, depth) for name in QUANTITIES for depth in pair.log_tau]
        wanted += [Key(component, name, None) for name in SCALARS]
        for key in wanted:
            maps = [side.levels.get(key) for side in (pair.reference, pair.other)]
            if any(values is None for values in maps):
                continue
            if key.log_tau is not None or any(_varies(values, pair.common) for values in maps):
                found.append(key)
    return found


def _varies(values: Map | None, common: Bools) -> bool:
    if values is None:
        return False
    known = values[common & np.isfinite(values)]
    return known.size > 1 and float(np.ptp(known)) > _CONSTANT


def _samples(pair: Pair, limit: float) -> Iterator[tuple[Key, str, bool, Bools]]:
    """Maps and the pixels over which they are judged: key, selection, whether polarised, pixels.

    By component and quantity; all its depths over all pixels, then all where it is polarised.
    """
    keys = compared_keys(pair)
    for component, quantity in dict.fromkeys((key.component, key.quantity) for key in keys):
        signal = pair.polarised(quantity, limit)
        depths = [key for key in keys if (key.component, key.quantity) == (component, quantity)]
        for polarised in (False,) if signal is None else (False, True):
            for key in depths:
                for name, chosen in pair.selections.items():
                    judged = chosen & signal if polarised and signal is not None else chosen
                    yield key, name, polarised, judged


def _unit(quantity: str) -> str:
    return STRATIFIED.get(quantity) or SCALAR.get(quantity) or "1"


def _rows(pair: Pair, limit: float) -> Iterator[Row]:
    for key, name, polarised, chosen in _samples(pair, limit):
        a, b = pair.reference.levels[key], pair.other.levels[key]
        yield Row(
            key.quantity,
            _unit(key.quantity),
            key.component + 1,
            key.log_tau,
            name,
            polarised,
            agreement(key.quantity, a[chosen], b[chosen]),
        )


def _against_truth(pair: Pair, limit: float) -> Iterator[TruthRow]:
    if pair.truth is None:
        return
    for key, name, polarised, chosen in _samples(pair, limit):
        if key not in pair.truth.levels:
            continue
        true = pair.truth.levels[key]
        a, b = pair.reference.levels[key], pair.other.levels[key]
        # The same pixels for both, or the one that fails where it is hard would look the better.
        use = chosen & np.isfinite(true) & np.isfinite(a) & np.isfinite(b)
        yield TruthRow(
            key.quantity,
            _unit(key.quantity),
            key.component + 1,
            key.log_tau,
            name,
            polarised,
            agreement(key.quantity, true[use], a[use]),
            agreement(key.quantity, true[use], b[use]),
        )


def chi2_ratio(pair: Pair) -> npt.NDArray[np.float64] | None:
    """χ² of OTHER over REF (ny, nx); NaN where either is missing or REF's is 0; None without any χ²."""
    a, b = pair.reference.chi2, pair.other.chi2
    if a is None or b is None:
        return None
    known = pair.common & np.isfinite(a) & np.isfinite(b) & (a > 0)
    ratio = np.full(a.shape, np.nan)
    ratio[known] = b[known].astype(np.float64) / a[known]
    return ratio


def _chi2(pair: Pair) -> Iterator[Chi2Ratios]:
    ratio, a, b = chi2_ratio(pair), pair.reference.chi2, pair.other.chi2
    if ratio is None or a is None or b is None:
        return
    for name, chosen in pair.selections.items():
        use = chosen & np.isfinite(ratio)
        values = ratio[use]
        if not values.size:
            continue
        yield Chi2Ratios(
            selection=name,
            pixels=int(values.size),
            reference=float(np.median(a[use])),
            other=float(np.median(b[use])),
            median=float(np.median(values)),
            p99=float(np.percentile(values, 99.0)),
            worse=float((values > WORSE).mean()),
            better=float((values < BETTER).mean()),
        )


def _seconds(pair: Pair) -> Seconds | None:
    a, b = pair.reference, pair.other
    if a.seconds is None or b.seconds is None:
        return None
    worked = np.isfinite(a.seconds) & np.isfinite(b.seconds)
    for side in (a, b):
        if side.status is not None:
            worked &= ~np.isin(side.status, (NOT_RUN, int(Status.MASKED), int(Status.INVALID_INPUT)))
    if not worked.any():
        return None
    return Seconds(
        int(worked.sum()),
        float(a.seconds[worked].mean(dtype=np.float64)),
        float(b.seconds[worked].mean(dtype=np.float64)),
    )


def _ends(pair: Pair) -> Ends:
    a, b = pair.reference, pair.other
    status: dict[str, dict[str, int]] = {}
    if a.status is not None and b.status is not None:
        codes, counts = np.unique(np.stack([a.status.ravel(), b.status.ravel()]), axis=1, return_counts=True)
        for one, two, count in zip(*codes.tolist(), counts.tolist(), strict=True):
            status.setdefault(_status_name(one), {})[_status_name(two)] = count
    sides = {"reference": a, "other": b}
    return Ends(
        status,
        {name: _starts(side) for name, side in sides.items()},
        {name: _gate(side) for name, side in sides.items()},
        lost=int((a.has_result & ~b.has_result).sum()),
        gained=int((b.has_result & ~a.has_result).sum()),
    )


def _status_name(code: int) -> str:
    return words(Status(code)) if code in set(Status) else "not run" if code == NOT_RUN else f"status {code}"


def _starts(side: Side) -> dict[str, int]:
    if side.start is None:
        return {}
    codes, counts = np.unique(side.start[side.has_result], return_counts=True)
    return {_name(Start, code): count for code, count in zip(codes.tolist(), counts.tolist(), strict=True)}


def _gate(side: Side) -> dict[str, int]:
    if side.gate is None:
        return {}
    found = {
        _name(Reason, bit): count
        for bit in (1 << shift for shift in range(8))
        if (count := int(((side.gate & np.uint8(bit)) != 0).sum()))
    }
    return {"any": int((side.gate != 0).sum()), **found} if found else {}


def _name(kind: type[IntEnum | IntFlag], code: int) -> str:
    """A code as the store's attributes name it; a number for one of a newer version."""
    names: dict[int, Any] = {int(member): member.name for member in kind}
    return str(names[code]).lower() if code in names else f"code {code}"


def _worst(pair: Pair, limit: float) -> Iterator[Worst]:
    ratio, a, b = chi2_ratio(pair), pair.reference.chi2, pair.other.chi2
    if ratio is not None and a is not None and b is not None:
        for y, x in _largest(ratio, WORST_CHI2):
            yield _pixel(pair, Key(0, "chi2", None), y, x, a, b, float(ratio[y, x]))
    done: set[tuple[int, str]] = set()
    keys = compared_keys(pair)
    for component, quantity, _ in keys:
        if (component, quantity) in done:
            continue
        done.add((component, quantity))
        signal = pair.polarised(quantity, limit)
        chosen = pair.common if signal is None else pair.common & signal
        depths = [key for key in keys if (key.component, key.quantity) == (component, quantity)]
        largest, where = np.full(chosen.shape, np.nan), np.zeros(chosen.shape, np.int64)
        for index, key in enumerate(depths):
            delta = np.abs(_difference(pair, key))
            wins = chosen & np.isfinite(delta) & ~(delta <= largest)
            largest[wins], where[wins] = delta[wins], index
        for y, x in _largest(largest, WORST_EACH):
            key = depths[int(where[y, x])]
            one, two = pair.reference.levels[key], pair.other.levels[key]
            delta = difference(quantity, two[y : y + 1, x].astype(float), one[y : y + 1, x].astype(float))
            yield _pixel(pair, key, y, x, one, two, float(delta[0]))


def _difference(pair: Pair, key: Key) -> npt.NDArray[np.float64]:
    one, two = (side.levels[key].astype(np.float64) for side in (pair.reference, pair.other))
    return difference(key.quantity, two, one)


def _largest(values: npt.NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """Rows and columns of the largest values, largest first; NaN and 0 never count."""
    flat = np.where(values > 0, values, -np.inf).ravel()
    few = np.argpartition(-flat, min(count, flat.size) - 1)[:count]
    order = few[np.lexsort((few, -flat[few]))]
    width = values.shape[1]
    return [(int(i) // width, int(i) % width) for i in order if np.isfinite(flat[i])]


def _pixel(pair: Pair, key: Key, row: int, column: int, a: Map, b: Map, delta: float) -> Worst:
    y, x = pair.window.y0 + row, pair.window.x0 + column
    return Worst(
        key.quantity,
        key.component + 1,
        key.log_tau,
        y,
        x,
        pair.reference.position(y, x),
        pair.other.position(y, x),
        float(a[row, column]),
        float(b[row, column]),
        delta,
    )
