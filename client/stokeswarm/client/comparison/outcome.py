"""What a comparison found: frozen numbers, as a table, as JSON, or by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from stokeswarm.client.comparison.statistics import Agreement
from stokeswarm.contract.errors import NotFoundError

#: all pixels with a result on both sides
ALL: Final = "all"
#: of those, where REF fits down to the noise
REACHED_NOISE: Final = "reached_noise"


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity at one depth over one selection of pixels.

    Attributes
    ----------
    quantity, unit : str
    component : int
        From 1, as the store names its groups.
    log_tau : float or None
        None of a number of the whole pixel.
    selection : {"all", "reached_noise"}
    polarised : bool
        Whether only pixels count whose polarisation exceeds the limit.
    agreement : Agreement
    """

    quantity: str
    unit: str
    component: int
    log_tau: float | None
    selection: str
    polarised: bool
    agreement: Agreement

    @property
    def correlation(self) -> float:
        """Pearson's, for azimuths circular."""
        return self.agreement.correlation

    @property
    def rms(self) -> float:
        """Root mean square of OTHER − REF."""
        return self.agreement.rms

    @property
    def bias(self) -> float:
        """Mean of OTHER − REF."""
        return self.agreement.bias

    @property
    def pixels(self) -> int:
        """Pixels that count."""
        return self.agreement.pixels

    def as_dict(self) -> dict[str, Any]:
        """One flat record, the ellipse in one of its own."""
        record = asdict(self)
        numbers: dict[str, Any] = record.pop("agreement")
        return record | numbers


@dataclass(frozen=True, slots=True)
class Chi2Ratios:
    """Reduced χ² of OTHER over REF, pixel by pixel.

    Attributes
    ----------
    selection : {"all", "reached_noise"}
    pixels : int
        With a χ² on both sides.
    reference, other : float
        Medians of the two χ².
    median, p99 : float
        Of the ratio; 99 % of the pixels have a smaller one than ``p99``.
    worse, better : float
        Shares of pixels with a ratio above 1.1, and below 0.9.
    """

    selection: str
    pixels: int
    reference: float
    other: float
    median: float
    p99: float
    worse: float
    better: float

    def as_dict(self) -> dict[str, Any]:
        """One record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Seconds:
    """CPU seconds in the engine, over the pixels that went through it on both sides.

    They are what the stores record: all attempts of a pixel, the full cycles that the gate ordered among
    them, and every start of ``best-of``. Not in them: the network's own time, transport, queues.

    Attributes
    ----------
    pixels : int
    reference, other : float
        Core-seconds a pixel, mean.
    """

    pixels: int
    reference: float
    other: float

    @property
    def ratio(self) -> float:
        """OTHER over REF; below 1 is cheaper."""
        return self.other / self.reference if self.reference > 0 else math.nan

    @property
    def speedup(self) -> float:
        """REF over OTHER: how many times fewer core-seconds OTHER took."""
        return self.reference / self.other if self.other > 0 else math.nan

    def as_dict(self) -> dict[str, Any]:
        """One record, ratios included."""
        return asdict(self) | {"ratio": self.ratio, "speedup": self.speedup}


@dataclass(frozen=True, slots=True)
class Ends:
    """How the pixels of the common window ended.

    Attributes
    ----------
    status : dict
        Status in REF → status in OTHER → pixels.
    starts : dict
        "reference" and "other" → start that won → pixels with a result.
    gate : dict
        "reference" and "other" → reason → pixels that were inverted again for it; reasons add up, "any"
        counts each pixel once.
    lost, gained : int
        Pixels with a result in REF alone, and in OTHER alone: no ratio shows them.
    """

    status: dict[str, dict[str, int]] = field(default_factory=dict)
    starts: dict[str, dict[str, int]] = field(default_factory=dict)
    gate: dict[str, dict[str, int]] = field(default_factory=dict)
    lost: int = 0
    gained: int = 0

    def as_dict(self) -> dict[str, Any]:
        """One record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Worst:
    """A pixel where the two differ most.

    Attributes
    ----------
    quantity : str
        ``chi2``, or the quantity that differs.
    component : int
        From 1.
    log_tau : float or None
        The depth of the largest difference.
    y, x : int
        In the coordinates of the observation.
    reference_pixel, other_pixel : (int, int)
        Row and column in either result, as ``stokeswarm plot --pixel`` takes them.
    reference, other : float
        The two values.
    difference : float
        OTHER − REF; for ``chi2`` the ratio OTHER/REF.
    """

    quantity: str
    component: int
    log_tau: float | None
    y: int
    x: int
    reference_pixel: tuple[int, int]
    other_pixel: tuple[int, int]
    reference: float
    other: float
    difference: float

    def as_dict(self) -> dict[str, Any]:
        """One record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TruthRow:
    """Both sides against the truth, over the pixels of both.

    Attributes
    ----------
    quantity, unit, component, log_tau, selection, polarised
        As of `Row`.
    reference, other : Agreement
        Of either side with the truth; their differences are result − truth.
    """

    quantity: str
    unit: str
    component: int
    log_tau: float | None
    selection: str
    polarised: bool
    reference: Agreement
    other: Agreement

    @property
    def ratio(self) -> float:
        """The rms of OTHER over that of REF; at most 1 is no worse."""
        return self.other.rms / self.reference.rms if self.reference.rms > 0 else math.nan

    def as_dict(self) -> dict[str, Any]:
        """One record, with the ratio of the rms."""
        return asdict(self) | {"ratio": self.ratio}


AnyRow = TypeVar("AnyRow", Row, TruthRow)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was found.

    Attributes
    ----------
    reference, other : str
        Names of the results.
    truth : str or None
    region : str
        ``y0:y1,x0:x1``, the pixels of both windows, in the coordinates of the observation.
    pixels : dict
        Selection → pixels with a result on both sides. ``reached_noise`` is absent where REF has no χ².
    noise_limit : float or None
        Reduced χ² up to which REF counts as having reached the noise.
    log_tau : tuple of float
    min_polarisation : float
        In σ; rows with ``polarised`` count pixels above it.
    rows : tuple of Row
        By component and quantity, all pixels before the polarised ones; then depth, then selection.
    chi2 : tuple of Chi2Ratios
        By selection; empty where either side has no χ².
    seconds : Seconds or None
        None where either side has no times.
    ends : Ends
    worst : tuple of Worst
    against_truth : tuple of TruthRow
        In the order of ``rows``; empty without a truth.
    notes : tuple of str
        What a reader must know before believing the numbers: other observations, other noise, incomplete.
    """

    reference: str
    other: str
    truth: str | None
    region: str
    pixels: dict[str, int]
    noise_limit: float | None
    log_tau: tuple[float, ...]
    min_polarisation: float
    rows: tuple[Row, ...]
    chi2: tuple[Chi2Ratios, ...]
    seconds: Seconds | None
    ends: Ends
    worst: tuple[Worst, ...]
    against_truth: tuple[TruthRow, ...]
    notes: tuple[str, ...]

    def row(
        self,
        quantity: str,
        log_tau: float | None = None,
        *,
        selection: str = ALL,
        polarised: bool = False,
        component: int = 1,
    ) -> Row:
        """One row by what it is about.

        Raises
        ------
        NotFoundError
            There is none.
        """
        wanted = (quantity, log_tau, selection, polarised, component)
        return _the_one(self.rows, wanted, "row")

    def truth_row(
        self,
        quantity: str,
        log_tau: float | None = None,
        *,
        selection: str = ALL,
        polarised: bool = False,
        component: int = 1,
    ) -> TruthRow:
        """One row against the truth by what it is about.

        Raises
        ------
        NotFoundError
            There is none.
        """
        wanted = (quantity, log_tau, selection, polarised, component)
        return _the_one(self.against_truth, wanted, "truth")

    def ratios(self, selection: str = ALL) -> Chi2Ratios:
        """χ² ratios of a selection.

        Raises
        ------
        NotFoundError
            There are none.
        """
        for found in self.chi2:
            if found.selection == selection:
                return found
        raise NotFoundError(f"comparison: no chi-square ratios for {selection}")

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: tuples as lists, numbers that are not finite as null."""
        lists = ("rows", "chi2", "worst", "against_truth")
        record: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                "reference",
                "other",
                "truth",
                "region",
                "pixels",
                "noise_limit",
                "log_tau",
                "min_polarisation",
            )
        }
        record |= {name: [item.as_dict() for item in getattr(self, name)] for name in lists}
        record["seconds"] = None if self.seconds is None else self.seconds.as_dict()
        record["ends"] = self.ends.as_dict()
        record["notes"] = self.notes
        plain: dict[str, Any] = _plain(record)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _the_one(rows: tuple[AnyRow, ...], wanted: tuple[str, float | None, str, bool, int], what: str) -> AnyRow:
    """The row about a quantity, depth, selection, polarised or all pixels, and component."""
    for row in rows:
        if (row.quantity, row.log_tau, row.selection, row.polarised, row.component) == wanted:
            return row
    quantity, log_tau, selection, *_ = wanted
    raise NotFoundError(f"comparison: no {what} of {quantity} at log tau {log_tau} for {selection}")
