"""What DeSIRe says of itself: its log, RH's convergence, and why it ended."""

from __future__ import annotations

import numpy as np
import pytest

from stokeswarm.inversion.engines.desire import reports

LOG = b"""\
  it  DE     s/n      chi**2    Mac1   Mac2   mic1   mic2   fill2 Ic1/Ic2 stray
   0       5.64E+00  1.884E+07
   1  -3.  3.77E+00  1.718E+06  1.453  0.000  2.015  0.000  0.000 -1.000  0.000
   2  -4.  4.20E+00  4.279E+05  2.179  0.000  1.873  0.000  0.000 -1.000  0.000

  it  DE     s/n      chi**2    Mac1   Mac2   mic1   mic2   fill2 Ic1/Ic2 stray
   0       3.36E+02  1.258E+01
   1  -3.  1.95E+03  4.605E-01  0.979  0.000  2.387  0.000  0.000 -1.000  0.000
"""


def rh(*changes: str) -> str:
    """One solution's messages, an iteration a change."""
    return "".join(f" -- Iteration {n:3d}\n CA, delta = {d}\n" for n, d in enumerate(changes, start=1))


CALLS = (
    " @CALLING rhf1d\n" * 2 + " ===== End of cycle  1 ====\n @CALLING rhf1d\n ===== End of cycle  2 ====\n"
)


def test_the_log_has_a_figure_a_cycle() -> None:
    assert reports.cycle_merits(LOG, 2) == (4.279e5, 0.4605)


def test_skipped_cycles_keep_the_last_figure() -> None:
    assert reports.cycle_merits(LOG, 4) == (4.279e5, 0.4605, 0.4605, 0.4605)


def test_without_a_log_nothing_is_known() -> None:
    assert np.isnan(reports.cycle_merits(None, 2)).all()


@pytest.mark.parametrize("log", [b"", b"   0   1.0  2.0\n", b"garbage\n", LOG + LOG])
def test_a_log_that_is_none_counts_for_nothing(log: bytes) -> None:
    assert np.isinf(reports.cycle_merits(log, 2)).all()


def test_a_profile_without_a_signal_has_no_merit() -> None:
    """Of a profile of zeros DeSIRe keeps the guess, with a χ² of 0 and an infinite signal to noise."""
    log = LOG.splitlines()[0] + b"\n   0       Infinity  0.000E+00\n"
    assert reports.cycle_merits(log, 2) == (0.0, 0.0)


def test_a_start_that_cannot_be_improved_has_its_own_merit() -> None:
    log = LOG.splitlines()[0] + b"\n   0       9.63E+02  5.143E+00\n"
    assert reports.cycle_merits(log, 1) == (5.143,)


def test_figures_that_did_not_fit() -> None:
    log = LOG.splitlines()[0] + b"\n   0       9.63E+02  **********\n"
    assert np.isnan(reports.cycle_merits(log, 1)).all()
    assert np.isinf(reports.cycle_merits(log.replace(b"**********", b"NaN"), 1)).all()


def test_solutions_are_told_apart_by_their_iterations() -> None:
    output = rh("1.0", "1e-2") + " SortLambda: Found\n" + rh("1.0", "0.5", "1e-5")
    assert reports.solutions(output) == [reports.Solution(2, 1e-2), reports.Solution(3, 1e-5)]


def test_the_worst_of_several_atoms_counts() -> None:
    output = rh("1.0") + " -- Iteration   2\n CA, delta = 1.0E-05\n K , delta = 2.0E-01 (accelerated)\n"
    assert reports.solutions(output) == [reports.Solution(2, 0.2)]


def test_a_change_that_is_no_number_is_no_convergence() -> None:
    assert reports.not_converged(rh("1.0", "nan"), 0, 2, 1e-3)
    assert reports.not_converged(rh("1.0", "*******"), 0, 2, 1e-3)


def test_nothing_is_known_without_messages() -> None:
    assert reports.not_converged("", 0, 200, 1e-4) == ""


def test_convergence_in_the_last_iteration() -> None:
    assert reports.not_converged(rh("1.0", "1e-5"), 0, 2, 1e-4) == ""


def test_no_convergence() -> None:
    reason = reports.not_converged(rh("1.0", "0.2"), 0, 2, 1e-4)
    assert reason.startswith("RH did not converge: after 2 iterations")
    assert reason.endswith("changed by 2.0e-01 (limit 1e-04)")


def test_the_last_solution_of_the_cycle_counts() -> None:
    """RH's part has its own buffer: what it says may come before or after all the rest."""
    good, bad = rh("1.0", "1e-5"), rh("1.0", "0.2")
    for output in (bad + bad + good + CALLS, CALLS + bad + bad + good):
        assert reports.not_converged(output, 0, 2, 1e-4)
        assert not reports.not_converged(output, 1, 2, 1e-4)
    assert not reports.not_converged(bad + good + bad + CALLS, 0, 2, 1e-4)
    assert reports.not_converged(bad + good + bad + CALLS, 1, 2, 1e-4)


def test_of_an_incomplete_output_the_last_solution_counts() -> None:
    assert reports.not_converged(rh("1.0", "1e-5") + rh("1.0", "0.2") + CALLS, 0, 2, 1e-4)


def test_desires_own_word_for_a_fallback() -> None:
    assert "older atmosphere" in reports.not_converged(
        " Setting old atmosphere due to non RH convergence", 0, 2, 1.0
    )


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("fine\n", ""),
        (
            "\n-TERMINATING ERROR in routine amp2\n The magnetic field is zero somewhere.\n Exiting.....\n",
            "TERMINATING ERROR in routine amp2 The magnetic field is zero somewhere.",
        ),
        ("STOP \x1b[31mred\x07\n", "STOP [31mred"),
        (
            "\a\n-TERMINATING_ERROR in routine readInput\n Unable to open inputfile\n Exiting.....\n",
            "TERMINATING_ERROR in routine readInput Unable to open inputfile",
        ),
    ],
)
def test_the_reason_of_an_end(output: str, expected: str) -> None:
    assert reports.failure(output) == expected
