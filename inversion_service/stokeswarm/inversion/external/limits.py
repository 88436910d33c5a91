"""What one run of an external code may use."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError

MIB: Final = 2**20
#: environment variable → field, factor to its unit, smallest value that lets a warden and a code start
VARIABLES: Final[Mapping[str, tuple[str, int, int]]] = {
    "STOKESWARM_CODE_CPU_SECONDS": ("cpu_seconds", 1, 1),
    "STOKESWARM_CODE_MEMORY_MIB": ("memory_bytes", MIB, 64),
    "STOKESWARM_CODE_FILE_MIB": ("file_bytes", MIB, 1),
    "STOKESWARM_CODE_OPEN_FILES": ("open_files", 1, 32),
    "STOKESWARM_CODE_STACK_MIB": ("stack_bytes", MIB, 1),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run; each holds for every process of the run alone, and never exceeds the server's own.

    Wall time is not among them: it is the slot's deadline.

    Attributes
    ----------
    cpu_seconds : float
        Processor time [s], counted in whole seconds; ends the run as `Ending.TIMED_OUT`.
    memory_bytes : int
        Address space. SIR 2017 reserves 1.7 GB of it in static arrays and touches a small part.
    file_bytes : int
        Size of any one file, the captured output included.
    open_files : int
        File descriptors.
    stack_bytes : int
        The stack is at least as large, or as large as the system allows: Fortran compilers put automatic
        arrays there, and the usual 8 MiB are soon used up.

    Raises
    ------
    FailedPreconditionError
        A limit is not positive.
    """

    cpu_seconds: float = math.inf
    memory_bytes: int = 4096 * MIB
    file_bytes: int = 256 * MIB
    open_files: int = 256
    stack_bytes: int = 64 * MIB

    def __post_init__(self) -> None:
        for field, _, _ in VARIABLES.values():
            value = getattr(self, field)
            if not value > 0:
                raise FailedPreconditionError(f"limit {field}: expected a positive number, found {value}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Limits:
        """Limits as the server's operator set them, the defaults where nothing is set.

        Parameters
        ----------
        environment : mapping, optional
            The process's own where not given.

        Raises
        ------
        FailedPreconditionError
            A variable holds no whole number, or one that is too small; names the variable.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, int] = {}
        for variable, (field, factor, least) in VARIABLES.items():
            text = environment.get(variable, "").strip()
            if not text:
                continue
            # A dozen digits already exceed any machine, and more would not fit the kernel's numbers.
            number = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else -1
            if number < least:
                raise FailedPreconditionError(
                    f"{variable}: expected a whole number of at least {least}, found {text!r}; "
                    f"correct it, or unset it for the default"
                )
            values[field] = number * factor
        return cls(**values)

    def of_kernel(self) -> dict[str, int]:
        """All but the time, by the names that setrlimit(2) has for them, less the prefix."""
        return {
            "CORE": 0,
            "AS": self.memory_bytes,
            "FSIZE": self.file_bytes,
            "NOFILE": self.open_files,
            "STACK": self.stack_bytes,
        }

    def processor(self, seconds: float) -> int | None:
        """Whole seconds of processor time for a run, None where nothing limits it.

        Parameters
        ----------
        seconds : float
            Wall time left to the run. Its processor time is limited to a second more: should nobody be left
            to end it in time, the kernel does.
        """
        limit = min(self.cpu_seconds, seconds + 1.0)
        return max(1, math.ceil(limit)) if math.isfinite(limit) else None
