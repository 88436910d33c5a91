"""Which release of SIR an executable is: it says so in its first lines, and holds that text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir.variants import LAYOUTS, SIR_2015, SirDialect
from stokeswarm.inversion.external.executable import Executable
from stokeswarm.inversion.external.runner import Runner

#: says which release it is, where it does not itself
LAYOUT_VARIABLE: Final = "STOKESWARM_SIR_LAYOUT"
_BANNER: Final = re.compile(rb"SIR VERSION \(([^)]{4,40})\)")
_YEAR: Final = re.compile(rb"(\d{4})$")
#: an executable is a few hundred kB; a larger file is not searched
_MAX_BYTES: Final = 64 * 2**20


def dialect_of(executable: Executable, environment: Mapping[str, str], runner: Runner) -> SirDialect:
    """The dialect of an executable.

    What the environment says comes first, then the banner in the file, then the one it prints when run. A
    release that is neither is taken for the one with the tighter limits.

    Parameters
    ----------
    executable : Executable
    environment : mapping
    runner : Runner
        To run it, where the file does not tell.

    Raises
    ------
    FailedPreconditionError
        The environment names an unknown layout, or the executable is not SIR.
    """
    told = environment.get(LAYOUT_VARIABLE, "").strip()
    if told:
        if told not in LAYOUTS:
            raise FailedPreconditionError(
                f"{LAYOUT_VARIABLE}: expected {' or '.join(LAYOUTS)}, found {told!r}; unset it to let the "
                "executable tell"
            )
        return LAYOUTS[told]
    banner = _in_file(executable) or _printed(executable, runner)
    if not banner:
        raise FailedPreconditionError(
            f"{executable.path}: not SIR as far as can be told: it does not print 'SIR VERSION (…)'; "
            f"if it is, set {LAYOUT_VARIABLE} to {' or '.join(LAYOUTS)}"
        )
    year = _YEAR.search(banner)
    known = LAYOUTS.get(year[1].decode()) if year else None
    text = banner.decode("ascii", "replace")
    return replace(known or SIR_2015, title=f"SIR ({text})")


def _in_file(executable: Executable) -> bytes:
    if executable.path.stat().st_size > _MAX_BYTES:
        return b""
    found = _BANNER.search(executable.path.read_bytes())
    return found[1] if found else b""


def _printed(executable: Executable, runner: Runner) -> bytes:
    place = runner.place(Slot())
    place.reset()
    run = place.run([str(executable.path)], slot=Slot(), stdin=b"none\n")
    place.reset()
    found = _BANNER.search(run.output)
    return found[1] if found else b""
