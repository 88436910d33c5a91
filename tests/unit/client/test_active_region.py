from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from stokeswarm.client.active_region import CLASSES, LOG_TAU, ActiveRegion, active_region
from stokeswarm.client.random_fields import along_depth, filaments, plane
from stokeswarm.contract.errors import InvalidArgumentError


@pytest.fixture(scope="module")
def region() -> ActiveRegion:
    return active_region(32, 48, seed=1)


def level(region: ActiveRegion, name: str, log_tau: float) -> npt.NDArray[np.float64]:
    column = int(np.argmin(np.abs(LOG_TAU - log_tau)))
    return np.asarray(region.atmosphere.arrays()[name][:, column].reshape(region.shape))


def of(region: ActiveRegion, name: str) -> npt.NDArray[np.bool_]:
    return np.asarray(region.classes == CLASSES.index(name))


def test_it_holds_every_structure(region: ActiveRegion) -> None:
    counts = {name: int(of(region, name).sum()) for name in CLASSES}
    assert min(counts.values()) >= 15, counts
    assert counts["penumbra"] > counts["umbra"] > counts["pore"]
    assert all(np.isfinite(values).all() for values in region.atmosphere.arrays().values())


def test_brightness_and_field_of_the_structures(region: ActiveRegion) -> None:
    temperature, field = level(region, "temperature", 0.0), level(region, "field_strength", -1.0)
    assert temperature[of(region, "umbra")].min() < 4300
    assert temperature[of(region, "umbra")].mean() < 5200
    assert 5600 < temperature[of(region, "penumbra")].mean() < 6200
    assert temperature[of(region, "granule")].mean() > temperature[of(region, "intergranule")].mean() + 80
    assert 2500 < field[of(region, "umbra")].max() < 3100
    assert 800 < np.median(field[of(region, "penumbra")]) < 2000
    assert 900 < np.median(field[of(region, "plage")]) < 1500
    assert np.median(field[of(region, "granule")]) < 250


def test_granulation_reverses_with_height_and_hot_gas_rises(region: ActiveRegion) -> None:
    quiet = of(region, "granule") | of(region, "intergranule")
    deep, high = level(region, "temperature", 0.2)[quiet], level(region, "temperature", -1.3)[quiet]
    velocity = level(region, "velocity", 0.0)[quiet]
    assert np.corrcoef(deep, velocity)[0, 1] < -0.6, "hot gas comes towards the observer"
    assert np.corrcoef(deep, high)[0, 1] < 0.3
    assert np.abs(velocity).mean() > 3 * np.abs(level(region, "velocity", -3.0)[quiet]).mean()


def test_evershed_flow_changes_sign_across_the_spot_with_the_viewing_angle() -> None:
    def sides(view_angle: float) -> tuple[float, float]:
        region = active_region(32, 48, seed=4, view_angle=view_angle, view_azimuth=0.0)
        velocity = level(region, "velocity", 0.0)
        penumbra, x = of(region, "penumbra"), np.arange(48)[None, :] / 47
        right, left = penumbra & (x > 0.44), penumbra & (x < 0.28)
        return float(velocity[right].mean()), float(velocity[left].mean())

    centre_side, limb_side = sides(30.0)
    assert centre_side < -0.4, "the outflow on the side towards the observer is blue"
    assert limb_side > 0.4
    above = sides(0.0)
    assert abs(above[0] - above[1]) < 0.3


def test_both_polarities_and_a_radial_azimuth() -> None:
    region = active_region(40, 60, seed=2, view_angle=0.0)
    inclination, azimuth = level(region, "inclination", -1.0), level(region, "azimuth", -1.0)
    assert inclination[of(region, "umbra")].max() < 60
    assert inclination[of(region, "pore")].min() > 120
    assert np.median(inclination[of(region, "plage")]) > 150
    y, x = np.mgrid[0:40, 0:60]
    radial = np.rad2deg(np.arctan2(y - 0.5 * 39, x - 0.36 * 59))
    offset = np.mod(azimuth - radial + 90, 180) - 90
    assert np.abs(np.median(offset[of(region, "penumbra")])) < 15
    assert np.percentile(np.abs(offset[of(region, "penumbra")]), 90) < 25


def test_gradients_with_depth(region: ActiveRegion) -> None:
    deep, high = level(region, "field_strength", 0.0), level(region, "field_strength", -2.0)
    umbra = of(region, "umbra")
    assert 100 < (deep - high)[umbra].mean() < 300
    deep_flow, high_flow = level(region, "velocity", 0.0), level(region, "velocity", -2.0)
    penumbra = of(region, "penumbra")
    assert deep_flow[penumbra].std() > 2 * high_flow[penumbra].std()
    assert (np.diff(region.atmosphere.temperature[:, LOG_TAU > -0.5], axis=1) < 0).all()


def test_seed_decides_everything() -> None:
    first, again, other = (active_region(16, 20, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first.atmosphere.temperature, again.atmosphere.temperature)
    assert np.array_equal(first.classes, again.classes)
    assert not np.allclose(first.atmosphere.temperature, other.atmosphere.temperature)


def test_projection_keeps_the_field_strength_and_mu() -> None:
    region = active_region(16, 24, seed=3, view_angle=60.0)
    assert region.mu == pytest.approx(0.5)
    above = active_region(16, 24, seed=3, view_angle=0.0)
    assert region.atmosphere.field_strength == pytest.approx(above.atmosphere.field_strength, rel=1e-9)
    along = above.atmosphere.field_strength * np.cos(np.deg2rad(above.atmosphere.inclination))
    assert (np.abs(along) <= above.atmosphere.field_strength + 1e-9).all()


@pytest.mark.parametrize(
    ("size", "angle", "message"), [((4, 40), 0.0, "8×8"), ((16, 16), 80.0, "0–75"), ((16, 16), -1.0, "0–75")]
)
def test_impossible_requests_are_refused(size: tuple[int, int], angle: float, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        active_region(*size, view_angle=angle)


def test_random_plane_has_the_correlation_asked_for() -> None:
    field = plane(np.random.default_rng(0), (256, 256), 4.0)
    assert field.std() == pytest.approx(1.0, abs=0.1)
    for shift in (2, 4, 8):
        found = np.mean(field[:, shift:] * field[:, :-shift]) / field.var()
        assert found == pytest.approx(np.exp(-0.5 * (shift / 4.0) ** 2), abs=0.1)


def test_filaments_repeat_round_the_circle_and_last_along_the_radius() -> None:
    angle, radius = np.meshgrid(np.linspace(-np.pi, np.pi, 512, endpoint=False), np.linspace(0.2, 1.2, 40))
    pattern = filaments(np.random.default_rng(1), radius, angle, 14, 0.45)
    power = np.abs(np.fft.rfft(pattern[20])) ** 2
    assert 8 < np.argmax(power[1:]) + 1 < 22
    assert np.corrcoef(pattern[18], pattern[21])[0, 1] > 0.9
    turned = filaments(np.random.default_rng(1), radius, angle + 2 * np.pi, 14, 0.45)
    assert turned == pytest.approx(pattern, abs=1e-6)


def test_depth_curves_are_smooth_and_of_unit_variance() -> None:
    curves = along_depth(np.random.default_rng(2), 4000, LOG_TAU, 1.5)
    assert curves.std(axis=0) == pytest.approx(1.0, abs=0.06)
    assert np.mean(curves[:, 0] * curves[:, 15]) == pytest.approx(np.exp(-0.5), abs=0.06)
    assert np.abs(np.diff(curves, 2)).max() < 0.05
