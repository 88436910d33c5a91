"""The stand-in's "physics": a weak Zeeman triplet, smooth in the model. A test double, not physics.

A component is boiled down to eight numbers (weighted means over depth), from which the profile follows in
closed form; the "inversion" reads the same numbers off an observed profile by its moments and shifts the
model's columns to them. It sees that one profile and the start, nothing else.
"""

import math

PLANCK_C2 = 1.4388  # cm K
T_REFERENCE = 6300.0
LIGHT = 2.99792458e5  # km/s
#: Å per Å² and gauss for a Landé factor of 1
ZEEMAN = 4.6686e-13
IRON = 55.845
#: 2 k / m_u  [km² s⁻² K⁻¹]
THERMAL = 2 * 8.314e-3
#: variance [mÅ²] that every line has, in place of damping
NATURAL = 400.0
HALF_WINDOW = 450.0  # mÅ about a line that belong to it
#: where temperature is read: continuum and line core; and everything else
FORMATION = {"continuum": 0.0, "core": -2.0, "line": -1.2}
WIDTH = 0.7
#: part of the difference that one cycle makes up
STEP = 0.85
SMALLEST = 1e-6


def depth_weights(log_tau, centre):
    """Normalised Gaussian in log τ."""
    raw = [math.exp(-(((lt - centre) / WIDTH) ** 2)) for lt in log_tau]
    total = sum(raw)
    return [value / total for value in raw]


def mean(column, weights):
    """Weighted mean over depth."""
    return sum(x * w for x, w in zip(column, weights, strict=True))


class Numbers:
    """What the profile of one component depends on."""

    NAMES = ("t_continuum", "t_core", "vmic", "field", "velocity", "inclination", "azimuth", "vmac")

    def __init__(self, **values):
        self.__dict__.update(values)

    @classmethod
    def of(cls, model):
        """From a model: cm/s become km/s."""
        w = {name: depth_weights(model.log_tau, centre) for name, centre in FORMATION.items()}
        column = model.columns
        # angles are averaged as they are: the columns are nearly constant
        return cls(
            t_continuum=mean(column[1], w["continuum"]),
            t_core=mean(column[1], w["core"]),
            vmic=mean(column[3], w["line"]) / 1e5,
            field=mean(column[4], w["line"]),
            velocity=mean(column[5], w["line"]) / 1e5,
            inclination=mean(column[6], w["line"]),
            azimuth=mean(column[7], w["line"]),
            vmac=model.vmac,
            polarised=max(map(abs, column[4])) > 1.0,
        )


def planck(wavelength, temperature):
    """Of the temperature over that of the reference, at a wavelength in Å."""
    x = PLANCK_C2 / (wavelength * 1e-8)
    return math.expm1(x / T_REFERENCE) / math.expm1(x / max(temperature, 500.0))


def inverse_planck(wavelength, intensity):
    """Temperature of a continuum intensity."""
    x = PLANCK_C2 / (wavelength * 1e-8)
    return x / math.log1p(math.expm1(x / T_REFERENCE) / max(intensity, 0.01))


def widths(line, n, psf_variance):
    """Standard deviations [mÅ] of the line's Gaussian, as emitted and as smeared."""
    scale2 = (line.wavelength * 1e3 / LIGHT) ** 2
    emitted = 0.5 * scale2 * (THERMAL * max(n.t_core, 0.0) / IRON + n.vmic**2) + NATURAL
    return math.sqrt(emitted), math.sqrt(emitted + scale2 * n.vmac**2 + psf_variance)


def component(grid, n, psf_variance):
    """Stokes profiles (4 lists) of one component."""
    stokes = [[], [], [], []]
    gamma, phi = math.radians(n.inclination), math.radians(n.azimuth)
    sin2, cosine = math.sin(gamma) ** 2, math.cos(gamma)
    for _, lines, offsets in grid:
        first = lines[0].wavelength
        level = planck(first, n.t_continuum)
        depth = 1.0 - min(0.95, planck(first, n.t_core) / level)
        terms = []
        for line in lines:
            centre = (line.wavelength - first) * 1e3 + line.wavelength * 1e3 * n.velocity / LIGHT
            split = ZEEMAN * line.lande * line.wavelength**2 * n.field * 1e3
            emitted, smeared = widths(line, n, psf_variance)
            terms.append((centre, split, smeared, emitted / smeared))
        for offset in offsets:
            pi = blue = red = 0.0
            for centre, split, width, share in terms:
                pi += share * _gauss((offset - centre) / width)
                blue += share * _gauss((offset - centre + split) / width)
                red += share * _gauss((offset - centre - split) / width)
            wings = 0.5 * (blue + red)
            linear = 0.5 * level * depth * (wings - pi) * sin2 if n.polarised else 0.0
            stokes[0].append(level * (1.0 - 0.5 * depth * (pi * sin2 + wings * (1.0 + cosine**2))))
            stokes[1].append(linear * math.cos(2 * phi))
            stokes[2].append(linear * math.sin(2 * phi))
            stokes[3].append(0.5 * level * depth * (blue - red) * cosine if n.polarised else 0.0)
    return stokes


def _gauss(x):
    return math.exp(-0.5 * x * x) if -8.0 < x < 8.0 else 0.0


def synthesize(grid, models, psf_variance, stray=None):
    """Profiles of one or two components and stray light."""
    parts = [component(grid, Numbers.of(model), psf_variance) for model in models]
    if len(parts) == 2:
        f = models[1].filling
        parts = [[_mix(a, b, f) for a, b in zip(*parts, strict=True)]]
    fraction = models[0].stray / 100.0 if stray is not None else 0.0
    return [_mix(a, b, fraction) for a, b in zip(parts[0], stray or parts[0], strict=True)]


def _mix(a, b, fraction):
    return [(1.0 - fraction) * x + fraction * y for x, y in zip(a, b, strict=True)]


def estimate(grid, observed, start):
    """Numbers read off a profile by its moments, in the neighbourhood of the first line.

    Parameters
    ----------
    observed : four lists; None = missing
    start : Numbers
        For what cannot be read.
    """
    _, lines, offsets = grid[0]
    first = lines[0]
    intensity = observed[0][: len(offsets)]
    here = [i for i, value in enumerate(intensity) if value is not None]
    level = max((intensity[i] for i in here), default=1.0)
    near = [i for i in here if abs(offsets[i]) < HALF_WINDOW]
    absorbed = [max(0.0, 1.0 - intensity[i] / level) for i in near]
    total = sum(absorbed)
    found = Numbers(**start.__dict__)
    found.t_continuum = inverse_planck(first.wavelength, level)
    if total <= SMALLEST:
        return found
    centre = sum(a * offsets[i] for a, i in zip(absorbed, near, strict=True)) / total
    spread = sum(a * (offsets[i] - centre) ** 2 for a, i in zip(absorbed, near, strict=True)) / total
    found.velocity = centre / (first.wavelength * 1e3) * LIGHT
    found.t_core = inverse_planck(first.wavelength, level * (1.0 - max(absorbed)))
    moment = {}
    for name, number in (("Q", 1), ("U", 2), ("V", 3)):
        power = 1 if name == "V" else 2
        values = observed[number]
        # The first sample of U carries commands, so it is never looked at.
        seen = [i for i in range(len(offsets)) if values[i] is not None and (number, i) != (2, 0)]
        seen = [i for i in seen if abs(offsets[i]) < HALF_WINDOW]
        shift = 0.0 if power == 1 else spread
        moment[name] = sum(values[i] * ((offsets[i] - centre) ** power - shift) for i in seen)
    scale = level * total * ZEEMAN * first.lande * first.wavelength**2 * 1e3
    along = -moment["V"] / scale
    across2 = math.hypot(moment["Q"], moment["U"]) / (level * total) * 2.0
    across = math.sqrt(across2) / (scale / (level * total))
    found.field = min(max(math.hypot(along, across), 10.0), 5000.0)
    found.inclination = math.degrees(math.atan2(across, along))
    found.azimuth = math.degrees(0.5 * math.atan2(moment["U"], moment["Q"])) % 180.0
    return found


def move(model, target, nodes, n_cycle_left):
    """Shift the free columns of a model towards the target's numbers."""
    now = Numbers.of(model)
    part = STEP if n_cycle_left else 1.0
    new = model.copy()
    if nodes["temperature"]:
        at_core = part * (target.t_core - now.t_core)
        at_bottom = part * (target.t_continuum - now.t_continuum)
        if nodes["temperature"] == 1:
            at_core = at_bottom
        slope = (at_bottom - at_core) / (FORMATION["continuum"] - FORMATION["core"])
        new.columns[1] = [
            max(2000.0, t + at_bottom + slope * min(0.5, max(-3.0, lt)))
            for lt, t in zip(model.log_tau, model.columns[1], strict=True)
        ]
    for index, name, scale in (
        (3, "vmic", 1e5),
        (4, "field", 1.0),
        (5, "velocity", 1e5),
        (6, "inclination", 1.0),
        (7, "azimuth", 1.0),
    ):
        if nodes[name]:
            shift = part * (getattr(target, name) - getattr(now, name)) * scale
            new.columns[index] = [x + shift for x in model.columns[index]]
    if nodes["field"]:
        new.columns[4] = [max(0.0, x) for x in new.columns[4]]
    if nodes["inclination"]:
        new.columns[6] = [min(180.0, max(0.0, x)) for x in new.columns[6]]
    return new
