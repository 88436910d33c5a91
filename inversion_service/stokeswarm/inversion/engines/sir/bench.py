"""Where the runs of one job happen: the slot's folder with the job's static files in it, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir.dialect import CONTROL, Dialect, Task, Where
from stokeswarm.inversion.engines.sir.examine import CANCELLED, PixelFailedError
from stokeswarm.inversion.external.executable import Executable
from stokeswarm.inversion.external.run import Run
from stokeswarm.inversion.external.runner import Place, Runner
from stokeswarm.inversion.external.scratch import ScratchFullError

#: control files that are remembered: they differ by μ only
_REMEMBERED: Final = 256


@dataclass(frozen=True, slots=True)
class Installation:
    """An installed code: its executable, its ways, and the runner with a place per slot."""

    executable: Executable
    dialect: Dialect
    runner: Runner


class Bench:
    """Runs the code for one job, on any slot.

    Parameters
    ----------
    installation : Installation
    plan : Plan
    options : mapping
        Parsed, of the dialect.
    files : mapping
        Static files of the run's folder: name → text.
    """

    def __init__(
        self,
        installation: Installation,
        plan: Plan,
        options: Mapping[str, object],
        files: Mapping[str, str],
    ) -> None:
        self._installation = installation
        self._dialect = dialect = installation.dialect
        self.limit: Final = plan.pixel_timeout
        inside = {self._name(name): text for name, text in files.items() if text}
        self._static: Mapping[str, str | bytes] = {**inside, **dialect.static_files(plan, options)}
        self._argv = tuple(dialect.argv(str(installation.executable.path)))
        self._stdin = dialect.stdin()
        self._controls: dict[tuple[object, ...], str] = {}
        self._guard = threading.Lock()

    def begin(self, slot: Slot) -> Slot:
        """The slot with this pixel's own deadline.

        Raises
        ------
        PixelFailedError
            Nobody waits for the pixel any more.
        """
        if slot.cancelled():
            raise PixelFailedError(Status.NO_OUTPUT, CANCELLED)
        return replace(slot, deadline=min(slot.deadline, time.monotonic() + self.limit))

    def run(self, slot: Slot, task: Task, files: Mapping[str, str], where: Where) -> Run:
        """Run the code in a folder that holds the job's static files, these, and nothing else.

        A run that was killed, or whose warden was, is repeated once, on a folder cleaned again.

        Parameters
        ----------
        slot : Slot
        task : Task
        files : mapping
            Of this pixel: name → text.
        where : Where

        Raises
        ------
        PixelFailedError
            The disk is full.
        """
        run = self._once(slot, task, files, where)
        if run.retriable and not slot.cancelled() and not slot.out_of_time():
            again = self._once(slot, task, files, where)
            return replace(again, cpu_seconds=run.cpu_seconds + again.cpu_seconds)
        return run

    def again(self, slot: Slot, task: Task) -> Run:
        """Run the code on what the last run of this slot left behind."""
        place = self._place(slot)
        place.write(self._name(CONTROL), self._control(task))
        return place.run(self._argv, slot=slot, stdin=self._stdin, cwd=self._dialect.folder)

    def read(self, slot: Slot, name: str) -> bytes | None:
        """A file of the run's folder; None where it is absent or empty."""
        return self._place(slot).read(self._name(name))

    def read_all(self, slot: Slot, task: Task) -> dict[str, bytes | None]:
        """What an inversion left, by name; None where it is absent or empty."""
        dialect = self._dialect
        names = [dialect.chi, dialect.log]
        for position in range(len(task.cycles)):
            outputs = dialect.outputs(position, task.n_component)
            names += [*outputs.models, outputs.profile, *outputs.errors]
        return {name: self.read(slot, name) for name in names if name}

    def _once(self, slot: Slot, task: Task, files: Mapping[str, str], where: Where) -> Run:
        try:
            place = self._place(slot)
            if place.tenant is not self:
                place.reset()
                for name, data in self._static.items():
                    place.keep(name, data)
                for name, target in self._dialect.links().items():
                    place.link(name, target)
                place.tenant = self
            place.clean()
            for name, data in {**files, **self._dialect.pixel_files(where)}.items():
                place.write(self._name(name), data)
            place.write(self._name(CONTROL), self._control(task))
            return place.run(self._argv, slot=slot, stdin=self._stdin, cwd=self._dialect.folder)
        except ScratchFullError as error:
            raise PixelFailedError(Status.NO_OUTPUT, str(error)) from error

    def _place(self, slot: Slot) -> Place:
        return self._installation.runner.place(slot)

    def _name(self, name: str) -> str:
        folder = self._dialect.folder
        return f"{folder}/{name}" if folder else name

    def _control(self, task: Task) -> str:
        """The task's control file; made once for every μ."""
        key = (task.mode, task.cycles, task.models, task.profile, task.mu)
        found = self._controls.get(key)
        if found is None:
            found = self._dialect.control(task)
            with self._guard:
                if len(self._controls) >= _REMEMBERED:
                    self._controls.clear()
                self._controls[key] = found
        return found
