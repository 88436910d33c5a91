"""A test double of rhf1d and solveray: it speaks their files, knows no physics, and misbehaves on command.

The temperature of the highest point is the command: see `ACTS`. Every start is noted beside the programs.
"""

import os
import signal
import struct
import sys
from pathlib import Path

#: temperature of the highest point [K] → what to do
ACTS = {
    5001: "write no spectrum",
    5002: "exit 3 with a message",
    5003: "do not converge",
    5004: "not know a keyword",
    5005: "die of the last statement",
    5006: "die of a number",
    5007: "write half a spectrum",
    5008: "write a spectrum of zeros",
    5009: "write a spectrum that is not a number",
    5010: "hang",
    5011: "die of SIGKILL once",
    5012: "segfault",
    5013: "write the spectrum of another ray",
    5014: "print NaN as the last change",
}
POLARIZED = (1e-3, 2e-3, 3e-3)


def main():
    name = Path(sys.argv[0]).name
    root = Path(sys.argv[0]).resolve().parents[1]
    with (root / "starts").open("a") as starts:
        starts.write(f"{name}\n")
    values = dict(
        (part.strip() for part in line.split("=")) for line in Path("keyword.input").read_text().splitlines()
    )
    act = ACTS.get(round(float(Path(values["ATMOS_FILE"]).read_text().splitlines()[4].split()[1])), "")
    table = Path(values["WAVETABLE"]).read_bytes()
    n = struct.unpack(">i", table[:4])[0]
    wavelengths = sorted({500.0, *struct.unpack(f">{n}d", table[4:])})
    polarized = "STOKES_INPUT" in values
    said = f"-WARNING in routine readInput\n something\n\n working for {name}\n"
    if name == "rhf1d":
        said += solve(act, wavelengths, values)
    else:
        said += ray(act, wavelengths, polarized)
    journal = sys.argv[sys.argv.index("-logfile") + 1] if "-logfile" in sys.argv else ""
    if act in ("die of the last statement", "die of a number"):
        if not journal:
            sys.stderr.write(said)
            sys.stderr.flush()
        os.kill(os.getpid(), 8)
    if journal:
        Path(journal).write_text(said)
    else:
        sys.stderr.write(said)


def solve(act, wavelengths, values):
    once = Path(sys.argv[0]).resolve().parents[1] / "killed"
    if act == "die of SIGKILL once" and not once.exists():
        once.touch()
        os.kill(os.getpid(), 9)
    if act == "segfault":
        os.kill(os.getpid(), 11)
    if act == "hang":
        signal.pause()
    if act == "exit 3 with a message":
        sys.stderr.write("\a\n\n-TERMINATING_ERROR in routine readAtom\n Unable to open x \n Exiting.....\n")
        sys.exit(3)
    text = ""
    if act == "not know a keyword":
        text += "\n-WARNING in routine readValues\n Did not recognize keyword N_THREADS with value 1\n"
    for iteration, change in ((1, 1.0), (2, 0.5 if act == "do not converge" else 1e-3)):
        text += f"\n -- Iteration {iteration:3d}\n"
        if "ACTIVE" in Path(values["ATOMS_FILE"]).read_text().split():
            number = "nan" if act == "print NaN as the last change" else f"{change:6.4E}"
            text += f" CA, delta = {number}\n"
    text += " Spectrum max delta J = 4.2565E-05 (lambda#: 31)\n"
    if act not in ("write no spectrum", "die of a number"):
        n = len(wavelengths)
        body = struct.pack(f">i{n}d", n, *wavelengths) + struct.pack(f">{n}d", *[1.0] * n)
        Path(values["SPECTRUM_OUTPUT"]).write_bytes(body + struct.pack(">id", 0, 200.0))
    return text


def ray(act, wavelengths, polarized):
    mu = float(Path("ray.input").read_text().split()[0])
    n = len(wavelengths)
    light = {"write a spectrum of zeros": 0.0, "write a spectrum that is not a number": float("nan")}
    # so bright that it is recognised, and different for every ray
    bright = light.get(act, 2e-8 * mu)
    told = 0.123 if act == "write the spectrum of another ray" else mu
    body = struct.pack(f">d{n}di", told, *[bright] * n, 0)
    if polarized:
        body += b"".join(struct.pack(f">{n}d", *[part * bright] * n) for part in POLARIZED)
    if act == "write half a spectrum":
        body = body[: len(body) // 2]
    Path(f"spectrum_{mu:4.2f}").write_bytes(body)
    return " Spectrum max delta J = 0.0000E+00 (lambda#: 0)\n"


if __name__ == "__main__":
    main()
