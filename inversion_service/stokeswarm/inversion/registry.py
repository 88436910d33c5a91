"""The engines of a server, by name. One that cannot be imported or started is listed with the reason."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, NotFoundError, StokeswarmError
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.inversion.engine import Engine
from stokeswarm.inversion.external.executable import installations

_LOG = logging.getLogger(__name__)

Factory = Callable[[], Engine]


def _lte() -> Engine:
    # Imported here: numba and scipy are this engine's own, and a server must be able to say they are missing.
    from stokeswarm.inversion.engines.lte.engine import LteEngine

    return LteEngine()


def _sir(variable: str, name: str) -> Engine:
    from stokeswarm.inversion.engines.sir.engine import SirEngine

    return SirEngine(variable, name)


def _desire(variable: str, name: str) -> Engine:
    from stokeswarm.inversion.engines.desire.engine import DesireEngine

    return DesireEngine(variable, name)


def _rh(variable: str, name: str) -> Engine:
    from stokeswarm.inversion.engines.rh.engine import RhEngine

    return RhEngine(variable, name)


#: external code → what makes its engine from an environment variable, and that variable's name
EXTERNAL: Final[Mapping[str, tuple[Callable[[str, str], Engine], str]]] = {
    "sir": (_sir, "STOKESWARM_SIR"),
    "desire": (_desire, "STOKESWARM_DESIRE"),
    "rh": (_rh, "STOKESWARM_RH"),
}
#: what a variable's name may end in that is not one more installation
SETTINGS: Final = ("_LAYOUT",)


def engines_of(environment: Mapping[str, str]) -> dict[str, Factory]:
    """The engines that a server's environment names.

    ``lte`` always; ``sir``, ``desire`` and ``rh`` where ``STOKESWARM_SIR`` … is set; and one more for every
    ``STOKESWARM_SIR_2015`` …, which becomes ``sir-2015``, so that installations stand side by side.

    Parameters
    ----------
    environment : mapping
        `os.environ`, as a rule.

    Returns
    -------
    dict
        Name → factory.
    """
    factories: dict[str, Factory] = {"lte": _lte}
    for family, (make, prefix) in EXTERNAL.items():
        for suffix, variable in installations(prefix, environment).items():
            if not variable.endswith(SETTINGS):
                name = f"{family}-{suffix}" if suffix else family
                factories[name] = partial(make, variable, name)
    return factories


def absent_engines(environment: Mapping[str, str]) -> dict[str, str]:
    """External codes that nothing names here → what to do about it."""
    found = engines_of(environment)
    return {
        family: f"not installed here: set {variable} to the executable or its folder"
        for family, (_, variable) in EXTERNAL.items()
        if family not in found
    }


class EngineRegistry:
    """Makes engines once, warms them up, and finds them.

    Parameters
    ----------
    factories : mapping or None
        Name → function that makes the engine; called once, here. None = those of the environment.
    slots : int
        What `EngineInfo.slots` says.
    only : sequence of str
        Load these alone; empty = all.

    Raises
    ------
    NotFoundError
        ``only`` names an engine that is not there.
    """

    def __init__(
        self, factories: Mapping[str, Factory] | None = None, slots: int = 1, only: Sequence[str] = ()
    ) -> None:
        self._slots = slots
        self._engines: dict[str, Engine] = {}
        self._infos: dict[str, EngineInfo] = {}
        absent: dict[str, str] = {}
        if factories is None:
            factories, absent = engines_of(os.environ), absent_engines(os.environ)
        for name in only:
            if name not in factories:
                reason = absent.get(name, f"there are {', '.join(factories)}")
                raise NotFoundError(f"engine {name!r} is not available: {reason}")
        for name, factory in factories.items():
            if not only or name in only:
                self._load(name, factory)
        if not only:
            for name, reason in absent.items():
                self._infos[name] = replace(_nothing(name), message=reason, slots=slots)

    def _load(self, name: str, factory: Factory) -> None:
        try:
            engine = factory()
            info = engine.info()
        except Exception as error:  # noqa: BLE001  # a broken engine must not take the others with it
            self._refuse(name, error)
            return
        self._engines[name] = engine
        self._infos[name] = replace(info, name=name, slots=self._slots)

    def _refuse(self, name: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, StokeswarmError) else f"{type(error).__name__}: {error}"
        # what the administrator can put right needs no traceback
        ours = isinstance(error, StokeswarmError)
        _LOG.error("engine %s is not available: %s", name, reason, exc_info=None if ours else error)
        known = self._infos.get(name, _nothing(name))
        self._infos[name] = replace(known, available=False, message=reason, slots=self._slots)

    def warm_up(self) -> None:
        """Warm up every available engine; one that fails becomes unavailable."""
        for name, engine in self._engines.items():
            if not self._infos[name].available:
                continue
            start = time.monotonic()
            try:
                engine.warm_up()
            except Exception as error:  # noqa: BLE001  # as in _load
                self._refuse(name, error)
            else:
                _LOG.info("engine %s is warm after %.1f s", name, time.monotonic() - start)

    def close(self) -> None:
        """End what the engines hold: helper processes, scratch folders."""
        for name, engine in self._engines.items():
            try:
                engine.close()
            except Exception:  # noqa: BLE001  # the others are to be closed too
                _LOG.exception("engine %s could not be closed", name)

    def infos(self) -> tuple[EngineInfo, ...]:
        """Every engine, available or not."""
        return tuple(self._infos.values())

    def available(self) -> tuple[str, ...]:
        """Names of the engines that can be used."""
        return tuple(name for name, info in self._infos.items() if info.available)

    def get(self, name: str) -> tuple[Engine, EngineInfo]:
        """An engine and what is known of it.

        Raises
        ------
        NotFoundError
            No engine has this name.
        FailedPreconditionError
            It has, but cannot be used here; the message says why.
        """
        info = self._infos.get(name)
        if info is None:
            raise NotFoundError(f"engine {name!r} is unknown here; there are {', '.join(self._infos)}")
        if not info.available:
            raise FailedPreconditionError(f"engine {name!r} is not available: {info.message}")
        return self._engines[name], info


def _nothing(name: str) -> EngineInfo:
    return EngineInfo(name, "", "", available=False, inverts=False, synthesizes=False)
