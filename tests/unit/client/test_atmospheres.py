from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.atmospheres import (
    MODELS,
    model_atmosphere,
    model_temperature,
    named_model,
    top_gas_pressure,
)
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError

GRID = np.round(1.2 - 0.1 * np.arange(53), 6)


def test_hsra_is_the_customary_guess() -> None:
    guess = model_atmosphere("HSRA", GRID)
    assert len(guess) == 1
    at = dict(zip(GRID.tolist(), guess.temperature[0].tolist(), strict=True))
    assert (at[1.2], at[0.0], at[-1.0], at[-2.0], at[-4.0]) == (9220.0, 6390.0, 5160.0, 4660.0, 4170.0)
    assert (guess.field_strength == 500.0).all()
    assert (guess.velocity == 0.1).all()
    assert (guess.inclination == 45.0).all()
    assert (guess.azimuth == 45.0).all()
    assert (guess.microturbulence == 1.0).all()
    assert guess.macroturbulence[0] == 1.0
    assert guess.electron_pressure is None


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_smooth_and_physical_on_any_axis(name: str) -> None:
    axis = np.linspace(1.5, -6.0, 151)
    temperature = model_temperature(name, axis)
    assert (temperature > 2500).all()
    assert (temperature < 12500).all()
    deep = axis > -0.5
    assert (np.diff(temperature[deep]) < 0).all(), "the photosphere cools outwards"
    assert np.abs(np.diff(temperature, 2)).max() < 60, "a kink between tabulated points"
    above = axis < named_model(name).log_tau[-1]
    assert np.ptp(temperature[above]) == 0


def test_tabulated_points_are_kept_and_the_bottom_is_extrapolated() -> None:
    model = named_model("umbra")
    assert model_temperature("umbra", model.log_tau) == pytest.approx(model.temperature)
    assert model_temperature("hsra", [1.4, 1.3]) == pytest.approx([9560.0, 9390.0])


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("A01_hsra_nofield", "hsra"),
        ("A06_penumbra_evershed", "penumbra"),
        ("A07_cool_umbra", "umbra"),
        ("A08_hot_umbra_negpol", "umbra-hot"),
        ("A09_granule_weakfield", "granule"),
        ("A10_plage", "plage"),
        ("A12_mmaltby_M", "umbra-maltby"),
    ],
)
def test_interpolation_returns_the_distributed_models(data_dir: Path, case: str, name: str) -> None:
    # the table is thinned from these models: this bounds what thinning and interpolating cost, no more
    table = np.loadtxt(data_dir / "golden" / "synthesis" / f"{case}.mod", skiprows=1)
    difference = model_temperature(name, table[:, 0]) - table[:, 1]
    assert np.abs(difference).max() < 15.0


def test_the_order_of_brightness() -> None:
    at_tau_one = {name: model_temperature(name, [0.0])[0] for name in MODELS}
    names = ["umbra", "umbra-maltby", "umbra-hot", "intergranule", "penumbra", "hsra", "granule", "plage"]
    assert sorted(names, key=lambda name: at_tau_one[name]) == names


def test_top_pressure_follows_the_hsra() -> None:
    assert top_gas_pressure("hsra", -4.0) == pytest.approx(868.2)
    assert top_gas_pressure("hsra", -3.0) == pytest.approx(3499.2, rel=0.01)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match=r"'hsrb' is unknown; there are hsra, falc"):
        model_atmosphere("hsrb", GRID)


def test_axis_must_decrease() -> None:
    with pytest.raises(InvalidArgumentError, match="decreasing"):
        model_atmosphere("hsra", GRID[::-1])
