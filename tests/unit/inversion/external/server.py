"""A server of the tests, to be killed: ``python server.py SCRATCH ACT [PIDFILE]``. Runs one code on slot 0.

Prints the slot's folder and the warden's process identifier before. With the act ``exit``, ends without
closing anything; with any other, never.
"""

import sys
from pathlib import Path

from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.external.limits import Limits
from stokeswarm.inversion.external.runner import Runner
from stokeswarm.inversion.external.scratch import Scratch

CODES = Path(__file__).with_name("codes.py")


def main(base: str, act: str, *rest: str) -> None:
    runner = Runner("server", Limits(), Scratch("server", Path(base)))
    place = runner.place(Slot())
    print(place.folder, place._warden.pid, flush=True)
    argv = [sys.executable, "-I", "-S", str(CODES), act, *rest]
    place.run(argv, slot=Slot())


if __name__ == "__main__":
    main(*sys.argv[1:])
