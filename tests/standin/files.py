"""SIR's data files as the stand-in reads and writes them, with the standard library only."""

# importing pathlib would take longer than all the rest of a run
# ruff: noqa: PTH123

import math

from control import StopError

MISSING_BELOW = -0.99
#: mÅ → Å
MILLI = 1e-3
LETTERS = "SPDFGHIKLM"
#: columns of a model: log τ, T, Pe, vmic, B, vlos, γ, φ, and z, Pg, ρ
N_SHORT, N_FULL = 8, 11


class Model:
    """One component: header, and columns of depth."""

    def __init__(self, name):
        rows = [_numbers(line, name) for line in read(name).splitlines() if line.strip()]
        if len(rows) < 4 or len(rows[0]) not in (2, 3):
            raise StopError(f"{name} is no model")
        self.vmac, self.filling, self.stray = (*rows[0], 0.0)[:3]
        width = len(rows[1])
        if width not in (N_SHORT, N_FULL) or any(len(row) != width for row in rows[1:]):
            raise StopError(f"{name}: expected {N_SHORT} or {N_FULL} columns")
        self.columns = [list(column) for column in zip(*rows[1:], strict=True)]
        steps = [a - b for a, b in zip(self.log_tau, self.log_tau[1:], strict=False)]
        if min(steps) <= 0 or max(steps) - min(steps) > 0.01:
            raise StopError(f"{name}: log tau must decrease evenly")

    @property
    def log_tau(self):
        return self.columns[0]

    @property
    def n_depth(self):
        return len(self.columns[0])

    def copy(self):
        """A model that can be changed."""
        other = object.__new__(Model)
        other.vmac, other.filling, other.stray = self.vmac, self.filling, self.stray
        other.columns = [list(column) for column in self.columns]
        return other

    def finite(self):
        """Whether it holds numbers only."""
        values = (self.vmac, self.filling, self.stray, *(x for column in self.columns for x in column))
        return all(math.isfinite(value) for value in values)

    def text(self):
        """As SIR prints models: eleven columns."""
        if len(self.columns) == N_SHORT:
            self.columns += _gas(self.log_tau)
        lines = [f"{self.vmac:13.8f} {self.filling:16.8f} {self.stray:16.8f}    "]
        for row in zip(*self.columns, strict=True):
            lt, t, pe, vmic, b, v, gamma, phi, z, pg, rho = row
            lines.append(
                f"{lt:8.4f} {t:8.1f} {pe:12.5E} {vmic:10.3E} {b:11.4E} {v:11.4E} {gamma:11.4E} {phi:11.4E}"
                f" {z:11.4E} {pg:11.4E} {rho:11.4E}"
            )
        return "\n".join(lines) + "\n"


def _gas(log_tau):
    """Height [km], gas pressure and density that fall smoothly: decoration, not physics."""
    pressure = [1.4e5 * 10.0 ** (0.6 * lt) for lt in log_tau]
    return [[-150.0 * lt for lt in log_tau], pressure, [2.5e-12 * p for p in pressure]]


class Line:
    """A spectral line: rest wavelength [Å] and effective Landé factor."""

    def __init__(self, row, name):
        if "\t" in row or len(row) > 100:
            raise StopError(f"{name}: a row is too long or holds a tab: {row!r}")
        head, equals, rest = row.partition("=")
        fields = rest.split(maxsplit=6)
        if not equals or len(fields) != 7 or "-" not in fields[6]:
            raise StopError(
                f"{name}: expected index=EL ion lambda factor Elow loggf terms ABO, found {row!r}"
            )
        for value in (fields[2], fields[3], fields[4], fields[5]):
            if "." not in value:
                raise StopError(f"{name}: {value!r} has no decimal point, SIR would misread it")
        self.index, self.wavelength = int(head), float(fields[2])
        lower, _, rest = fields[6].partition("-")
        upper = rest.strip().split()
        # '5D 2.0 0.24 2.3e-14' or '5D2.0 0.24 2.3e-14': the term ends before the two ABO numbers
        self.lande = _effective_lande(_term(lower, name), _term("".join(upper[:-2]), name))


def _term(text, name):
    """Quantum numbers S, L, J of a term such as '5P 2.0'."""
    compact = "".join(text.split())
    head = 2 if compact[:2].isdigit() else 1
    try:
        spin = (int(compact[:head]) - 1) / 2
        return spin, LETTERS.index(compact[head].upper()), float(compact[head + 1 :])
    except (ValueError, IndexError):
        raise StopError(f"{name}: {text!r} is no term") from None


def _effective_lande(lower, upper):
    """LS coupling, e.g. Landi Degl'Innocenti 1982, Sol. Phys. 77, 285, eq. 2."""

    def lande(s, orbital, j):
        return 0.0 if j == 0 else 1.5 + (s * (s + 1) - orbital * (orbital + 1)) / (2 * j * (j + 1))

    gl, gu, jl, ju = lande(*lower), lande(*upper), lower[2], upper[2]
    return 0.5 * (gl + gu) + 0.25 * (gl - gu) * (jl * (jl + 1) - ju * (ju + 1))


def read_lines(name):
    """Index → line."""
    lines = [Line(row, name) for row in read(name).splitlines() if row.strip()]
    return {line.index: line for line in lines}


def read_grid(name, lines):
    """Rows of the grid: [(first line, [lines], [mÅ …]) …]."""
    body = read(name).splitlines()
    for count, line in enumerate(body[:20]):
        if len(line) >= 6 and len(set(line[2:6])) == 1 and line[2] in "_-+=":
            body = body[count + 1 :]
            break
    rows = []
    for line in body:
        if not line.strip():
            continue
        left, _, right = line.partition(":")
        indices = [int(part) for part in left.split(",") if part.strip()]
        start, step, stop = (float(part) for part in right.split(",") if part.strip())
        if not indices or any(index not in lines for index in indices):
            raise StopError(f"{name}: a line of {line!r} is not in the line list")
        whole = int((stop - start) / step)
        count = whole + (2 if (stop - start) / step - whole > 0.05 else 1)
        members = [lines[index] for index in indices]
        rows.append((indices[0], members, [start + step * i for i in range(count)]))
    if not rows:
        raise StopError(f"{name} holds no rows")
    return rows


def read_profile(name, grid):
    """Stokes (4 lists) on the grid's samples; None where a value is missing, NaN where it is one.

    Where SIR silently takes a sample for another, the stand-in stops.
    """
    rows = [_numbers(line, name) for line in read(name).splitlines() if line.strip()]
    samples = [(index, offset) for index, _, offsets in grid for offset in offsets]
    if len(rows) != len(samples):
        raise StopError(f"{name}: {len(rows)} samples, the grid has {len(samples)}")
    for row, (index, offset) in zip(rows, samples, strict=True):
        if len(row) != 6 or round(row[0]) != index or abs(row[1] - offset) > 0.1:
            raise StopError(f"{name}: {row[:2]} is not the grid's sample {index}, {offset:.3f}")
    return [[None if row[2 + s] < MISSING_BELOW else row[2 + s] for row in rows] for s in range(4)]


def profile_text(grid, stokes):
    """As SIR prints profiles."""
    samples = [(index, offset) for index, _, offsets in grid for offset in offsets]
    lines = []
    for (index, offset), *values in zip(samples, *stokes, strict=True):
        lines.append(f" {index:5d} {offset:11.4f} " + " ".join(fortran(value) for value in values))
    return "\n".join(lines) + "\n"


def fortran(value):
    """Fortran's e14.7: 0.7600304E+00."""
    if not math.isfinite(value):
        return "           NaN"
    mantissa, _, exponent = f"{abs(value):.6E}".partition("E")
    shifted = 0 if value == 0 else int(exponent) + 1
    sign = "-" if value < 0 else " "
    return f"{sign}0.{mantissa[0]}{mantissa[2:]}E{shifted:+03d}"


def read_psf(name):
    """Variance [mÅ²] of the instrument's profile."""
    rows = [_numbers(line, name) for line in read(name).splitlines() if line.strip()]
    if len(rows) > 401 or any(len(row) != 2 for row in rows):
        raise StopError(f"{name} is no PSF")
    norm = sum(value for _, value in rows)
    mean = sum(offset * value for offset, value in rows) / norm
    return sum((offset - mean) ** 2 * value for offset, value in rows) / norm


def check_abundances(name):
    """Stop where the table lacks hydrogen."""
    rows = [line.split() for line in read(name).splitlines()]
    if not any(row[:1] == ["1"] and len(row) > 1 and float(row[1]) == 12.0 for row in rows):
        raise StopError(f"{name}: no abundance of hydrogen")


def read(name):
    """Text of an input file."""
    try:
        with open(name, encoding="ascii") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise StopError(f"the file {name!r} cannot be read: {error}") from None


def _numbers(line, name):
    try:
        return [float(field.lower().replace("d", "e")) for field in line.split()]
    except ValueError:
        raise StopError(f"{name}: not numbers: {line!r}") from None
