"""The engines of a server, by name. One that cannot be imported or started is listed with the reason."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, NotFoundError
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.inversion.engine import Engine

_LOG = logging.getLogger(__name__)

Factory = Callable[[], Engine]


def _lte() -> Engine:
    # Imported here: numba and scipy are this engine's own, and a server must be able to say they are missing.
    from stokeswarm.inversion.engines.lte.engine import LteEngine

    return LteEngine()


#: name → what makes the engine
ENGINES: Final[Mapping[str, Factory]] = {"lte": _lte}


class EngineRegistry:
    """Makes engines once, warms them up, and finds them.

    Parameters
    ----------
    factories : mapping
        Name → function that makes the engine; called once, here.
    slots : int
        What `EngineInfo.slots` says.
    """

    def __init__(self, factories: Mapping[str, Factory] = ENGINES, slots: int = 1) -> None:
        self._slots = slots
        self._engines: dict[str, Engine] = {}
        self._infos: dict[str, EngineInfo] = {}
        for name, factory in factories.items():
            self._load(name, factory)

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
        reason = f"{type(error).__name__}: {error}"
        _LOG.error("engine %s is not available: %s", name, reason, exc_info=error)
        nothing = EngineInfo(name, "", "", available=False, inverts=False, synthesizes=False)
        known = self._infos.get(name, nothing)
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
