"""Response functions against those of SIR2017."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stokeswarm.inversion.engines.lte import absorption
from stokeswarm.inversion.engines.lte.constants import SOLAR_GRAVITY
from stokeswarm.inversion.engines.lte.hydrostatic import hydrostatic_response

if TYPE_CHECKING:
    from conftest import Golden

CASES = ["A03_hsra_B1500_gradients", "A06_penumbra_evershed", "A10_plage"]
QUANTITIES = {
    "rt": absorption.TEMPERATURE,
    "rpe": absorption.ELECTRON_PRESSURE,
    "rmic": absorption.MICROTURBULENCE,
    "rh": absorption.FIELD_STRENGTH,
    "rvz": absorption.VELOCITY,
    "rinc": absorption.INCLINATION,
    "raz": absorption.AZIMUTH,
}


@pytest.mark.parametrize("name", CASES)
def test_response_functions_agree(golden: Golden, name: str) -> None:
    model = golden.model("hinode", as_sir=True)
    column = golden.column(name)
    n_depth = column.log_tau.size
    _, response = model.synthesize_with_response(column, model.workspace(n_depth))
    pressure = np.empty((n_depth, n_depth))
    hydrostatic_response(
        column.log_tau, column.temperature, column.electron_pressure, SOLAR_GRAVITY, model.mixture, pressure
    )
    with np.load(golden.folder.parent / "rf" / f"{name}.rf.npz") as stored:
        for key, quantity in QUANTITIES.items():
            if key not in stored.files:
                continue
            expected = stored[key]
            found = response[quantity]
            if key == "rt":
                found = found + np.einsum("isw,ij->jsw", response[absorption.ELECTRON_PRESSURE], pressure)
            strongest = np.abs(expected).max()
            for stokes in range(4):
                theirs, ours = expected[:, stokes].ravel(), found[:, stokes].ravel()
                if np.abs(theirs).max() < 1e-3 * strongest:
                    continue
                where = f"{key} of Stokes {'IQUV'[stokes]}"
                assert np.corrcoef(theirs, ours)[0, 1] > 0.99, where
                assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.05), where
