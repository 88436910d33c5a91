"""Whatever a code does, its run ends in time and in truth, and nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError, UnavailableError
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.external import runner as runner_module
from stokeswarm.inversion.external import wardens
from stokeswarm.inversion.external.runner import Ending, Runner
from stokeswarm.inversion.external.warden import OUTPUT_KEPT

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def soon(seconds=0.3):
    return Slot(0, deadline=time.monotonic() + seconds)


@pytest.fixture(params=["adopting", "without prctl"])
def either(request, monkeypatch, make_runner):
    """A place whose warden may, or may not, have the help of the kernel that Linux alone gives."""
    monkeypatch.setattr(wardens, "USE_PRCTL", request.param == "adopting" and sys.platform == "linux")
    return make_runner().place(Slot())


# -- runs that end by themselves -------------------------------------------------------------------


def test_input_output_and_times(either, code):
    before = time.monotonic()
    run = either.run(code("echo"), stdin="χ² of 1\n".encode(), slot=soon(60))
    after = time.monotonic()
    assert (run.ending, run.code, run.text) == (Ending.EXITED, 0, "χ² of 1\n")
    assert before <= run.started <= run.ended <= after
    assert run.wall_seconds == pytest.approx(run.ended - run.started, abs=1e-6)
    assert 0 < run.cpu_seconds < 10
    assert 2**20 < run.memory_bytes < 2**30
    assert not run.retriable


def test_a_large_input_arrives(place, code):
    data = b"0123456789" * 100_000
    assert place.run(code("double-check"), stdin=data, slot=Slot()).code == 1
    run = place.run(code("echo"), stdin=data, slot=Slot())
    assert run.output.startswith(data[:100])
    assert f"{len(data) - 2 * OUTPUT_KEPT} bytes left out" in run.text


def test_no_input_is_the_end_of_the_file(place, code):
    assert place.run(code("echo"), slot=soon(60)).output == b""


def test_both_outputs_in_their_order(place, code):
    assert place.run(code("both"), slot=Slot()).output == b"out\nerr\n"


@pytest.mark.parametrize("number", [1, 3, 127, 255])
def test_exit_codes(place, code, number):
    run = place.run(code("exit", number), slot=Slot())
    assert (run.ending, run.code, run.describe()) == (Ending.EXITED, number, f"exit code {number}")
    assert not run.retriable


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_signals(either, code, number):
    run = either.run(code("signal", int(number)), slot=soon(60))
    assert (run.ending, run.code) == (Ending.SIGNALLED, number)
    assert run.describe() == f"killed by {number.name}"
    assert run.retriable


def test_the_environment_is_minimal(place, code, monkeypatch):
    monkeypatch.setenv("SECRET", "of the server")
    run = place.run(code("environment"), cwd="run/pixel", slot=Slot())
    folder = str(place.folder / "run" / "pixel")
    *environment, directory = run.text.splitlines()
    assert directory == os.path.realpath(folder)
    assert dict(line.split("=", 1) for line in environment if not line.startswith("L")) == {
        "HOME": folder,
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "STOKESWARM_SLOT": str(place.folder),
        "TMPDIR": folder,
        "TZ": "UTC",
    }
    assert "LC_ALL=C" in environment


def test_where_the_linker_looks_is_passed_on(make_runner, code, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/server")
    place = make_runner().place(Slot())
    assert "LD_LIBRARY_PATH=/of/the/server\n" in place.run(code("environment"), slot=Slot()).text


@linux
def test_nothing_else_is_inherited(make_runner, code):
    place = make_runner(open_files=77).place(Slot())
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        descriptors, signals, limits, session = place.run(code("inherited"), slot=Slot()).text.splitlines()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
    assert descriptors == "[0, 1, 2]"
    assert signals == "[False, False, False] 0"
    assert limits == "(0, 0) (77, 77)"
    assert session == "True"


def test_runs_follow_each_other_in_a_clean_folder(place, code):
    place.keep("static", "s")
    for n in range(3):
        place.clean()
        assert names(place.folder) == ["static"]
        place.write("in", str(n))
        assert place.run(code("double"), slot=Slot()).code == 0
        assert place.read("out") == f"{n}{n}".encode()


# -- runs that must be ended -----------------------------------------------------------------------


@pytest.mark.parametrize("act", ["hang", "stubborn"])
def test_the_deadline_ends_a_run(either, code, alive, act):
    # long enough for the interpreter to start, on any machine; the code notes that it has
    run = either.run(code(act), slot=soon(1.0))
    assert run.ending is Ending.TIMED_OUT
    assert 1.0 <= run.wall_seconds < 10
    assert not alive(int(either.read("pid")))
    assert not run.retriable
    assert run.describe().startswith("out of time after 1")
    if act == "hang":
        assert run.tail() == "still here"


@pytest.mark.parametrize("act", ["hang", "stubborn"])
def test_cancelling_ends_a_run(either, code, noted, alive, act):
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(either.run, code(act), slot=Slot(0, cancel.is_set))
        pid = noted(either.folder / "pid")
        assert alive(pid)
        cancel.set()
        run = future.result(20)
    assert (run.ending, run.describe(), run.retriable) == (Ending.CANCELLED, "cancelled", False)
    assert not alive(pid)


def test_what_is_cancelled_or_late_is_not_started(place, code):
    assert place.run(code("hang"), slot=Slot(0, lambda: True)).ending is Ending.CANCELLED
    run = place.run(code("hang"), slot=Slot(0, deadline=time.monotonic()))
    assert run.ending is Ending.TIMED_OUT
    assert place.read("pid") is None


def test_a_late_cancel_does_not_end_the_next_run(place, code):
    """The request to cancel may cross the answer on its way."""
    place.run(code("exit", 0), slot=Slot())
    place._warden._cancel()
    assert place.run(code("exit", 4), slot=soon(60)).code == 4


@linux
@pytest.mark.parametrize("how", [(), ("session",), ("orphan",), ("session", "orphan")])
def test_no_child_outlives_its_run(place, code, alive, how):
    run = place.run(code("leave", *how), slot=soon(60))
    assert (run.ending, run.text) == (Ending.EXITED, "done\n")
    assert not alive(int(place.read("child")))


def test_children_in_the_group_end_without_prctl(monkeypatch, make_runner, code, until, alive):
    monkeypatch.setattr(wardens, "USE_PRCTL", False)
    place = make_runner().place(Slot())
    place.run(code("leave", "orphan"), slot=soon(60))
    child = int(place.read("child"))
    until(lambda: not alive(child))


@linux
def test_the_deadline_ends_children_too(place, code, alive):
    run = place.run(code("family"), slot=soon(1.0))
    assert run.ending is Ending.TIMED_OUT
    assert not alive(int(place.read("pid")))
    assert not alive(int(place.read("child")))


# -- limits ----------------------------------------------------------------------------------------


def test_processor_time_is_limited(make_runner, code):
    run = make_runner(cpu_seconds=1).place(Slot()).run(code("spin"), slot=soon(60))
    assert (run.ending, run.code) == (Ending.TIMED_OUT, signal.SIGXCPU)
    # The kernel counts this limit in ticks, which on a busy machine are not all the code's.
    assert 0.3 < run.cpu_seconds < 5
    assert not run.retriable


def test_one_that_ignores_the_end_of_its_processor_time_is_out_of_time():
    answer = {"ending": "signalled", "code": signal.SIGKILL, "cpu_seconds": 2.0}
    assert runner_module._ending(answer, 1) is Ending.TIMED_OUT
    assert runner_module._ending(answer, 2) is Ending.TIMED_OUT
    assert runner_module._ending(answer, 3) is Ending.SIGNALLED
    assert runner_module._ending(answer, None) is Ending.SIGNALLED


def test_files_are_limited(make_runner, code):
    place = make_runner(file_bytes=2**20).place(Slot())
    run = place.run(code("large"), slot=soon(60))
    assert (run.ending, run.code) == (Ending.SIGNALLED, signal.SIGXFSZ)
    assert not run.retriable
    assert (place.folder / "large").stat().st_size == 2**20


@linux
def test_memory_is_limited(make_runner, code):
    place = make_runner(memory_bytes=256 * 2**20).place(Slot())
    assert place.run(code("greedy", 100 * 2**20), slot=soon(60)).text == "granted\n"
    run = place.run(code("greedy", 300 * 2**20), slot=soon(60))
    assert run.ending is Ending.EXITED
    assert run.code != 0
    assert "MemoryError" in run.text


def test_the_output_is_bounded(place, code):
    run = place.run(code("flood", 200), slot=soon(60))
    assert run.ending is Ending.EXITED
    assert len(run.output) < 2 * OUTPUT_KEPT + 100
    assert run.output.startswith(b"FIRST\nxxx")
    assert run.output.endswith(b"xxx\nLAST\n")
    assert f"{20_000_011 - 2 * OUTPUT_KEPT} bytes left out" in run.text
    assert place.run(code("both"), slot=Slot()).output == b"out\nerr\n"


def test_an_endless_output_ends_the_run(make_runner, code):
    run = make_runner(file_bytes=2**20).place(Slot()).run(code("flood", 10**9), slot=soon(60))
    # Python ignores SIGXFSZ, and gets an error from its write, which there is no room to report.
    assert run.ending is Ending.EXITED
    assert run.code != 0
    assert f"{2**20 - 2 * OUTPUT_KEPT} bytes left out" in run.text


# -- codes that cannot be started ------------------------------------------------------------------


def test_what_cannot_be_started_says_why(place, code, tmp_path):
    text = tmp_path / "text"
    text.write_text("no program")
    with pytest.raises(FailedPreconditionError, match=r"absent cannot be started: .*No such file"):
        place.run([str(tmp_path / "absent")], slot=Slot())
    with pytest.raises(FailedPreconditionError, match=r"text cannot be started: .*Permission denied"):
        place.run([str(text)], slot=Slot())
    text.chmod(0o700)
    with pytest.raises(FailedPreconditionError, match=r"text cannot be started: .*Exec format error"):
        place.run([str(text)], slot=Slot())
    assert place.run(code("exit", 5), slot=Slot()).code == 5


@pytest.mark.parametrize("argv", [[], ["true"], ["./true"]])
def test_a_program_is_named_absolutely(place, argv):
    with pytest.raises(InvalidArgumentError, match="absolute path"):
        place.run(argv, slot=Slot())


def test_a_code_runs_below_its_folder_only(place, code):
    with pytest.raises(InvalidArgumentError):
        place.run(code("exit", 0), cwd="../..", slot=Slot())


def test_a_link_in_the_place_of_its_folder_is_replaced(place, code, tmp_path):
    (place.folder / "run").symlink_to(tmp_path)
    run = place.run(code("environment"), cwd="run", slot=Slot())
    assert run.text.splitlines()[-1] == os.path.realpath(place.folder / "run")
    assert not (place.folder / "run").is_symlink()


# -- killed wardens --------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("act", ["hang", "family"])
def test_a_killed_warden_takes_its_code_along(either, code, noted, until, alive, act):
    either.keep("static", "s")
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(either.run, code(act), slot=Slot())
        pid = noted(either.folder / "pid")
        os.kill(either._warden.pid, signal.SIGKILL)
        run = future.result(20)
    assert (run.ending, run.retriable, run.output) == (Ending.LOST, True, b"")
    until(lambda: not alive(pid))
    if act == "family":
        until(lambda: not alive(int(either.read("child"))))
    either.clean()
    assert names(either.folder) == ["static"]
    assert either.run(code("exit", 6), slot=Slot()).code == 6


def test_a_warden_killed_between_runs_is_replaced(place, code):
    assert place.run(code("exit", 1), slot=Slot()).code == 1
    killed = place._warden
    os.kill(killed.pid, signal.SIGKILL)
    killed._process.wait()
    assert place.run(code("exit", 7), slot=Slot()).code == 7
    assert place._warden.pid != killed.pid


def test_a_warden_killed_just_before_a_run_is_replaced(place, code, monkeypatch):
    """Dead, but not yet seen to be."""
    killed = place._warden
    os.kill(killed.pid, signal.SIGKILL)
    killed._process.wait()
    monkeypatch.setattr(wardens.WardenProcess, "alive", True)
    assert place.run(code("exit", 7), slot=Slot()).code == 7
    assert place._warden.pid != killed.pid


@linux
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_warden_that_does_not_answer_is_replaced(place, code, noted, until, alive, monkeypatch, cancelled):
    monkeypatch.setattr(wardens, "PATIENCE", 0.2)
    cancel = threading.Event()
    deadline = float("inf") if cancelled else time.monotonic() + 1.0
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(place.run, code("hang"), slot=Slot(0, cancel.is_set, deadline))
        pid = noted(place.folder / "pid")
        os.kill(place._warden.pid, signal.SIGSTOP)
        if cancelled:
            cancel.set()
        run = future.result(20)
    assert run.ending is (Ending.CANCELLED if cancelled else Ending.TIMED_OUT)
    until(lambda: not alive(pid))
    assert place.run(code("exit", 8), slot=Slot()).code == 8


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_for_the_server_do_not_end_a_warden(place, code, number):
    place.run(code("exit", 0), slot=Slot())
    warden = place._warden.pid
    os.kill(warden, number)
    assert place.run(code("exit", 9), slot=Slot()).code == 9
    assert place._warden.pid == warden


# -- many ------------------------------------------------------------------------------------------


@linux
def test_nothing_leaks(place, code):
    true = ["/bin/true"] if Path("/bin/true").exists() else code("exit", 0)

    def counts():
        warden = place._warden.pid
        return len(names("/proc/self/fd")), len(names(f"/proc/{warden}/fd")), warden

    place.run(true, slot=Slot())
    before = counts()
    for n in range(200):
        place.clean()
        place.write("in", str(n))
        assert place.run(true, stdin=b"in\n", slot=soon(60)).ending is Ending.EXITED
        assert place.read("in") == str(n).encode()
    assert counts() == before
    assert names(place.folder) == ["in"]


def test_slots_do_not_meet(make_runner, code):
    runner = make_runner()

    def work(number):
        slot = Slot(number)
        for n in range(10):
            place = runner.place(slot)
            place.clean()
            place.write("in", f"{number}-{n} ")
            run = place.run(code("double"), slot=slot)
            assert run.ending is Ending.EXITED
            assert place.read("out") == f"{number}-{n} {number}-{n} ".encode()
        return place.folder

    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(work, range(4)))
    assert len(set(folders)) == 4
    assert all(folder.parent == runner.scratch.root for folder in folders)


def test_a_slot_has_one_place_whoever_asks(make_runner):
    runner = make_runner()
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda n: runner.place(Slot(n % 2)), range(16)))
    assert len(set(map(id, places))) == 2


# -- the end ---------------------------------------------------------------------------------------


def test_closing_ends_what_runs_and_removes_all(make_runner, code, noted, alive):
    runner = make_runner()
    place = runner.place(Slot())
    idle = runner.place(Slot(1))
    wardens_of = [place._warden.pid, idle._warden.pid]
    with ThreadPoolExecutor(3) as pool:
        future = pool.submit(place.run, code("hang"), slot=Slot())
        pid = noted(place.folder / "pid")
        list(pool.map(lambda _: runner.close(), range(2)))
        assert future.result(20).ending is Ending.CANCELLED
    assert not any(alive(p) for p in [pid, *wardens_of])
    assert not runner.scratch.root.exists()
    runner.close()
    with pytest.raises(UnavailableError):
        runner.place(Slot())
    with pytest.raises(UnavailableError):
        idle.run(code("exit", 0), slot=Slot())


def test_closing_in_a_forked_process_changes_nothing(make_runner, code, monkeypatch):
    runner = make_runner()
    place = runner.place(Slot())
    monkeypatch.setattr(runner, "_owner", os.getpid() + 1)
    runner.close()
    assert place.run(code("exit", 3), slot=Slot()).code == 3
    monkeypatch.undo()


def test_names_of_engines(tmp_path):
    for name in ("", "../x", "Sir", "-sir", "s" * 65):
        with pytest.raises(FailedPreconditionError, match="name of an engine"):
            Runner(name)


# -- the trace -------------------------------------------------------------------------------------


def test_every_run_is_traced(make_runner, code, tmp_path, monkeypatch):
    trace = tmp_path / "trace"
    monkeypatch.setenv("STOKESWARM_RUN_TRACE", str(trace))
    runner = make_runner()
    first = runner.place(Slot(3)).run(code("exit", 2), slot=Slot(3))
    runner.place(Slot(0)).run(code("signal", 11), slot=Slot(0))
    runner.place(Slot(0)).run(code("hang"), slot=Slot(0, lambda: True))
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert lines[0] == {
        "engine": "test",
        "slot": 3,
        "ending": "exited",
        "code": 2,
        "started": first.started,
        "ended": first.ended,
        "wall": first.wall_seconds,
        "cpu": first.cpu_seconds,
        "memory": first.memory_bytes,
    }
    assert [(line["slot"], line["ending"]) for line in lines[1:]] == [(0, "signalled")]


def test_a_trace_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("STOKESWARM_RUN_TRACE", str(tmp_path / "absent" / "trace"))
    with pytest.raises(FailedPreconditionError, match="STOKESWARM_RUN_TRACE"):
        Runner("test")


@pytest.mark.parametrize("whole", [False, True], ids=["slot", "scratch"])
def test_a_slot_survives_the_loss_of_its_folder(make_runner, code, whole):
    runner = make_runner()
    first = runner.place(Slot())
    first.keep("LINES", "static")
    first.tenant = "somebody"
    shutil.rmtree(runner.scratch.root if whole else first.folder)
    place = runner.place(Slot())
    assert place is not first
    assert place.tenant is None
    place.clean()
    place.write("in", "x")
    run = place.run(code("exit", 0), slot=Slot())
    assert (run.ending, run.code) == (Ending.EXITED, 0)
    assert runner.place(Slot()) is place
