"""Cores, engine registry, command line, and how a server learns that it is to end."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.request

import pytest

from stokeswarm.contract.errors import FailedPreconditionError, NotFoundError
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.contract.status import Status
from stokeswarm.inversion import cli, registry
from stokeswarm.inversion.cores import available_cores, cgroup_quota
from stokeswarm.inversion.lifecycle import Wish, Wishes, watch_parent
from stokeswarm.inversion.metrics import PrometheusObserver
from stokeswarm.inversion.server import ServerSettings
from stokeswarm.inversion.servicer import StreamSettings


@pytest.mark.parametrize(
    ("text", "quota"),
    [("max 100000", None), ("250000 100000", 2.5), ("50000 100000", 0.5), ("nonsense", None)],
)
def test_cgroup_v2(tmp_path, text, quota):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert cgroup_quota(tmp_path / "cpu.max", tmp_path / "none") == quota


@pytest.mark.parametrize(("quota_us", "quota"), [("-1", None), ("150000", 1.5)])
def test_cgroup_v1(tmp_path, quota_us, quota):
    (tmp_path / "cpu.cfs_quota_us").write_text(quota_us)
    (tmp_path / "cpu.cfs_period_us").write_text("100000")
    assert cgroup_quota(tmp_path / "none", tmp_path) == quota


def test_cores_are_limited_by_affinity_and_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    quota = tmp_path / "cpu.max"
    found = {}
    for text in ("max 100000", "1600000 100000", "350000 100000", "10000 100000"):
        quota.write_text(text)
        found[text] = available_cores(quota, tmp_path)
    assert list(found.values()) == [8, 8, 3, 1]


def test_a_broken_engine_is_listed_with_its_reason(scripted):
    def missing():
        raise ModuleNotFoundError("No module named 'numba'")

    class Cold(scripted.ScriptedEngine):
        def warm_up(self):
            raise OSError("cannot write the cache")

    engines = registry.EngineRegistry(
        {"good": scripted.ScriptedEngine, "missing": missing, "cold": Cold}, slots=3
    )
    assert engines.available() == ("good", "cold")
    engines.warm_up()
    assert engines.available() == ("good",)
    found = {info.name: info for info in engines.infos()}
    assert found["good"].slots == 3
    assert found["missing"].message == "ModuleNotFoundError: No module named 'numba'"
    assert found["cold"].message == "OSError: cannot write the cache"
    assert not found["missing"].inverts
    with pytest.raises(FailedPreconditionError, match="cannot write the cache"):
        engines.get("cold")
    with pytest.raises(NotFoundError, match="good, missing, cold"):
        engines.get("rh")


def test_engines_command(scripted, monkeypatch, capsys):
    monkeypatch.setattr(
        cli, "EngineRegistry", lambda slots, only=(): registry.EngineRegistry({"x": scripted.ScriptedEngine})
    )
    assert cli.main(["engines", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["name"] == "x"
    assert shown["available"] is True
    assert cli.main(["engines"]) == 0
    assert "invert,synthesize,respond" in capsys.readouterr().out


def test_engine_table_says_why():
    text = cli.table([EngineInfo("sir", "", "", available=False, message="STOKESWARM_SIR is not set")])
    assert text.splitlines()[1].startswith("sir     -        -       no: STOKESWARM_SIR is not set")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--port", "70000"], "port: expected 0–65535, found 70000"),
        (["--slots", "0"], "slots and queue must be at least 1"),
        (["--grace-seconds", "-1"], "drain and grace"),
        (["--heartbeat-seconds", "0"], "stream settings"),
    ],
)
def test_serve_refuses_nonsense(arguments, reason, monkeypatch, capsys):
    monkeypatch.setattr(cli, "EngineRegistry", lambda slots, only=(): registry.EngineRegistry({}, slots))
    monkeypatch.setattr(cli, "configure_logging", lambda level: None)
    monkeypatch.setattr(Wishes, "on_signals", lambda self: None)
    assert cli.main(["serve", "--port", "0", *arguments]) == 1
    assert reason in capsys.readouterr().err


def test_settings_are_checked():
    with pytest.raises(FailedPreconditionError, match="metrics port"):
        ServerSettings(metrics_port=-1)
    with pytest.raises(FailedPreconditionError, match="positive"):
        StreamSettings(message_bytes=0)


def test_the_first_signal_drains_and_the_second_stops():
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    wishes = Wishes()
    try:
        wishes.on_signals()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    assert [wishes.wait(1), wishes.wait(1), wishes.wait(0)] == [Wish.DRAIN, Wish.STOP, None]


def test_a_closed_pipe_is_the_end_of_the_parent(monkeypatch):
    read, write = os.pipe()
    with os.fdopen(read) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = threading.Event()
        watcher = watch_parent(ended.set, interval=20.0)
        os.write(write, b"chatter\n")
        assert not ended.is_set()
        os.close(write)
        assert ended.wait(10)
        watcher.join(10)


def test_another_parent_is_the_end_of_the_parent(monkeypatch):
    parents = iter([10, 10, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    with open(os.devnull) as stdin:  # noqa: PTH123
        monkeypatch.setattr("sys.stdin", stdin)
        ended = threading.Event()
        watch_parent(ended.set, interval=0.001).join(10)
    assert ended.is_set()


def test_metrics_are_scraped(scripted, make_core):
    observer = PrometheusObserver(0, "127.0.0.1")
    try:
        core = make_core(scripted.ScriptedEngine({3: lambda slot: Status.NOT_CONVERGED}), observer=observer)
        task = core.invert(scripted.invert_request(5))
        scripted.drain(task)
        core.pool.release(task)
        address = f"http://127.0.0.1:{observer.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
    finally:
        observer.close()
    assert 'inversion_pixels_total{engine="scripted",method="Invert",status="OK"} 4.0' in text
    assert 'status="NOT_CONVERGED"} 1.0' in text
    assert "stokeswarm_inversion_requests_open 0.0" in text
    assert 'slot_pixels_total{engine="scripted",method="Invert"} 5.0' in text


def test_an_environment_names_external_engines_and_further_installations():
    names = registry.engines_of(
        {
            "STOKESWARM_SIR": "a",
            "STOKESWARM_SIR_2015": "b",
            "STOKESWARM_SIR_LAYOUT": "2017",
            "STOKESWARM_RH": "",
        }
    )
    assert list(names) == ["lte", "sir", "sir-2015"]
    absent = registry.absent_engines({"STOKESWARM_SIR": "a"})
    assert set(absent) == {"desire", "rh"}
    assert "STOKESWARM_RH" in absent["rh"]


def test_only_the_engines_that_are_asked_for_are_made(scripted):
    made = []

    def factory(name):
        made.append(name)
        return scripted.ScriptedEngine()

    factories = {name: (lambda name=name: factory(name)) for name in ("a", "b")}
    engines = registry.EngineRegistry(factories, only=("b",))
    assert made == ["b"]
    assert engines.available() == ("b",)
    with pytest.raises(NotFoundError, match="'c' is not available: there are a, b"):
        registry.EngineRegistry(factories, only=("c",))


def test_a_registry_closes_its_engines(scripted):
    engine = scripted.ScriptedEngine()
    engines = registry.EngineRegistry({"x": lambda: engine})
    engines.close()
    assert engine.closed
