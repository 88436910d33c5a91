"""Starting from an earlier result: the atmospheres of a store at the same pixels of the same map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stokeswarm.client.gate import RESULTS
from stokeswarm.client.layout import Start, component_group
from stokeswarm.client.starts import ModelStart, Pixels, Starts, on_axis
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import Window
from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.plan import Plan


@dataclass(frozen=True, slots=True)
class PreviousStart:
    """Starts from an earlier result.

    Attributes
    ----------
    store : ResultStore
        Opened for reading; its region may cover a part of the map.
    base : ModelStart
        Temperature gradients where the plan's depth axis is longer than the earlier one.
    plan : Plan
    """

    store: ResultStore
    base: ModelStart
    plan: Plan

    def __post_init__(self) -> None:
        if self.store.n_component != self.plan.n_component:
            raise InvalidArgumentError(
                f"--init previous: {self.store.url} has {self.store.n_component} component(s), "
                f"the plan has {self.plan.n_component}"
            )

    @property
    def label(self) -> Start:
        """`Start.PREVIOUS`."""
        return Start.PREVIOUS

    @property
    def assisted(self) -> bool:
        """Always: an earlier result is near."""
        return True

    def start(self, pixels: Pixels) -> Starts:
        """Read the earlier atmospheres of these pixels; those outside the store have none."""
        n = len(pixels)
        region = self.store.grid.region
        inside = (
            (pixels.y >= region.y0)
            & (pixels.y < region.y1)
            & (pixels.x >= region.x0)
            & (pixels.x < region.x1)
        )
        base = self.base.start(pixels).atmosphere
        available = np.zeros(n, np.bool_)
        if not inside.any():
            return Starts(base, available, np.full(n, np.nan))
        y, x = pixels.y[inside], pixels.x[inside]
        window = Window(int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1)

        def values(path: str) -> npt.NDArray[Any]:
            return self.store.part(path, window)[y - window.y0, x - window.x0]

        ended = np.isin(values("fit/status"), RESULTS)
        available[inside] = ended
        rows = np.flatnonzero(available)
        axis = self.store.map("log_tau")
        names = [name for name in STRATIFIED if name not in OPTIONAL] + list(SCALAR)
        atmosphere = []
        for component, part in enumerate(base):
            group = component_group("atmosphere", component)
            fields = {name: values(f"{group}/{name}")[ended].astype(np.float64) for name in names}
            earlier = on_axis(Atmosphere(log_tau=axis, **fields), part.take(rows), self.plan)
            atmosphere.append(_insert(part.resample(self.plan.log_tau), rows, earlier))
        return Starts(tuple(atmosphere), available, np.full(n, np.nan))


def _insert(base: Atmosphere, rows: npt.NDArray[np.int64], part: Atmosphere) -> Atmosphere:
    """The base with some rows replaced; fields that the part lacks are dropped."""
    merged: dict[str, Any] = {}
    for name, values in part.arrays().items():
        merged[name] = base.arrays()[name].copy()
        merged[name][rows] = values
    return Atmosphere(log_tau=base.log_tau, **merged)
