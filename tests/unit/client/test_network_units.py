"""Profiles over the local quiet Sun reach a network over the quiet Sun at disc centre."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.client.network_units import for_network
from stokeswarm.client.testing import FakeInference
from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference

CENTRE, LOCAL = ContinuumReference.DISC_CENTRE, ContinuumReference.LOCAL_QUIET_SUN
MODEL = replace(FakeInference().info, reference=CENTRE)
AXIS = np.linspace(6301.0, 6303.0, 7)


def spectra(reference: ContinuumReference) -> Spectra:
    stokes = np.random.default_rng(1).uniform(0.2, 1.0, (3, 4, AXIS.size)).astype(np.float32)
    stokes[1, :, 2] = np.nan
    return Spectra(AXIS, stokes, reference)


def test_limb_darkening_is_multiplied_back() -> None:
    local = spectra(LOCAL)
    found = for_network(local, MODEL, np.array([1.0, 0.5, 0.5]))
    assert found.reference is CENTRE
    np.testing.assert_allclose(found.stokes[0], local.stokes[0], rtol=1e-6)
    factor = limb_darkening(6302.0, 0.5)
    assert 0.6 < factor < 0.8
    np.testing.assert_allclose(found.stokes[2], factor * local.stokes[2], rtol=1e-3)
    assert np.isnan(found.stokes[1, :, 2]).all()
    assert np.isnan(found.stokes).sum() == 4


@pytest.mark.parametrize(("reference", "known"), [(CENTRE, CENTRE), (LOCAL, LOCAL), (CENTRE, LOCAL)])
def test_everything_else_stays_as_it_is(reference: ContinuumReference, known: ContinuumReference) -> None:
    asked = spectra(reference)
    assert for_network(asked, replace(MODEL, reference=known), 0.5) is asked
