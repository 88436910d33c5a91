"""When a run of SIR counts as a success: every way in which it does not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.status import Status
from stokeswarm.inversion.engines.sir import models
from stokeswarm.inversion.engines.sir.dialect import Mode, Task
from stokeswarm.inversion.engines.sir.examine import (
    MAX_MESSAGE,
    CycleOutput,
    PixelFailedError,
    ends_in_zeros,
    inverted,
    iterations,
    reason,
    start_merit,
    synthesised,
)
from stokeswarm.inversion.engines.sir.sampling import sampling
from stokeswarm.inversion.engines.sir.texts import ProfileWriter
from stokeswarm.inversion.engines.sir.variants import SIR_2017
from stokeswarm.inversion.external.run import Ending, Run

DONE = Run(Ending.EXITED, output=b" SIR VERSION\n ====== End of cycle 1 ======\n")
Files = dict[str, bytes]


class Scene:
    """A run of two cycles that went well; tests spoil it."""

    def __init__(self, cases: ModuleType) -> None:
        plan = cases.plan()
        cycles = plan.cycles * 2
        self.plan = plan
        self.sampling = sampling(
            plan, plan.wavelength, SIR_2017.bounds, inverts=True, smears=False, exact=False
        )
        self.task = Task(Mode.INVERSION, cycles, plan, 1.0, ((1.0,) * 4,) * 2, {}, False, False, "o.per")
        values, header = models.pixel_values(cases.atmosphere(), 0)
        self.start = [values + 1.0]
        model = models.ModelWriter(plan.log_tau).text(values, header)
        profile = ProfileWriter(self.sampling.columns).text(np.full((4, 5), 0.5))
        self.files: Files = {
            name: text.encode()
            for number in (1, 2)
            for name, text in ((f"g_{number}.mod", model), (f"g_{number}.per", profile))
        }
        self.files["run.chi"] = b" 89.6 44.0\n 97.5 55.5\n"

    def judge(self, run: Run = DONE) -> tuple[list[CycleOutput | None], str]:
        return inverted(
            run,
            SIR_2017,
            self.task,
            lambda name: self.files.get(name) or None,
            self.start,
            self.plan.log_tau,
            self.sampling,
            60.0,
            ("cycle 1", "cycle 2"),
        )

    def failure(self, run: Run = DONE) -> PixelFailedError:
        with pytest.raises(PixelFailedError) as caught:
            self.judge(run)
        return caught.value


@pytest.fixture
def scene(cases: ModuleType) -> Scene:
    return Scene(cases)


def test_a_run_that_went_well(scene: Scene) -> None:
    cycles, missing = scene.judge()
    assert missing == ""
    assert [cycle.merit for cycle in cycles if cycle] == [44.0, 55.5]
    first = cycles[0]
    assert first is not None
    assert first.profile.shape == (4, 5)
    assert first.values[0][3] == pytest.approx(1500.0)


def zeros(scene: Scene) -> bytes:
    return ProfileWriter(scene.sampling.columns).text(np.zeros((4, 5))).encode()


def replaced(name: str, change: Callable[[bytes], bytes]) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        scene.files[name] = change(scene.files[name])

    return spoil


def last_row_again(data: bytes) -> bytes:
    return data + data.splitlines(keepends=True)[-1]


#: what happened to the second cycle → what the message says
SPOILT = {
    "absent model": (lambda s: s.files.pop("g_2.mod"), "no g_2.mod"),
    "absent profile": (lambda s: s.files.pop("g_2.per"), "no g_2.per"),
    "zero-byte model": (replaced("g_2.mod", lambda d: b""), "no g_2.mod"),
    "zero-byte profile": (replaced("g_2.per", lambda d: b""), "no g_2.per"),
    "NaN in the model": (replaced("g_2.mod", lambda d: d.replace(b" 60 ", b" NaN ", 1)), "not finite"),
    "NaN in the profile": (replaced("g_2.per", lambda d: d.replace(b" 0.5 ", b" NaN ", 1)), "not finite"),
    "all-zero profile": (lambda s: s.files.update({"g_2.per": zeros(s)}), "g_2.per is zero everywhere"),
    "truncated model": (replaced("g_2.mod", lambda d: d[:-20]), "g_2.mod is truncated"),
    "truncated at a row's end": (
        replaced("g_2.mod", lambda d: b"".join(d.splitlines(keepends=True)[:-1])),
        "expected 9 rows",
    ),
    "truncated profile": (replaced("g_2.per", lambda d: d[:-2]), "g_2.per is truncated"),
    "extra row in the model": (replaced("g_2.mod", last_row_again), "expected 9 rows"),
    "extra row in the profile": (replaced("g_2.per", last_row_again), "expected 5 rows"),
    "overflowed field": (replaced("g_2.mod", lambda d: d.replace(b" 1500 ", b" ****** ", 1)), "asterisks"),
    "number without E that is absurd": (
        replaced("g_2.mod", lambda d: d.replace(b" 1500 ", b" 1.5+400 ", 1)),
        "not finite",
    ),
    "other wavelengths": (
        replaced("g_2.per", lambda d: d.replace(b"-20 ", b"-19 ")),
        "row 2: expected line 1",
    ),
    "another line": (replaced("g_2.per", lambda d: d.replace(b"\n1 ", b"\n3 ")), "found line 3"),
    "other depths": (replaced("g_2.mod", lambda d: d.replace(b"\n0.5 ", b"\n0.4 ")), "its depths"),
    "no temperature": (replaced("g_2.mod", lambda d: d.replace(b" 6000 ", b" 0.0 ")), "temperature"),
    "χ² of 0": (replaced("run.chi", lambda d: b" 89.6 44.0\n Infinity 0.0\n"), "no finite number"),
    "χ² of 0, printed": (replaced("run.chi", lambda d: b" 89.6 44.0\n 0.0 0.0\n"), "its χ² is 0"),
    "χ² NaN": (replaced("run.chi", lambda d: b" 89.6 44.0\n NaN NaN\n"), "no finite number"),
    "no χ² of this cycle": (replaced("run.chi", lambda d: b" 89.6 44.0\n"), "did not end"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_cycle_that_went_wrong_does_not_take_the_earlier_along(scene: Scene, name: str) -> None:
    spoil, message = SPOILT[name]
    spoil(scene)
    cycles, missing = scene.judge()
    assert cycles[0] is not None
    assert cycles[1] is None
    assert missing.startswith("cycle 2: ")
    assert message in missing


def given_back(scene: Scene, *numbers: int) -> None:
    """What SIR makes of a start that no step improves: of a perfect one, an absurd one, of a zero profile."""
    for number in numbers:
        scene.files[f"g_{number}.per"] = zeros(scene)
    merits = (b" 0.00000000 0.00000000\n" if n in numbers else b" 97.5 55.5\n" for n in (1, 2))
    scene.files["run.chi"] = b"".join(merits)


def test_the_guess_given_back_with_a_profile_of_zeros_and_a_chi2_of_0(scene: Scene) -> None:
    given_back(scene, 1, 2)
    scene.start = [scene.start[0] - 1.0]
    cycles, missing = scene.judge()
    assert missing == ""
    assert [cycle.profile for cycle in cycles if cycle] == [None, None]
    assert all(np.isnan(cycle.merit) for cycle in cycles if cycle)


def test_a_later_cycle_may_move_away_from_the_guess(scene: Scene) -> None:
    given_back(scene, 1)
    scene.start = [scene.start[0] - 1.0]
    cycles, missing = scene.judge()
    assert missing == ""
    assert cycles[0] is not None
    assert cycles[0].profile is None
    assert cycles[1] is not None
    assert cycles[1].profile is not None


def test_a_profile_of_zeros_that_does_not_belong_to_the_guess_is_a_failure(scene: Scene) -> None:
    given_back(scene, 1, 2)
    failure = scene.failure()
    assert failure.status is Status.ENGINE_FAILED
    assert "cycle 1: g_1.per is zero everywhere" in failure.message


def test_nobody_goes_back_to_the_guess_in_a_later_cycle(scene: Scene) -> None:
    given_back(scene, 2)
    scene.start = [scene.start[0] - 1.0]
    cycles, missing = scene.judge()
    assert cycles[1] is None
    assert "cycle 2: g_2.per is zero everywhere" in missing


def test_the_log_knows_the_starts_merit() -> None:
    log = b" it DE s/n chi**2\n   0       3.50E+02  3.718E+01\n   1  -3.  3.5E+01  3.2E+03  0.25\n"
    assert start_merit(log) == pytest.approx(37.18)
    assert np.isnan(start_merit(None))
    assert np.isnan(start_merit(b"   0       *********  *********\n"))


def test_no_output_at_all(scene: Scene) -> None:
    scene.files.clear()
    failure = scene.failure()
    assert failure.status is Status.NO_OUTPUT
    assert "left no output; it said: SIR VERSION End of cycle 1" in failure.message


def test_zero_byte_files_are_no_output(scene: Scene) -> None:
    scene.files = dict.fromkeys(scene.files, b"")
    assert scene.failure().status is Status.NO_OUTPUT


STOPPED = Run(Ending.EXITED, output=b" more\n STOP: The magnetic field (model 1) is zero somewhere.\n")


def test_a_stop_without_a_result(scene: Scene) -> None:
    scene.files.clear()
    failure = scene.failure(STOPPED)
    assert failure.status is Status.ENGINE_FAILED
    assert failure.message.startswith("STOP: The magnetic field (model 1) is zero somewhere.")


def test_a_stop_in_a_later_cycle_keeps_the_earlier(scene: Scene) -> None:
    del scene.files["g_2.mod"]
    cycles, missing = scene.judge(STOPPED)
    assert cycles[0] is not None
    assert missing.startswith("STOP: ")


@pytest.mark.parametrize(
    ("run", "status", "message"),
    [
        (Run(Ending.TIMED_OUT, wall_seconds=60.0), Status.TIMEOUT, "out of time after 60 s"),
        (Run(Ending.SIGNALLED, 11), Status.ENGINE_FAILED, "killed by SIGSEGV"),
        (Run(Ending.LOST), Status.ENGINE_FAILED, "killed together with its warden"),
        (Run(Ending.CANCELLED), Status.NO_OUTPUT, "cancelled"),
    ],
)
def test_a_run_that_did_not_end_by_itself(scene: Scene, run: Run, status: Status, message: str) -> None:
    scene.files.clear()
    failure = scene.failure(run)
    assert failure.status is status
    assert message in failure.message


def test_what_was_finished_before_the_end_of_the_time_is_kept(scene: Scene) -> None:
    del scene.files["g_2.per"]
    cycles, missing = scene.judge(Run(Ending.TIMED_OUT, wall_seconds=60.0))
    assert cycles[0] is not None
    assert "out of time" in missing


def test_a_cancelled_run_has_no_result_whatever_it_left(scene: Scene) -> None:
    assert scene.failure(Run(Ending.CANCELLED)).status is Status.NO_OUTPUT


def synthesis(scene: Scene, data: bytes | None, run: Run = DONE) -> Any:
    return synthesised(run, SIR_2017, data, "s.per", scene.sampling, 60.0)


def test_a_synthesis_that_went_well(scene: Scene) -> None:
    assert synthesis(scene, scene.files["g_1.per"]).tolist() == [[0.5] * 5] * 4


@pytest.mark.parametrize(
    ("data", "run", "status"),
    [
        (None, DONE, Status.NO_OUTPUT),
        (b"1 -40. 0.5", DONE, Status.ENGINE_FAILED),
        (b"1 -40. 0.5 0. 0. 0.\n", DONE, Status.ENGINE_FAILED),
        (None, STOPPED, Status.ENGINE_FAILED),
        (None, Run(Ending.TIMED_OUT), Status.TIMEOUT),
    ],
)
def test_a_synthesis_that_did_not(scene: Scene, data: bytes | None, run: Run, status: Status) -> None:
    with pytest.raises(PixelFailedError) as caught:
        synthesis(scene, data, run)
    assert caught.value.status is status


def test_a_profile_of_zeros_is_no_synthesis(scene: Scene) -> None:
    with pytest.raises(PixelFailedError, match="zero everywhere"):
        synthesis(scene, zeros(scene))


def test_messages_are_short_and_printable() -> None:
    said = b"=" * 500 + b"\n \x1b[31m" + b"word " * 500
    text = reason("SIR: nothing came", Run(Ending.EXITED, output=said))
    assert len(text) <= MAX_MESSAGE
    assert text.isprintable()
    assert text.startswith("SIR: nothing came; it said: …")
    assert "===" not in text


def test_iterations_are_counted_in_the_log() -> None:
    log = b""" -----------
  it  DE     s/n      chi**2    Mac1
   0       2.68E+01  4.417E+03
   1  -3.  3.50E+01  3.213E+03  0.250
   2  -4.  4.07E+01  2.056E+03  0.125
  it  DE     s/n      chi**2    Mac1
   0       2.68E+01  4.417E+03
   1  -3.  3.50E+01  3.213E+03  0.250
"""
    assert iterations(log) == 3
    assert iterations(None) == 0


@pytest.mark.parametrize(
    ("data", "zero"),
    [
        (b"1 0.0 0.9 0 0 0\n1 10.0 0.91 0.0 0.0 0.0\n", False),
        (b"1 0.0 0.9 0 0 0\n1 10.0 0.0000000E+00 -0.0 0.0 0.0\n", True),
        (b"1 0.0 0.9 0 0 0\n1 10.0 NaN 0.0 0.0 0.0\n", False),
        (b"1 0.0 0.9 0 0 0\n1 10.0 ****** 0.0 0.0 0.0\n", False),
        (b"", True),
        (None, True),
    ],
)
def test_whether_a_profile_ends_in_zeros(data, zero):
    assert ends_in_zeros(data) is zero
