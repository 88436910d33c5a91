"""RH's output: XDR files, its log, and the translation of an atmosphere."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.contract.abundances import abundance_table
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.inversion.engines.lte.constants import BOLTZMANN
from stokeswarm.inversion.engines.lte.elements import mixture
from stokeswarm.inversion.engines.lte.eos import N_HII, N_STATE, NH, PG, RHO, gas_state
from stokeswarm.inversion.engines.rh import files, log
from stokeswarm.inversion.engines.rh.column import column

GAS = mixture(abundance_table("asplund-2009"))


# -- files -----------------------------------------------------------------------------------------


def ray(mu: float, stokes: np.ndarray, *, polarized: bool) -> bytes:
    n = stokes.shape[1]
    data = struct.pack(f">d{n}di", mu, *stokes[0], 0)
    return data + (struct.pack(f">{3 * n}d", *stokes[1:].ravel()) if polarized else b"")


@given(st.integers(1, 20), st.booleans())
def test_a_ray_is_read_as_it_was_written(n: int, polarized: bool) -> None:
    stokes = np.arange(4.0 * n).reshape(4, n) + 1.0
    if not polarized:
        stokes[1:] = 0.0
    data = ray(0.3, stokes, polarized=polarized)
    np.testing.assert_array_equal(files.decode_ray(data, n, 0.3, polarized=polarized), stokes)


@given(st.integers(0, 79))
def test_a_cut_ray_is_no_ray(length: int) -> None:
    data = ray(1.0, np.ones((4, 2)), polarized=True)
    assert len(data) == 76
    if length != len(data):
        with pytest.raises(files.OutputError):
            files.decode_ray((data + b"abc")[:length], 2, 1.0, polarized=True)


@given(st.binary(max_size=200))
def test_noise_is_no_spectrum(data: bytes) -> None:
    with pytest.raises(files.OutputError):
        files.decode_wavelengths(data)


def test_wavelengths_are_read() -> None:
    data = struct.pack(">i2d2did", 2, 500.0, 630.2, 1.0, 1.0, 0, 200.0)
    np.testing.assert_array_equal(files.decode_wavelengths(data), [500.0, 630.2])
    with pytest.raises(files.OutputError, match="few"):
        files.decode_wavelengths(data[:-1])


def test_what_is_written_is_big_endian() -> None:
    assert files.encode_wavetable(np.array([500.0])) == struct.pack(">id", 1, 500.0)
    field = files.Field(np.array([0.1, 0.2]), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert files.encode_field(field) == struct.pack(">6d", 0.1, 0.2, 1.0, 2.0, 3.0, 4.0)


def test_absent_abundances_are_left_out() -> None:
    text = files.format_abundances((12.0, 10.93, float("nan"), *([1.5] * 89)))
    assert text.splitlines()[:3] == ["H  12.0", "He  10.93", "Be  1.5"]


# -- log -------------------------------------------------------------------------------------------

LOG = """
-WARNING in routine readInput
 Ignoring value of keyword ANGLE_SET in 1-D plane geometry

 Spectrum max delta J = 1.9713E-01 (lambda#: 210)

 -- Iteration   9
 CA, delta = 2.3727E-01 (accelerated)
  PRD: iter #25, atom CA, line 0, delta = 4.3829E-01
  PRD: iter #25, atom CA, line 1, delta = 4.7651E-01
 Spectrum max delta J = 3.7377E-01 (lambda#: 57)

 -- Iteration  10
 CA, delta = 8.7307E-03
  PRD: iter #28, atom CA, line 0, delta = 1.1609E-02
 Spectrum max delta J = 8.7844E-03 (lambda#: 102)
  PRD: iter #29, atom CA, line 0, delta = 1.0E-03
 Spectrum max delta J = 4.2979E-04 (lambda#: 50)
 -- Atom CA, line   3 ->   0 has  4 Zeeman components
 Spectrum max delta J = 4.9868E-02 (lambda#: 149)
 Spectrum max delta J = 4.2565E-05 (lambda#: 31)
"""


def judge(text: str, active: int = 1, scattering: int = 2) -> log.Convergence:
    return log.convergence(text, active=active, limit=1e-2, prd_limit=1e-2, scattering=scattering)


def test_a_converged_run() -> None:
    assert judge(LOG) == log.Convergence(True, "", 10)
    assert log.trouble(LOG) == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("8.7307E-03", "2.0E-02", "populations of CA 0.02 > 0.01"),
        ("8.7307E-03", "nan", "populations of CA nan > 0.01"),
        ("1.0E-03", "3.0E-02", "emission profile of CA line 0 0.03 > 0.01"),
        ("4.2565E-05", "4.0E-02", "mean intensity 0.04 > 0.01"),
        (" CA, delta = 8.7307E-03\n", "", "does not say"),
    ],
)
def test_what_is_not_converged_is_named(old: str, new: str, words: str) -> None:
    verdict = judge(LOG.replace(old, new))
    assert not verdict.reached
    assert words in verdict.message


def test_every_active_atom_counts() -> None:
    assert not judge(LOG, active=2).reached
    both = LOG.replace(" CA, delta = 8.7307E-03\n", " CA, delta = 8.7307E-03\n CO , delta = 0.5\n")
    assert "populations of CO 0.5" in judge(both, active=2).message


def test_the_mean_intensity_counts_only_where_it_is_iterated() -> None:
    text = LOG.replace("4.2565E-05", "4.0E-02")
    assert judge(text, scattering=0).reached


def test_an_equilibrium_that_was_not_reached() -> None:
    warning = "\n-WARNING in routine ChemicalEquilibrium\n Iteration not converged:\n temperature: 3000 [K]\n"
    assert judge(warning + LOG).message.endswith("equilibrium in ChemicalEquilibrium not reached")


def test_silence_is_not_convergence() -> None:
    assert not judge("").reached


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "\a\n\n-TERMINATING_ERROR in routine readAtom\n Unable to open \n Exiting.....\n",
            "error in readAtom",
        ),
        ("-WARNING in routine readValues\n Did not recognize keyword XRD with value TRUE\n", "keyword XRD"),
        (" CA, delta = nan\n", "populations of CA are not finite"),
    ],
)
def test_trouble_is_found(text: str, words: str) -> None:
    found = log.trouble(LOG + text)
    assert words in found
    assert found.isprintable()


# -- columns ---------------------------------------------------------------------------------------


def atmosphere(**changes: object) -> Atmosphere:
    log_tau = np.array([1.0, 0.0, -1.0, -2.0])
    one = np.ones((1, 4))
    made = Atmosphere(
        log_tau=log_tau,
        temperature=np.array([[8000.0, 6400.0, 5300.0, 4800.0]]),
        electron_pressure=np.array([[300.0, 25.0, 3.0, 0.8]]),
        microturbulence=1.5 * one,
        field_strength=1000.0 * one,
        velocity=2.0 * one,
        inclination=60.0 * one,
        azimuth=25.0 * one,
        macroturbulence=np.zeros(1),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_column_is_in_rhs_units_from_the_highest_point_down() -> None:
    made = column(atmosphere(), 0, 1.0, GAS)
    np.testing.assert_array_equal(made.log_tau, [-2.0, -1.0, 0.0, 1.0])
    np.testing.assert_array_equal(made.velocity, [-2.0] * 4)
    assert made.electrons[0] == pytest.approx(0.8 / (BOLTZMANN * 4800.0))
    assert made.field is not None
    np.testing.assert_allclose(made.field.strength, 0.1)
    np.testing.assert_allclose(made.field.inclination, np.radians(60.0))
    np.testing.assert_allclose(made.field.azimuth, np.radians(25.0))


def test_the_text_of_a_column_holds_its_numbers_in_full() -> None:
    made = column(atmosphere(), 0, 1.0, GAS)
    lines = made.text().splitlines()
    assert lines[1] == "Tau scale"
    assert int(lines[3]) == 4
    rows = np.array([[float(word) for word in line.split()] for line in lines[4:8]])
    np.testing.assert_array_equal(rows[:, 2], made.electrons)
    np.testing.assert_array_equal([[float(w) for w in line.split()] for line in lines[8:]], made.hydrogen.T)


def test_hydrogen_is_that_of_the_density_or_else_of_equilibrium() -> None:
    state = np.empty(N_STATE)
    gas_state(6400.0, 25.0, GAS, state)
    nuclei = column(atmosphere(), 0, 1.0, GAS).hydrogen.sum(axis=0)
    assert nuclei[2] == pytest.approx(state[NH], rel=1e-12)
    twice = atmosphere(density=np.full((1, 4), 2.0 * state[RHO]))
    assert column(twice, 0, 1.0, GAS).hydrogen.sum(axis=0)[2] == pytest.approx(2.0 * state[NH], rel=1e-4)
    pressures = atmosphere(gas_pressure=np.full((1, 4), 3.0 * (state[PG] - 25.0) + 25.0))
    assert column(pressures, 0, 1.0, GAS).hydrogen.sum(axis=0)[2] == pytest.approx(3.0 * state[NH], rel=1e-9)


def test_hydrogen_is_distributed_by_boltzmann_and_saha() -> None:
    levels = column(atmosphere(), 0, 1.0, GAS).hydrogen
    state = np.empty(N_STATE)
    gas_state(8000.0, 300.0, GAS, state)
    assert levels[5, -1] == pytest.approx(state[N_HII], rel=5e-3)
    # the Boltzmann factor of 10.2 eV at 8000 K, times 4
    assert levels[1, -1] / levels[0, -1] == pytest.approx(
        4.0 * np.exp(-10.1988 / (8.617333e-5 * 8000.0)), rel=1e-3
    )


@given(st.floats(0.05, 1.0), st.floats(0.0, 180.0), st.floats(0.0, 180.0))
def test_a_field_is_seen_along_the_ray_as_it_was_given(mu: float, inclination: float, azimuth: float) -> None:
    """RH's own projection of the turned field gives back what the contract means (RH: project.c's axes)."""
    made = column(
        atmosphere(inclination=np.full((1, 4), inclination), azimuth=np.full((1, 4), azimuth)), 0, mu, GAS
    ).field
    assert made is not None
    gamma, chi = made.inclination[0], made.azimuth[0]
    field = np.array([np.sin(gamma) * np.cos(chi), np.sin(gamma) * np.sin(chi), np.cos(gamma)])
    sine = np.sqrt(1.0 - mu**2)
    towards, first, second = np.array([[sine, 0.0, mu], [mu, 0.0, -sine], [0.0, 1.0, 0.0]]) @ field
    assert towards == pytest.approx(np.cos(np.radians(inclination)), abs=1e-12)
    transverse = np.sin(np.radians(inclination)) ** 2
    assert first**2 - second**2 == pytest.approx(transverse * np.cos(2 * np.radians(azimuth)), abs=1e-12)
    assert 2 * first * second == pytest.approx(transverse * np.sin(2 * np.radians(azimuth)), abs=1e-12)


def test_along_the_line_of_sight_depth_and_velocity_are_projected() -> None:
    made = column(atmosphere(), 0, 0.5, GAS)
    np.testing.assert_allclose(made.log_tau, np.array([-2.0, -1.0, 0.0, 1.0]) + np.log10(0.5))
    # what RH multiplies by μ again
    np.testing.assert_allclose(made.velocity, -4.0)


def test_equal_columns_have_one_identity() -> None:
    pair = atmosphere(), atmosphere(velocity=np.zeros((1, 4)))
    assert column(pair[0], 0, 1.0, GAS).identity() == column(pair[0], 0, 1.0, GAS).identity()
    assert column(pair[0], 0, 1.0, GAS).identity() != column(pair[1], 0, 1.0, GAS).identity()
    still = atmosphere(velocity=np.full((1, 4), -0.0))
    assert column(still, 0, 1.0, GAS).identity() == column(pair[1], 0, 1.0, GAS).identity()


def test_without_a_field_there_is_none() -> None:
    assert column(atmosphere(field_strength=np.zeros((1, 4))), 0, 0.5, GAS).field is None
