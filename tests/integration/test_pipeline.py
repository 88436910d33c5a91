"""The pipeline against servers that misbehave: every pixel ends once, and the same way however it came."""

from __future__ import annotations

import asyncio
import errno
import json
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stokeswarm.client.cluster import Cluster, connect
from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.gate import Gate, Reason
from stokeswarm.client.layout import Start
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.readers import Observation, read
from stokeswarm.client.starts import named_guess
from stokeswarm.client.store import ResultStore, StoreError
from stokeswarm.client.testing import Fault, Script, fake_inference, fake_inversion, small_plan
from stokeswarm.contract.errors import (
    CancelledByCallerError,
    InvalidArgumentError,
    NotFoundError,
    OutputExistsError,
    UnavailableError,
)
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import ContinuumReference, Status

HASTY = RetryPolicy(attempts=3, first_pause=0.001, longest_pause=0.002)
MODEL = Wishes(init="model:hsra", policy=HASTY)
CNN = Wishes(init="cnn", policy=HASTY)
#: what may differ between two runs of the same thing
NOT_COMPARED = ("fit/seconds",)


def observation(ny: int = 7, nx: int = 9, seed: int = 1) -> Observation:
    """A map with profiles that the fake engine and network understand."""
    random = np.random.default_rng(seed)
    axis = hinode_sp().regions[0].grid()
    stokes = random.normal(0.0, 0.01, (ny, nx, 4, axis.size)).astype(np.float32)
    stokes[:, :, 0] += 1.0
    stokes[:, :, 1, 0] = 1.0  # χ² of the assisted run
    stokes[:, :, 2, 0] = 2.0  # χ² of the full cycles
    stokes[:, :, 3, 0] = 0.1  # novelty
    return Observation(stokes, axis, ContinuumReference.DISC_CENTRE)


def invert(script: Script, obs: Observation, wishes: Wishes = MODEL, **options: object) -> xr.DataTree:
    with (
        fake_inversion(script) as inversion,
        fake_inference() as inference,
        connect(inference, inversion) as cluster,
    ):
        return cluster.invert(obs, small_plan(), wishes=wishes, **options).load()  # type: ignore[arg-type]


def five_nodes() -> Plan:
    """The small plan with more nodes of the temperature."""
    plan = small_plan()
    cycle = replace(plan.cycles[0], components=(replace(plan.cycles[0].components[0], temperature=5),))
    return replace(plan, cycles=(cycle,))


def same(a: xr.DataTree, b: xr.DataTree) -> None:
    for group in ("atmosphere", "uncertainty", "initial", "fit", "observation"):
        for name in a[group].data_vars:
            if f"{group}/{name}" not in NOT_COMPARED:
                np.testing.assert_array_equal(a[f"{group}/{name}"].values, b[f"{group}/{name}"].values)


def test_every_pixel_gets_its_own_result() -> None:
    obs = observation()
    tree = invert(Script(), obs, tile=(3, 4))
    assert (tree["fit/status"] == Status.OK).all()
    assert (tree["fit/start"] == Start.MODEL).all()
    warmer = tree["atmosphere/temperature"] - tree["initial/temperature"]
    mean = obs.stokes[:, :, 0].astype(float).mean(axis=2)
    np.testing.assert_allclose(warmer.isel(log_tau=4), mean, rtol=1e-3)
    np.testing.assert_array_equal(tree["observation/stokes"], obs.stokes)
    np.testing.assert_array_equal(tree["fit/chi2"], 2.0)
    assert tree.attrs["summary"]["status"] == {"ok": 63}


@pytest.mark.parametrize(
    "fault", [Fault.BREAK, Fault.SHORT, Fault.REPEAT, Fault.STRANGERS, Fault.FULL, Fault.DAMAGED, Fault.DIE]
)
def test_faults_leave_no_trace(fault: Fault) -> None:
    obs = observation()
    script = Script(faults=deque([fault, fault, Fault.NONE, fault]))
    same(invert(script, obs, tile=(4, 5), in_flight=2), invert(Script(), obs, tile=(4, 5)))


def test_only_the_missing_pixels_are_sent_again() -> None:
    script = Script(faults=deque([Fault.BREAK]))
    invert(script, observation(2, 4), tile=(2, 4))
    first, second = script.asked
    assert len(first) == 8
    # The fake answers backwards: the upper half came, the lower half is asked for again.
    assert set(second) == {0, 1, 2, 3}


def test_a_silent_server_is_given_up() -> None:
    script = Script(faults=deque([Fault.SILENT]))
    with fake_inversion(script) as inversion, connect(None, inversion, silence=0.2) as cluster:
        tree = cluster.invert(observation(2, 2), small_plan(), wishes=MODEL).load()
    assert (tree["fit/status"] == Status.OK).all()
    assert script.closed.is_set()


def test_the_pixel_that_kills_servers_stands_alone() -> None:
    script = Script(poison={13})
    tree = invert(script, observation(4, 6), tile=(4, 6))
    status = tree["fit/status"].values.ravel()
    assert status[13] == Status.NO_OUTPUT
    assert (np.delete(status, 13) == Status.OK).all()
    assert "the pod is gone" in str(tree["fit/message"].values.ravel()[13])
    assert np.isnan(tree["atmosphere/temperature"].values.reshape(24, -1)[13]).all()
    assert np.isnan(tree["fit/stokes"].values.reshape(24, -1)[13]).all()


def test_a_server_with_a_bug_fails_its_pixels_with_the_reason() -> None:
    script = Script(faults=deque([Fault.CRASH] * HASTY.attempts))
    tree = invert(script, observation(2, 2), tile=(2, 2))
    assert (tree["fit/status"] == Status.ENGINE_FAILED).all()
    assert "RuntimeError" in str(tree["fit/message"].values[0, 0])
    assert tree.attrs["summary"]["status"] == {"engine failed": 4}


def test_bad_pixels_stop_nothing() -> None:
    obs = observation()
    stokes = obs.stokes.copy()
    stokes[0, 0], stokes[1, 1] = np.nan, 0.0
    mask = np.zeros(obs.shape, bool)
    mask[2, 2] = True
    script = Script(failing={27: Status.TIMEOUT})
    tree = invert(script, replace(obs, stokes=stokes, mask=mask), tile=(4, 4))
    status = tree["fit/status"].values
    assert status[0, 0] == status[1, 1] == Status.INVALID_INPUT
    assert status[2, 2] == Status.MASKED
    assert status[3, 0] == Status.TIMEOUT
    assert (status == Status.OK).sum() == obs.n_pixel - 4
    assert "NaN" in str(tree["fit/message"].values[0, 0])
    assert "zero" in str(tree["fit/message"].values[1, 1])
    assert np.isnan(tree["atmosphere/temperature"].values[status != Status.OK]).all()
    asked = {pixel for call in script.asked for pixel in call}
    assert asked == set(range(63)) - {0, 10, 20}


@pytest.mark.parametrize(("tile", "in_flight"), [((1, 3), 3), ((2, 5), 1), ((16, 16), 4)])
def test_tiles_and_concurrency_change_nothing(tile: tuple[int, int], in_flight: int) -> None:
    obs = observation(4, 6)
    obs.stokes[2:4, :, 1, 0] = 9.0
    same(invert(Script(), obs, CNN, tile=tile, in_flight=in_flight), invert(Script(), obs, CNN, tile=(3, 3)))


def test_the_gate_sends_back_what_is_bad_or_novel_and_keeps_the_better_fit() -> None:
    obs = observation(1, 6)
    stokes = obs.stokes.copy()
    stokes[0, 1, 1, 0], stokes[0, 1, 2, 0] = 9.0, 4.0  # bad, the full cycles help
    stokes[0, 2, 1, 0], stokes[0, 2, 2, 0] = 5.0, 8.0  # bad, they do not
    stokes[0, 3, 3, 0] = 2.0  # novel, assisted better
    stokes[0, 4, 3, 0], stokes[0, 4, 1, 0] = 2.0, 2.5  # novel, full better
    stokes[0, 5, 0, 0] = 1.6  # the network has no guess
    script = Script()
    tree = invert(script, replace(obs, stokes=stokes), replace(CNN, gate=Gate(scout=False)))
    fit = tree["fit"]
    n, c, m = int(Reason.NOVEL), int(Reason.CHI2), int(Reason.NO_GUESS)
    assert fit["gate"].values[0].tolist() == [0, c, c, n, n, m]
    model, cnn = int(Start.MODEL), int(Start.CNN)
    assert fit["start"].values[0].tolist() == [cnn, model, cnn, cnn, model, model]
    np.testing.assert_allclose(fit["chi2"].values[0], [1.0, 4.0, 5.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(fit["chi2_assisted"].values[0], [1.0, 9.0, 5.0, 1.0, 2.5, np.nan])
    np.testing.assert_allclose(fit["chi2_full"].values[0], [np.nan, 4.0, 8.0, 2.0, 2.0, 2.0])
    assert fit["cycles"].values[0].tolist() == [4, 7, 4, 4, 7, 7]
    # The start that looks like the pixel; where it leaves doubt, the plan's model, too.
    np.testing.assert_allclose(fit["seconds"].values[0], [0.25, 0.75, 0.75, 0.5, 0.5, 0.25])
    assert script.cycles == [(2,), (), ()]
    assert [len(asked) for asked in script.asked] == [5, 5, 2]
    summary = tree.attrs["summary"]
    assert summary["gate"] == {"chi2": 2, "novel": 2, "no_guess": 1}
    assert summary["gate_improved"] == 3
    names = tree.attrs["gate"]["starts"]
    won = fit["gate_start"].values[0]
    assert [bool(number) for number in won] == [False, True, False, False, True, True]
    assert summary["gate_start"] == {"model:plage": 3}
    assert names[won[1] - 1] == "model:plage"
    # The start that won is the one recorded.
    field = tree["initial/field_strength"].values[0, :, 3]
    assert field.tolist() == [1500.0, 1200.0, 1500.0, 1500.0, 1200.0, 1200.0]
    # The short cycles find the same from every start: to the gate, the two bad fits are the plan's.
    tree = invert(Script(), replace(obs, stokes=stokes), CNN)
    np.testing.assert_allclose(tree["fit/chi2"].values[0], [1.0, 9.0, 5.0, 1.0, 2.0, 2.0])
    np.testing.assert_allclose(tree["fit/chi2_scout"].values[0], [np.nan, 9.0, 5.0, np.nan, np.nan, np.nan])
    assert np.isnan(tree["fit/chi2_full"].values[0]).tolist() == [True, True, True, False, False, False]
    summary = tree.attrs["summary"]
    assert (summary["gate_total"], summary["gate_scouted"], summary["gate_improved"]) == (5, 2, 2)


@pytest.mark.parametrize(("log_gf", "other"), [(-1.236, False), (-0.97, True)])
def test_a_network_of_other_lines_gives_level_and_slope(log_gf: float, other: bool) -> None:
    card = json.dumps({"training": {"recipe": {"regions": [{"lines": [[6302.4936, log_gf]]}]}}})
    with (
        fake_inversion(Script()) as inversion,
        fake_inference(card=card) as inference,
        connect(inference, inversion) as cluster,
    ):
        run = cluster.begin(observation(1, 2), five_nodes(), wishes=CNN)
        notes = [text for text in run.prepared.notes if "other strengths" in text]
        tiles = list(run)
    assert len(notes) == other
    initial = tiles[0].arrays["initial/temperature"].reshape(2, -1)
    hsra = named_guess("hsra", five_nodes())[0].temperature
    bend = np.abs(np.diff(initial - hsra, 2, axis=1)).max()
    assert (bend < 0.01) == other


def test_best_of_keeps_the_lower_chi2() -> None:
    obs = observation(1, 3)
    stokes = obs.stokes.copy()
    stokes[0, 1, 2, 0] = 0.5
    wishes = replace(CNN, init="best-of:cnn,model:hsra", gate=Gate(chi2=100.0))
    tree = invert(Script(), replace(obs, stokes=stokes), wishes)
    assert tree["fit/start"].values[0].tolist() == [Start.CNN, Start.MODEL, Start.CNN]
    np.testing.assert_allclose(tree["fit/chi2"].values[0], [1.0, 0.5, 1.0])


def test_previous_result_starts_the_next(tmp_path: Path) -> None:
    obs = observation(3, 4)
    place = tmp_path / "first.zarr"
    invert(Script(failing={5: Status.TIMEOUT}), obs, CNN, output=place, region="0:3,1:4")
    tree = invert(Script(), obs, replace(MODEL, init=f"previous:{place}"))
    start = tree["fit/start"].values
    assert (start[:, 0] == Start.MODEL).all()  # outside the earlier region
    assert start[1, 1] == Start.MODEL  # no result there
    assert start[0, 1] == Start.PREVIOUS
    first = ResultStore.read(place).map("atmosphere/temperature")
    np.testing.assert_allclose(tree["initial/temperature"].values[0, 1:], first[0], rtol=1e-6)


def test_a_region_of_the_map(tmp_path: Path) -> None:
    obs = observation()
    whole = invert(Script(), obs)
    part = invert(Script(), obs, region="2:5,3:-1", output=tmp_path / "part.zarr")
    assert part["fit/chi2"].shape == (3, 5)
    assert part.y.values.tolist() == [2, 3, 4]
    np.testing.assert_array_equal(
        part["atmosphere/temperature"], whole["atmosphere/temperature"].isel(y=slice(2, 5), x=slice(3, 8))
    )


def start_and_stop(cluster: Cluster, obs: Observation, output: Path, tiles: int) -> None:
    """Cancel a run after some tiles."""
    run = cluster.begin(obs, small_plan(), output, wishes=MODEL, tile=(2, 2), in_flight=2)
    for number, _ in enumerate(run, start=1):
        if number == tiles:
            break


def test_a_cancelled_run_resumes_where_it_was(tmp_path: Path) -> None:
    obs = observation()
    output = tmp_path / "out.zarr"
    script = Script()
    with fake_inversion(script) as inversion, connect(None, inversion) as cluster:
        start_and_stop(cluster, obs, output, 5)
        store = ResultStore.read(output)
        done = int(store.done.sum())
        assert 4 <= done <= 5
        assert not store.complete
        assert "summary" not in store.attrs
        missing = sum(tile.window.size for tile in store.missing())
        assert 0 < missing < obs.n_pixel
        script.asked.clear()
        tree = cluster.invert(obs, small_plan(), output, resume=True, wishes=MODEL).load()
    again = {pixel for call in script.asked for pixel in call}
    assert len(again) == missing
    same(tree, invert(Script(), obs, tile=(3, 3)))
    same(xr.open_datatree(output, engine="zarr").load(), tree)


def test_an_output_that_exists_is_not_touched(tmp_path: Path) -> None:
    output = tmp_path / "out.zarr"
    obs = observation(2, 2)
    with fake_inversion() as inversion, connect(None, inversion) as cluster:
        cluster.invert(obs, small_plan(), output, wishes=MODEL)
        with pytest.raises(OutputExistsError, match=r"out\.zarr.*--resume"):
            cluster.invert(obs, small_plan(), output, wishes=MODEL)


def test_a_resume_of_something_else_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "out.zarr"
    obs = observation(2, 2)
    with fake_inversion() as inversion, connect(None, inversion) as cluster:
        cluster.invert(obs, small_plan(), output, wishes=MODEL)
        noisier = replace(small_plan(), noise=(2e-3, 1e-3, 1e-3, 1e-3))
        with pytest.raises(InvalidArgumentError, match=r"plan\.noise\[0\] was 0\.001, now 0\.002"):
            cluster.invert(obs, noisier, output, resume=True, wishes=MODEL)
        other = replace(obs, stokes=obs.stokes * 1.01)
        with pytest.raises(InvalidArgumentError, match="input"):
            cluster.invert(other, small_plan(), output, resume=True, wishes=MODEL)
    with (
        fake_inversion(digest="newer") as inversion,
        connect(None, inversion) as cluster,
        pytest.raises(InvalidArgumentError, match=r'engine\.digest was "fake", now "newer"'),
    ):
        cluster.invert(obs, small_plan(), output, resume=True, wishes=MODEL)
    with (
        fake_inversion() as inversion,
        connect(None, inversion) as cluster,
        pytest.raises(NotFoundError, match="no such result store"),
    ):
        cluster.invert(obs, small_plan(), tmp_path / "no.zarr", resume=True, wishes=MODEL)


def test_a_full_disk_is_said_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out.zarr"
    obs = observation()
    put = ResultStore._put
    written: list[str] = []

    def full(self: ResultStore, path: str, *rest: object) -> None:
        written.append(path)
        if len(written) > 150:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(self, path, *rest)  # type: ignore[arg-type]

    with fake_inversion() as inversion, connect(None, inversion) as cluster:
        monkeypatch.setattr(ResultStore, "_put", full)
        with pytest.raises(StoreError, match=r"no space left.*--resume"):
            cluster.invert(obs, small_plan(), output, wishes=MODEL, tile=(2, 3))
        monkeypatch.undo()
        assert 0 < ResultStore.read(output).done.sum() < 12
        tree = cluster.invert(obs, small_plan(), output, resume=True, wishes=MODEL).load()
    same(tree, invert(Script(), obs))


def test_a_service_that_is_gone_stops_the_run_and_spares_the_pixels(tmp_path: Path) -> None:
    output = tmp_path / "out.zarr"
    obs = observation(2, 2)
    with fake_inversion(Script(faults=deque([Fault.FULL] * 1000))) as address:
        cluster = connect(None, address)
        run = cluster.begin(obs, small_plan(), output, wishes=MODEL)
    with cluster, pytest.raises(UnavailableError, match="no inversion server answered"):
        list(run)
    assert not ResultStore.read(output).done.any()


def test_a_run_that_nobody_iterates_over_ends_with_its_cluster(tmp_path: Path) -> None:
    script = Script(faults=deque([Fault.SILENT]))
    with fake_inversion(script) as inversion:
        with connect(None, inversion) as cluster:
            run = cluster.begin(observation(2, 2), small_plan(), tmp_path / "out.zarr", wishes=MODEL)
            assert script.started.wait(10.0)
        with pytest.raises(CancelledByCallerError):
            list(run)
        assert script.closed.wait(10.0)


def test_a_refused_plan_stops_the_run() -> None:
    two = replace(MODEL, engine="desire")
    with (
        fake_inversion() as inversion,
        connect(None, inversion) as cluster,
        pytest.raises(NotFoundError, match=r"'desire' is unknown.*lte"),
    ):
        cluster.invert(observation(1, 1), small_plan(), wishes=two)


def test_stopping_cancels_calls_that_wait() -> None:
    script = Script(faults=deque([Fault.SILENT]))
    with fake_inversion(script) as inversion, connect(None, inversion) as cluster:
        run = cluster.begin(observation(2, 2), small_plan(), wishes=MODEL)

        async def main() -> None:
            reading = asyncio.create_task(asyncio.to_thread(list, run))
            await asyncio.to_thread(script.started.wait, 30.0)
            run.stop()
            with pytest.raises(CancelledByCallerError):
                await reading

        asyncio.run(main())
    assert script.closed.wait(30.0)


def test_tiles_come_by_asyncio_and_leaving_the_loop_cancels() -> None:
    async def main(cluster: Cluster, most: int) -> list[tuple[int, int]]:
        seen = []
        stream = cluster.stream(observation(), small_plan(), tile=(3, 3), wishes=MODEL)
        async for result in stream:
            assert (result["fit/status"] == Status.OK).all()
            seen.append((result.tile.row, result.tile.column))
            if len(seen) == most:
                await stream.aclose()  # type: ignore[attr-defined]
                break
        return seen

    with fake_inversion() as inversion, connect(None, inversion) as cluster:
        assert sorted(asyncio.run(main(cluster, 99))) == [(r, c) for r in range(3) for c in range(3)]
        assert len(asyncio.run(main(cluster, 2))) == 2


def test_without_init_the_network_that_fits_is_taken_and_said() -> None:
    tree = invert(Script(), observation(1, 2), Wishes(policy=HASTY))
    assert (tree["fit/start"] == Start.CNN).all()
    assert any("cnn:hinode-sp" in note for note in tree.attrs["notes"])


def test_memory_urls() -> None:
    obs = observation(2, 3)
    tree = invert(Script(), obs, output="memory://stokeswarm-test/out.zarr")
    assert (tree["fit/status"] == Status.OK).all()
    with pytest.raises(OutputExistsError):
        invert(Script(), obs, output="memory://stokeswarm-test/out.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("init", ["model", "cnn"])
def test_real_servers_give_the_same_bits_for_any_slots_and_tiles(data_dir: Path, init: str) -> None:
    obs = read(data_dir / "map" / "map.npz", reference="disc-centre")
    results = []
    for slots, tile in ((1, (2, 4)), (2, (1, 3))):
        with connect(slots=slots) as cluster:
            tree = cluster.invert(
                obs, "reference", region="10:12,10:14", tile=tile, wishes=Wishes(init=init), in_flight=3
            )
            results.append(tree.load())
    same(*results)
    assert np.isin(results[0]["fit/status"], (Status.OK, Status.NOT_CONVERGED)).all()
