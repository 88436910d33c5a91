"""Codes that misbehave in every way, through the real server: each pixel ends in its true status.

The code is the stand-in of ``tests/standin``, told by the pixels what to do; server, client, runner and SIR's
engine are the real ones.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import xarray as xr
from standin_commands import CODES
from standin_scene import ENDINGS, SLOW, plan, request, stokes, tell

from stokeswarm.client.cluster import Cluster, connect
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.readers import Observation
from stokeswarm.contract.errors import UnavailableError
from stokeswarm.contract.inversion import Heartbeat, InvertRequest
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.contract.testing import expect_same

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc"
)

T = TypeVar("T")
#: no wait of a test lasts longer [s]
PATIENCE = 60.0
#: what may differ between two runs of the same input
CLOCK = "seconds"
WISHES = Wishes(init="model:hsra", engine="sir")


def wait_for(condition: Callable[[], T], what: str) -> T:
    """The first true value of a condition that other processes bring about."""
    tick = threading.Event()
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, f"{what}: not within {PATIENCE:g} s"
        tick.wait(0.01)
    return value


def mentioning(text: str) -> dict[int, str]:
    """Processes with a text in their command line or environment, besides this one."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            words = command + (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is another user's
        # A zombie has no command line; nothing of it is left but a number.
        if command and os.fsencode(text) in words:
            found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


class House:
    """A scratch of the test's own, the stand-in, and what must not be left of either."""

    def __init__(self, standin: Any, scratch: Path) -> None:
        self.standin = standin
        self.scratch = scratch

    @contextmanager
    def cluster(self, slots: int = 2) -> Iterator[Cluster]:
        """The real server with SIR's engine alone."""
        with connect(slots=slots, engines=("sir",)) as cluster:
            cluster.engines()
            yield cluster

    def server(self, cluster: Cluster) -> subprocess.Popen[str]:
        """The server's process."""
        return cluster._local._servers["inversion"]._process

    def workers(self) -> dict[int, str]:
        """Wardens and codes: processes whose command line names the scratch or the stand-in's state."""
        found = mentioning(str(self.scratch)) | mentioning(str(self.standin.state))
        return {pid: line for pid, line in found.items() if "stokeswarm.inversion.cli" not in line}

    def bytes_used(self) -> int:
        """Of the scratch."""
        return sum(p.lstat().st_size for p in self.scratch.rglob("*") if not p.is_dir())

    def inversions(self) -> int:
        """Inversions that the stand-in was asked for."""
        return sum(1 for run in self.standin.runs() if run.cycles > 0)

    def check_nothing_left(self) -> None:
        """No process, no folder."""
        wait_for(lambda: not self.workers(), "the end of every process")
        wait_for(lambda: not list(self.scratch.iterdir()), "an empty scratch")


@pytest.fixture
def house(standin: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """In memory where the system has such a place, as in production."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(
        prefix="stokeswarm-test-", dir=memory if os.access(memory, os.W_OK) else None
    ) as folder:
        monkeypatch.setenv("STOKESWARM_SCRATCH", folder)
        monkeypatch.setenv("STOKESWARM_SIR", str(standin.executable))
        monkeypatch.setenv("STOKESWARM_CODE_FILE_MIB", "8")
        made = House(standin, Path(folder))
        yield made
        made.check_nothing_left()


def invert(cluster: Cluster, asked: InvertRequest) -> dict[int, tuple[Any, int]]:
    """Row → the results that hold its pixel, and where in them."""
    rows = {int(pixel): row for row, pixel in enumerate(asked.pixel)}
    found: dict[int, tuple[Any, int]] = {}
    for event in cluster.invert_request(asked, timeout=600.0):
        if isinstance(event, Heartbeat):
            continue
        for index, pixel in enumerate(event.pixel.tolist()):
            assert rows[pixel] not in found, f"pixel {pixel} ended twice"
            found[rows[pixel]] = event, index
    assert len(found) == len(rows), "pixels are missing"
    return found


def check_pixels(
    found: dict[int, tuple[Any, int]], clean: dict[int, tuple[Any, int]], told: dict[int, str]
) -> None:
    """Statuses and messages of the misbehaving; the others to the bit as in a clean run."""
    wrong = []
    for row, (results, index) in found.items():
        good, at = clean[row]
        if row not in told:
            assert results.status[index] is Status.OK, f"an innocent pixel: {results.message[index]}"
            expect_same(results, index, good, at, "among misbehaving ones")
            continue
        command, status, message = told[row], results.status[index], results.message[index]
        expected, words = ENDINGS[command]
        if status not in expected or not re.search(words, message):
            wrong.append(f"{command}: {status.name} {message!r}, expected {expected} {words!r}")
        if bool(message) is (status is Status.OK) or not message.isprintable():
            wrong.append(f"{command}: {status.name} with message {message!r}")
        one, other = results.atmosphere[0].arrays(), good.atmosphere[0].arrays()
        if status.has_result:
            same = all(one[name][index].tobytes() == other[name][at].tobytes() for name in one)
            if not same or results.fit[index].tobytes() != good.fit[at].tobytes():
                wrong.append(f"{command}: another result than that of a clean run")
        elif not (np.isnan(results.fit[index]).all() and all(np.isnan(a[index]).all() for a in one.values())):
            wrong.append(f"{command}: numbers without a result")
    assert not wrong, "\n".join(wrong)


def spread(names: list[str], n_pixel: int) -> dict[int, str]:
    """Commands at rows all over the request."""
    rows = np.random.default_rng(3).permutation(n_pixel)[: len(names)]
    return dict(zip(rows.tolist(), names, strict=True))


def run_misbehaving(house: House, n_pixel: int, names: list[str]) -> None:
    profiles, told = stokes(n_pixel), spread(names, n_pixel)
    made = plan(timeout=1.5)
    with house.cluster() as cluster:
        clean = invert(cluster, request(profiles, made))
        assert Counter(r.status[i] for r, i in clean.values()) == {Status.OK: n_pixel}
        found = invert(cluster, request(tell(profiles, told), made))
        # Every run has ended: only the server and a warden a slot are left, and the last run's small files.
        assert not house.standin.alive()
        assert len(house.workers()) <= 2, house.workers()
        assert house.bytes_used() < 2**20
    check_pixels(found, clean, told)


def test_every_disaster_ends_in_its_own_status(house: House) -> None:
    assert set(CODES) - set(ENDINGS) == {"worse_last_cycle", "wait", "wait_once"}, (
        "they have tests of their own"
    )
    run_misbehaving(house, 100, sorted(ENDINGS))


@pytest.mark.slow
def test_a_thousand_pixels_a_tenth_of_them_misbehaving(house: House) -> None:
    quick = [name for name in sorted(ENDINGS) if name not in SLOW]
    names = [*SLOW, *SLOW, *quick, *quick, *quick][:100]
    run_misbehaving(house, 1000, names)


def test_the_best_cycle_is_kept(house: House) -> None:
    """A later cycle that is worse, or broken, does not take the good one before it along."""
    broken = ["nan_model", "nan_profile", "partial", "few_depths", "symlink_output", "absurd_values"]
    told = dict(enumerate([*broken, "worse_last_cycle"]))
    profiles, made = stokes(len(told) + 1), plan(cycles=2)
    with house.cluster() as cluster:
        clean = invert(cluster, request(profiles, made))
        found = invert(cluster, request(tell(profiles, told), made))
    for row, (results, index) in found.items():
        status, best = results.status[index], int(results.best_cycle[index])
        if row not in told:
            assert (status, best) == (Status.OK, 1)
            expect_same(results, index, *clean[row], "beside broken cycles")
        elif told[row] == "worse_last_cycle":
            assert (status, best, int(results.cycles[index])) == (Status.OK, 0, 0b11)
        else:
            assert (status, best, int(results.cycles[index])) == (Status.NOT_CONVERGED, 0, 0b01), told[row]
            assert re.search("kept cycle 1; cycle 2: .*g_2|temperature", results.message[index])


# -- killed from outside ---------------------------------------------------------------------------------


class Map:
    """An 8 × 8 map: pixels of the stand-in, three without data, three that are zero."""

    SHAPE = (8, 8)
    NAN, ZERO = (3, 17, 42), (8, 33, 60)

    def __init__(self, told: dict[int, str]) -> None:
        profiles = tell(stokes(64), told)
        profiles[list(self.NAN)] = np.nan
        profiles[list(self.ZERO)] = 0.0
        made = plan(timeout=PATIENCE)
        self.plan = made
        self.observation = Observation(
            profiles.reshape(*self.SHAPE, 4, -1), made.wavelength, ContinuumReference.DISC_CENTRE
        )

    def invert(self, cluster: Cluster, output: Path | None = None, **options: Any) -> xr.DataTree:
        """Through the whole client."""
        tree = cluster.invert(self.observation, self.plan, output, tile=(4, 4), wishes=WISHES, **options)
        return tree.load()


def check_same(one: xr.DataTree, two: xr.DataTree, but: set[int]) -> int:
    """Every stored array of every pixel but some is the same to the bit; returns how many arrays."""
    rows = [row for row in range(64) if row not in but]
    compared = 0
    for group in ("atmosphere", "uncertainty", "initial", "fit"):
        for name, values in one[group].data_vars.items():
            if name == CLOCK or values.dims[:2] != ("y", "x"):
                continue
            a, b = (v.values.reshape(64, *v.shape[2:])[rows] for v in (values, two[group][name]))
            np.testing.assert_array_equal(a, b, err_msg=f"{group}/{name}")
            compared += 1
    return compared


def status_of(tree: xr.DataTree, row: int) -> tuple[Status, str]:
    y, x = divmod(row, 8)
    return Status(int(tree["fit/status"].values[y, x])), str(tree["fit/message"].values[y, x])


def test_killed_codes_and_a_killed_warden(house: House) -> None:
    """Four codes and a warden, −9, among pixels without data: only these pixels notice, and they say so."""
    once, twice, warden = (5, 21), (30, 50), 55
    told = dict.fromkeys((*once, warden), "wait_once") | dict.fromkeys(twice, "wait")
    quiet = Map({})
    with house.cluster() as cluster:
        clean = quiet.invert(cluster)
        found: list[xr.DataTree] = []
        inverting = threading.Thread(target=lambda: found.append(Map(told).invert(cluster)))
        inverting.start()
        seen: set[int] = set()
        wardens_killed = 0
        for _ in range(len(once) + 1 + 2 * len(twice)):
            fresh = wait_for(lambda: [w for w in house.standin.waiting() if w.process not in seen], "a run")[
                0
            ]
            seen.add(fresh.process)
            if fresh.command == "wait_once" and not wardens_killed:
                os.kill(fresh.parent, signal.SIGKILL)
                wardens_killed += 1
            else:
                os.kill(fresh.process, signal.SIGKILL)
        inverting.join(PATIENCE)
        assert found, "the map does not end"
        assert house.server(cluster).poll() is None
    (tree,) = found
    assert check_same(clean, tree, {*once, *twice, warden}) > 15
    for row in (*once, warden):
        assert status_of(tree, row) == (Status.OK, "")
    for row in twice:
        status, message = status_of(tree, row)
        assert status is Status.ENGINE_FAILED
        assert "SIGKILL" in message
    for row in Map.NAN:
        assert status_of(tree, row) == (Status.INVALID_INPUT, "every sample of Stokes I is NaN")
    for row in Map.ZERO:
        assert status_of(tree, row) == (Status.INVALID_INPUT, "Stokes I is zero at every wavelength")
    for group, name in (("atmosphere", "temperature"), ("fit", "stokes"), ("fit", "chi2")):
        values = tree[group][name].values.reshape(64, -1)
        assert np.isnan(values[[*Map.NAN, *Map.ZERO, *twice]]).all(), f"{group}/{name} holds numbers"


def test_a_killed_server_leaves_nothing_and_the_run_resumes(house: House, tmp_path: Path) -> None:
    """−9 in the middle of a map: no process, no folder; the client says so; the rest is done later."""
    where = tmp_path / "map.zarr"
    # The last tile's pixel waits, so that some tiles are complete when the server dies.
    last = 63
    with house.cluster() as cluster:
        clean = Map({}).invert(cluster)
    told = Map({last: "wait"})
    with house.cluster() as cluster:
        killer = threading.Thread(target=kill_when_waiting, args=(house, house.server(cluster).pid))
        killer.start()
        with pytest.raises(UnavailableError, match=r"server ended unexpectedly \(exit code -9\)"):
            told.invert(cluster, where)
        killer.join(PATIENCE)
    house.check_nothing_left()
    done = house.inversions()
    house.standin.release()
    with house.cluster() as cluster:
        tree = told.invert(cluster, where, resume=True)
    assert house.inversions() - done < 58, "a resumed run does the complete tiles again"
    assert status_of(tree, last) == (Status.OK, "")
    assert check_same(clean, tree, {last}) > 15


def kill_when_waiting(house: House, server: int) -> None:
    # By then every other pixel has run, for tiles are taken in order and a tile's last pixel last.
    wait_for(house.standin.waiting, "the run that waits")
    os.kill(server, signal.SIGKILL)


def test_a_server_that_starts_clears_up_after_a_dead_one(house: House) -> None:
    """Server and wardens killed together, as by a machine without memory: the next start cleans up."""
    asked = request(tell(stokes(2), {1: "wait"}), plan(timeout=PATIENCE))
    heard, failures = threading.Event(), []
    with house.cluster() as cluster:

        def ask() -> None:
            try:
                for _ in cluster.invert_request(asked, timeout=600.0):
                    heard.set()
            except UnavailableError as error:
                failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert heard.wait(PATIENCE)
        wait_for(house.standin.waiting, "the run that waits")
        server = house.server(cluster).pid
        wardens = [pid for pid, line in house.workers().items() if "warden" in line]
        assert len(wardens) == 2
        # All stopped first, so that none can clean up when another dies.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in (*wardens, server):
                os.kill(process, number)
        asking.join(PATIENCE)
        assert failures
    wait_for(lambda: not house.workers(), "the end of every process")
    assert list(house.scratch.iterdir()), "somebody cleaned up after all: the test tests nothing"
    house.standin.release()
    with house.cluster() as cluster:
        assert len(list(house.scratch.iterdir())) == 1, "the dead server's scratch is still there"
        assert {r.status[i] for r, i in invert(cluster, asked).values()} == {Status.OK}


def test_a_caller_that_leaves_frees_the_slot(house: House) -> None:
    """Cancelled, or gone: the code is ended at once, whatever it ignores, and the slot works on."""
    hanging = request(tell(stokes(1), {0: "hang_ignoring_signals"}), plan(timeout=PATIENCE))

    def begin(cluster: Cluster) -> Any:
        known = {one.process for one in house.standin.waiting()}
        stream = cluster.invert_request(hanging, timeout=600.0)
        wait_for(lambda: {one.process for one in house.standin.waiting()} - known, "the run that hangs")
        return stream

    with house.cluster(slots=1) as cluster:
        begin(cluster).cancel()
        wait_for(lambda: not house.standin.alive(), "the end of the code")
        found = invert(cluster, request(stokes(2)))
        assert {results.status[index] for results, index in found.values()} == {Status.OK}
        begin(cluster)
    assert not house.standin.alive(), "the server ended, its code did not"


# -- a full disk -----------------------------------------------------------------------------------------

#: mounts a file system of 96 KiB and becomes the test's own interpreter, in a namespace of its own
TINY_SCRIPT = """
mount -t tmpfs -o size=96k tiny "$1" || exit 77
exec "$2" -c "$3" "$1" "$4"
"""
#: what runs there: pixels with less and less room, then with enough again
TINY_PYTHON = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import conftest
from standin_scene import plan, request, stokes
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir.engine import SirEngine
base, engine = Path(sys.argv[1]), SirEngine()
job = engine.prepare_inversion(request(stokes(3), plan()))
for room in (None, 40, 16, 0, None):
    engine._installation.runner.place(Slot()).reset()
    hog = base / "hog"
    if room is not None:
        free = os.statvfs(base)
        hog.write_bytes(bytes(free.f_bavail * free.f_frsize - 1024 * room))
    results = job.run(range(3), Slot())
    print(room, [s.name for s in results.status], " ".join(results.message), sep="|")
    hog.unlink(missing_ok=True)
engine.close()
print([p.name for p in base.iterdir()])
"""


def test_a_full_disk(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scratch is full: every pixel says so and nothing hangs; with room again, everything works again."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare (util-linux) to mount a file system with")
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(tiny))
    words = [TINY_SCRIPT, "sh", tiny, sys.executable, TINY_PYTHON, Path(__file__).parent]
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    *lines, left = done.stdout.splitlines()
    (_, before, _), *full, (_, after, nothing) = (line.split("|") for line in lines)
    assert before == after == "['OK', 'OK', 'OK']"
    assert nothing.strip() == ""
    assert len(full) == 3
    for room, statuses, messages in full:
        assert set(statuses.strip("[]").split(", ")) <= {"'NO_OUTPUT'", "'ENGINE_FAILED'"}, (
            f"{room} KiB: {statuses}"
        )
        # With room for the input alone, the code leaves nothing and says nothing: that much can be told.
        assert re.search(
            "the scratch is full" if room != "40" else "left no output|No space left", messages
        ), messages
    assert left == "[]"
