"""How two results of one map differ.

>>> from stokeswarm.client.comparison import compare                       # doctest: +SKIP
>>> found = compare("reference.zarr", "assisted.zarr", truth="truth.npz")  # doctest: +SKIP
>>> found.row("temperature", 0.0, selection="reached_noise").correlation   # doctest: +SKIP
0.9993
"""

from stokeswarm.client.comparison.measure import compare
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
from stokeswarm.client.comparison.report import write_report
from stokeswarm.client.comparison.statistics import Agreement, Ellipse, circular_correlation, pearson

__all__ = [
    "compare",
    "Comparison",
    "Row",
    "Agreement",
    "Ellipse",
    "Chi2Ratios",
    "Seconds",
    "Ends",
    "Worst",
    "TruthRow",
    "Pair",
    "load",
    "write_report",
    "circular_correlation",
    "pearson",
]
