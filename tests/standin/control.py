"""The stand-in's reading of a control file: stricter than SIR, for tests must hear of it.

Where SIR would misread without a word (a missing decimal point, a blank in a name, nodes that do not fit, a
folder that was not cleaned), the stand-in stops with a message that says so.
"""

# importing pathlib would take longer than all the rest of a run
# ruff: noqa: PTH123, PTH208

import os

N_LINES = 42
#: position of the 1-based control line → name
FILES = {
    2: "observed",
    3: "stray",
    4: "psf",
    5: "grid",
    6: "lines",
    7: "abundances",
    8: "model1",
    9: "model2",
}
#: order of the node lines 15–21 and 23–29, and of a model's columns after log τ
QUANTITIES = ("temperature", "pe", "vmic", "field", "velocity", "inclination", "azimuth")
EXTENSIONS = ("rt", "rpe", "rmic", "rh", "rvz", "rinc", "raz")
MAX_NAME = 100


class StopError(Exception):
    """Ends the run the way SIR does: a message, and exit code 0."""


class Control:
    """Values of a control file; those that change from cycle to cycle are asked for by cycle (0-based)."""

    def __init__(self, name):
        self.name = name
        text = _text(name)
        lines = text.split("\n")
        if lines and not lines[-1].strip():
            lines.pop()
        if len(lines) != N_LINES:
            raise StopError(f"{name}: expected {N_LINES} lines, found {len(lines)}")
        self._values = [self._value(count, line) for count, line in enumerate(lines, start=1)]
        self.cycles = self._integer(1, 0)
        self.files = {label: self._file(count) for count, label in FILES.items()}
        for label in ("observed", "grid", "lines", "abundances", "model1"):
            if not self.files[label]:
                raise StopError(f"{name}: the {label} file is not named")

    def _value(self, count, line):
        _, colon, rest = line.partition(":")
        if not colon:
            raise StopError(f"{self.name}: line {count} has no colon")
        if len(line) > 200 or "\t" in line or not line.isascii():
            raise StopError(f"{self.name}: line {count} is too long, or holds a tab or a strange character")
        return [part.strip() for part in rest.partition("!")[0].split(",")]

    def _pick(self, count, cycle):
        values = self._values[count - 1]
        return values[min(cycle, len(values) - 1)]

    def _file(self, count):
        value = self._pick(count, 0)
        if not value:
            return ""
        if " " in value or "/" in value or value.startswith(".") or len(value) > MAX_NAME:
            raise StopError(f"{self.name}: line {count}: SIR would misread the file name {value!r}")
        if count in (8, 9) and self.cycles != 0 and ("_" in value or value.count(".") != 1):
            raise StopError(
                f"{self.name}: line {count}: SIR cuts the model name {value!r} at the first '.' or '_'"
            )
        return value

    def _integer(self, count, cycle, default=0):
        value = self._pick(count, cycle)
        try:
            return int(value) if value else default
        except ValueError:
            raise StopError(f"{self.name}: line {count}: {value!r} is no whole number") from None

    def _real(self, count, cycle, default):
        value = self._pick(count, cycle)
        if not value:
            return default
        if "e" in value.lower() and "." not in value:
            raise StopError(
                f"{self.name}: line {count}: {value!r} has no decimal point, SIR would misread it"
            )
        try:
            return float(value.lower().replace("d", "e"))
        except ValueError:
            raise StopError(f"{self.name}: line {count}: {value!r} is no number") from None

    def weights(self, cycle):
        """Of I, Q, U, V; a blank is refused, because it means 1 to one SIR and 0 to the other."""
        if any(not self._pick(count, cycle) for count in range(10, 14)):
            raise StopError(f"{self.name}: lines 10-13: every weight must be written")
        return [self._real(count, cycle, 1.0) for count in range(10, 14)]

    def automatic(self, cycle):
        """Whether node numbers are upper limits."""
        return self._integer(14, cycle) != 0

    def nodes(self, component, cycle, n_depth):
        """Quantity → number of nodes, and ``vmac`` → 0 or 1, of component 1 or 2."""
        first = 15 if component == 1 else 23
        automatic = self.automatic(cycle)
        found = {}
        for i, quantity in enumerate(QUANTITIES):
            all_you_can = automatic and self._pick(first + i, cycle) == "*"
            found[quantity] = n_depth if all_you_can else self._integer(first + i, cycle)
        for quantity, count in found.items():
            fits = count in (0, 1) or (count <= n_depth and (n_depth - 1) % (count - 1) == 0)
            if not fits and not automatic and self.cycles > 0:
                raise StopError(
                    f"{count} nodes of {quantity} do not fit {n_depth} depths, SIR would use fewer"
                )
        found["vmac"] = self._integer(first + 7, cycle)
        return found

    def filling_free(self, cycle):
        """Whether the filling factor is free."""
        return self._integer(31, cycle) != 0

    def stray_free(self, cycle):
        """Whether the stray-light fraction is free."""
        return self._integer(32, cycle) != 0

    def noise(self):
        """1 / (S/N)."""
        return 1.0 / self._real(34, 0, 1000.0)

    def check_rest(self):
        """Read what the stand-in does not use, for the sake of its spelling."""
        for cycle in range(max(1, self.cycles)):
            self.weights(cycle)
            for count in (33, 35, 36, 37, 39, 40):
                self._real(count, cycle, 0.0)
            for count in (38, 41):
                self._integer(count, cycle)
        mu = self._real(33, 0, 1.0)
        if not 0.0 < mu <= 1.0:
            raise StopError(f"mu = {mu} is not a cosine")

    def stem(self, component):
        """What the names of a component's output begin with."""
        return self.files[f"model{component}"].split(".")[0]

    def check_clean(self):
        """Stop where the folder holds output, which SIR would append to or leave in place of its own.

        A synthesis may follow an inversion in the same folder: it has no output but its profile.
        """
        if self.cycles == 0:
            return
        base = self.name.split(".")[0]
        left = {f"{base}.log", f"{base}.chi"}
        for component in (1, 2) if self.files["model2"] else (1,):
            stem = self.stem(component)
            left |= {f"{stem}_{n}.{kind}" for n in range(1, 10) for kind in ("mod", "per", "err")}
            left |= {f"{stem}.{kind}" for kind in (*EXTENSIONS, "rmac")}
        found = sorted(left.intersection(os.listdir(".")))
        if found:
            raise StopError(f"the folder was not cleaned: {', '.join(found)}")


def _text(name):
    try:
        with open(name, encoding="ascii", newline="") as file:
            return file.read().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StopError(f"the file {name!r} cannot be read: {error}") from None
