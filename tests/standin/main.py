"""A stand-in for SIR: the same file protocol, no physics, and disasters on command.

This is a TEST DOUBLE. It reads the name of a control file from standard input and the files that this names,
and writes models, profiles, uncertainties, response functions, ``.chi`` and ``.log`` in SIR's formats. What
it computes is a smooth, deterministic toy (`spectral_line`). Where SIR would silently misread its input, the
stand-in stops and says why (`control`); what it can be told to do wrong is in `commands`, how in `misdeeds`.

Run as ``python -I -S main.py STATE`` (see `installing.install`): STATE is a folder in which runs leave what
tests look at (a line per run in ``journal``, process numbers in ``processes`` and ``waiting``) and read what
tests put there (``release``). Standard library only, a few of its modules, so that a run takes some 30 ms.
"""

# importing pathlib would take longer than all the rest of a run
# ruff: noqa: PTH100, PTH105, PTH109, PTH118, PTH120, PTH123

import errno
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import commands
import files
import spectral_line
from control import EXTENSIONS, QUANTITIES, Control, StopError

RULER = " " + "-" * 80
SMALL = 1e-3
#: quantity → the toy's numbers that it is averaged into, and where
READ_FROM = {
    "temperature": (("t_continuum", "continuum"), ("t_core", "core")),
    "pe": (),
    **{name: ((name, "line"),) for name in ("vmic", "field", "velocity", "inclination", "azimuth")},
}
#: steps of the toy's numbers for their differences
DIFFERENCE = {
    "t_continuum": 1.0, "t_core": 1.0, "vmic": SMALL, "field": 1.0, "velocity": SMALL, "inclination": 0.1,
    "azimuth": 0.1,
}  # fmt: skip
#: the toy's units (km/s, degrees) per SIR's (cm/s, radians)
UNIT = {"vmic": 1e-5, "velocity": 1e-5, "inclination": math.degrees(1.0), "azimuth": math.degrees(1.0)}


class Run:
    """One run: its input, and what it is to do wrong."""

    def __init__(self, state):
        self.state = state
        self.control_name = sys.stdin.readline().strip()
        print("\n SIR VERSION (stand-in/2017): a test double\n")
        self.control = control = Control(self.control_name)
        control.check_rest()
        control.check_clean()
        named = control.files
        self.lines = files.read_lines(named["lines"])
        self.grid = files.read_grid(named["grid"], self.lines)
        files.check_abundances(named["abundances"])
        self.models = [files.Model(named[f"model{n}"]) for n in (1, 2) if named[f"model{n}"]]
        self.psf_variance = files.read_psf(named["psf"]) if named["psf"] else 0.0
        self.stray = files.read_profile(named["stray"], self.grid) if named["stray"] else None
        self.observed = files.read_profile(named["observed"], self.grid) if control.cycles > 0 else None
        self.command = commands.decode(self.models[0].vmac, commands.SIGN_IN_VMAC)
        if self.observed is not None and self.observed[2][0] is not None:
            self.command = self.command or commands.decode(self.observed[2][0])

    # -- what misdeeds and tests use -------------------------------------------------------------------------

    def place(self, *names):
        """A path in the state folder."""
        return os.path.join(self.state, *names)

    def outputs(self):
        """Names of the files that this run should write."""
        control = self.control
        if control.cycles == 0:
            return [control.files["observed"]]
        stem = control.stem(1)
        if control.cycles < 0:
            return [control.files["observed"], *(f"{stem}.{kind}" for kind in self._responses())]
        last = f"{stem}_{control.cycles}"
        return [f"{last}.mod", f"{last}.err", f"{last}.per", self.control_name.split(".")[0] + ".chi"]

    def last(self, kind):
        """Name of the last cycle's model, profile or uncertainties."""
        if self.control.cycles <= 0:
            return self.outputs()[-1]
        return f"{self.control.stem(1)}_{self.control.cycles}.{kind}"

    def register(self):
        """Leave this process's number, so that a test can see whether it is gone."""
        self._leave("processes")

    def announce(self):
        """Say that this process waits or hangs."""
        self._leave("waiting")

    def first_time(self):
        """Whether this pixel was never seen before by this command."""
        import zlib

        named = self.control.files
        inputs = named["model1"] if self.observed is None else named["observed"]
        key = f"{zlib.crc32(files.read(inputs).encode()):08x}"
        try:
            os.close(os.open(self.place("once", key), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def journal(self):
        """One line a run: process, folder, cycles, command."""
        line = f"{os.getpid()}\t{os.getcwd()}\t{self.control.cycles}\t{self.command or '-'}\n"
        target = os.open(self.place("journal"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(target, line.encode())
        os.close(target)

    def _leave(self, folder):
        with open(self.place(folder, str(os.getpid())), "w", encoding="ascii") as file:
            file.write(f"{os.getppid()}\t{self.command}\n")

    # -- what it is for --------------------------------------------------------------------------------------

    def compute(self):
        """Synthesis, response functions or inversion."""
        write(self.control_name.split(".")[0] + ".log", f"{RULER}\n")
        if self.control.cycles == 0:
            self._synthesize()
        elif self.control.cycles < 0:
            self._respond()
        else:
            self._invert()

    def _profile(self, models):
        return spectral_line.synthesize(self.grid, models, self.psf_variance, self.stray)

    def _synthesize(self):
        if not all(model.finite() for model in self.models):
            raise StopError("a model holds NaN")
        write(self.control.files["observed"], files.profile_text(self.grid, self._profile(self.models)))

    def _responses(self):
        nodes = self.control.nodes(1, 0, self.models[0].n_depth)
        wanted = {kind: q for kind, q in zip(EXTENSIONS, QUANTITIES, strict=True) if nodes[q]}
        return wanted | ({"rmac": "vmac"} if nodes["vmac"] else {})

    def _respond(self):
        """Central differences of the eight numbers, times their weights over depth."""
        model = self.models[0]
        write(self.control.files["observed"], files.profile_text(self.grid, self._profile([model])))
        for kind, quantity in self._responses().items():
            rows = self._vmac_response() if quantity == "vmac" else self._depth_response(quantity)
            n_sample = len(rows[0])
            head = f"{len(rows):12d}{n_sample:12d}\n"
            body = "".join(f"{value:17.8E}" for row in rows for value in row)
            write(f"{self.control.stem(1)}.{kind}", head + body + "\n")

    def _vmac_response(self):
        model = self.models[0]
        up, down = model.copy(), model.copy()
        up.vmac, down.vmac = model.vmac + SMALL, max(0.0, model.vmac - SMALL)
        return [_slope(self._profile([up]), self._profile([down]), up.vmac - down.vmac)]

    def _depth_response(self, quantity):
        model = self.models[0]
        base = vars(spectral_line.Numbers.of(model))
        rows = [[0.0] * (4 * sum(len(row[2]) for row in self.grid)) for _ in model.log_tau]
        for name, part in READ_FROM[quantity]:
            step = DIFFERENCE[name]
            ends = [spectral_line.Numbers(**base | {name: base[name] + sign * step}) for sign in (1.0, -1.0)]
            profiles = [spectral_line.component(self.grid, end, self.psf_variance) for end in ends]
            slope = [value * UNIT.get(name, 1.0) for value in _slope(*profiles, 2.0 * step)]
            weights = spectral_line.depth_weights(model.log_tau, spectral_line.FORMATION[part])
            rows = [
                [old + weight * new for old, new in zip(row, slope, strict=True)]
                for row, weight in zip(rows, weights, strict=True)
            ]
        return rows

    def _invert(self):
        control, models = self.control, self.models
        values = [value for profile in self.observed for value in profile]
        silly = any(value is not None and not math.isfinite(value) for value in values)
        silly = silly or all(value is None or value == 0.0 for value in values)
        silly = silly or not all(model.finite() for model in models)
        if silly or self.command == "zero_chi2":
            self._pretend()
            return
        for cycle in range(control.cycles):
            last = cycle == control.cycles - 1
            free = [control.nodes(n, cycle, model.n_depth) for n, model in enumerate(models, start=1)]
            self._check_start(models, free)
            moved = []
            for model, nodes in zip(models, free, strict=True):
                start = spectral_line.Numbers.of(model)
                target = spectral_line.estimate(self.grid, self.observed, start)
                moved.append(spectral_line.move(model, target, nodes, control.cycles - 1 - cycle))
            if last and self.command == "worse_last_cycle" and control.cycles > 1:
                for model in moved:
                    model.columns[1] = [t + 600.0 for t in model.columns[1]]
            models = moved
            self._write_cycle(cycle + 1, models, free, *self._merit(models, cycle))

    @staticmethod
    def _check_start(models, free):
        for model, nodes in zip(models, free, strict=True):
            for name, index in (("pe", 2), ("vmic", 3), ("field", 4)):
                if nodes[name] and max(model.columns[index]) <= 0.0:
                    raise StopError(f"{name} is zero in the initial model and to be inverted")
            if nodes["vmac"] and model.vmac <= 0.0:
                raise StopError("vmac is zero in the initial model and to be inverted")

    def _merit(self, models, cycle):
        """1/rms residual and the toy's own χ², which is no reduced χ² either; and the fit."""
        fit = self._profile(models)
        weights, noise = self.control.weights(cycle), self.control.noise()
        square = merit = count = 0
        for weight, seen, made in zip(weights, self.observed, fit, strict=True):
            for i, (o, f) in enumerate(zip(seen, made, strict=True)):
                if o is None or (i == 0 and seen is self.observed[2]):
                    continue
                square += (o - f) ** 2
                merit += weight * (o - f) ** 2 / noise**2
                count += 1
        return math.sqrt(count / max(square, 1e-30)), max(merit / max(count, 1), 1e-6), fit

    def _write_cycle(self, number, models, free, inverse_rms, merit, fit):
        for n, (model, nodes) in enumerate(zip(models, free, strict=True), start=1):
            stem = f"{self.control.stem(n)}_{number}"
            write(f"{stem}.mod", model.text())
            write(f"{stem}.err", _uncertainty(model, nodes).text())
        write(f"{self.control.stem(1)}_{number}.per", files.profile_text(self.grid, fit))
        self._chi(inverse_rms, merit)
        print(f" cycle {number}: 1/rms {inverse_rms:10.3E}  chi2 {merit:10.3E}")

    def _pretend(self):
        """What SIR makes of nonsense: the guess as the result, no profiles, χ² = 0."""
        for number in range(1, self.control.cycles + 1):
            for n, model in enumerate(self.models, start=1):
                for kind in ("mod", "err"):
                    write(f"{self.control.stem(n)}_{number}.{kind}", model.text())
            zero = [[0.0] * len(profile) for profile in self.observed]
            write(f"{self.control.stem(1)}_{number}.per", files.profile_text(self.grid, zero))
            self._chi(0.0, 0.0)

    def _chi(self, inverse_rms, merit):
        name = self.control_name.split(".")[0] + ".chi"
        with open(name, "a", encoding="ascii") as file:
            file.write(f"  {inverse_rms:14.7f}  {merit:16.9f}    \n")

    def keep(self):
        """Keep this run's output for `misdeeds.stale`."""
        for name in self.outputs():
            with open(name, "rb") as file:
                data = file.read()
            place = self.place("last", name)
            temporary = f"{place}.{os.getpid()}"
            with open(temporary, "wb") as file:
                file.write(data)
            os.replace(temporary, place)


def _slope(up, down, distance):
    return [(a - b) / distance for p, q in zip(up, down, strict=True) for a, b in zip(p, q, strict=True)]


def _uncertainty(model, nodes):
    """Something positive for what is free, 0 for the rest."""
    sigma = model.copy()
    sigma.vmac, sigma.filling, sigma.stray = 0.1 * nodes["vmac"], 0.0, 0.0
    size = {"temperature": 30.0, "pe": 1.0, "vmic": 1e4, "field": 50.0, "velocity": 1e4}
    for index, name in enumerate(QUANTITIES, start=1):
        value = size.get(name, 3.0) if nodes[name] else 0.0
        sigma.columns[index] = [value] * model.n_depth
    return sigma


def write(name, text):
    """An output file, replacing what is there; a full disk leaves it empty, and SIR says nothing either."""
    try:
        with open(name, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def main(state):
    """Run once; like SIR, exit with 0 whatever happens."""
    try:
        run = Run(state)
        run.journal()
        if run.command:
            import misdeeds

            misdeeds.BEFORE.get(run.command, lambda _: None)(run)
            run.compute()
            misdeeds.AFTER.get(run.command, lambda _: None)(run)
        else:
            run.compute()
            if run.control.cycles > 0:
                run.keep()
    except StopError as stop:
        print(f" STOP: {stop}")


if __name__ == "__main__":
    main(sys.argv[1])
