"""Named one-dimensional model atmospheres: temperatures of the literature on log τ at 5000 Å.

The publications named in `MODELS` are where the models come from. The numbers are those on the log
τ₅₀₀₀ grid on which the field passes these models on for inversions (the models distributed with SIR),
thinned and rounded to 1 K; they have not been compared with the printed tables. Between the tabulated
points they are interpolated with a shape-preserving cubic; below the deepest one they go on with its
slope, above the highest one they stay constant, so that no chromosphere is invented. Field, velocity,
angles and broadening are *not* published with these models: they are the customary first guesses that
`NamedModel` documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import NotFoundError

Floats = npt.NDArray[np.float64]

#: d log10 Pg / d log10 τ₅₀₀₀ in the upper photosphere, from the HSRA's own pressures at log τ −4 and −3
PRESSURE_SLOPE: Final = 0.605
#: log τ₅₀₀₀ at which `NamedModel.gas_pressure` is given
PRESSURE_LOG_TAU: Final = -4.0


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model atmosphere and the first guess that goes with it.

    Attributes
    ----------
    title, source : str
        What it describes, and the publication that it stems from.
    bottom, step : float
        Deepest tabulated log τ₅₀₀₀ and (positive) spacing.
    temperature : tuple of float
        K, deepest first.
    field_strength : float
        G, constant with height; a guess, not part of the publication.
    microturbulence, macroturbulence : float
        km/s, likewise.
    gas_pressure : float
        dyn cm⁻² at log τ = `PRESSURE_LOG_TAU`, the boundary value for hydrostatic equilibrium. HSRA: that
        of the distributed model. Others: chosen of that order, where it hardly changes log τ > −3.
    velocity, inclination, azimuth : float
        km/s and degrees; neutral values, at which no derivative of the Stokes profiles vanishes.
    """

    title: str
    source: str
    bottom: float
    step: float
    temperature: tuple[float, ...]
    field_strength: float
    microturbulence: float
    gas_pressure: float
    macroturbulence: float = 1.0
    velocity: float = 0.1
    inclination: float = 45.0
    azimuth: float = 45.0

    @property
    def log_tau(self) -> Floats:
        """Tabulated depths, deepest first."""
        return np.round(self.bottom - self.step * np.arange(len(self.temperature)), 6)


MODELS: Final[Mapping[str, NamedModel]] = {
    "hsra": NamedModel(
        "mean quiet Sun, Harvard-Smithsonian Reference Atmosphere",
        "Gingerich, Noyes, Kalkofen & Cuny 1971, Sol. Phys. 18, 347",
        1.2, 0.1,
        (9220, 9050, 8880, 8710, 8520, 8290, 8030, 7750, 7440, 7140, 6860, 6610, 6390, 6200, 6035, 5890,
         5765, 5650, 5540, 5430, 5330, 5240, 5160, 5080, 5010, 4950, 4895, 4840, 4790, 4750, 4720, 4690,
         4660, 4630, 4600, 4575, 4550, 4525, 4490, 4460, 4430, 4405, 4380, 4355, 4330, 4305, 4280, 4250,
         4225, 4205, 4190, 4175, 4170),
        field_strength=500.0, microturbulence=1.0, gas_pressure=868.2,
    ),
    "falc": NamedModel(
        "average quiet Sun, without its chromosphere",
        "Fontenla, Avrett & Loeser 1993, ApJ 406, 319, model C",
        1.2, 0.2,
        (9069, 8684, 8275, 7863, 7446, 7000, 6583, 6220, 5890, 5617, 5404, 5235, 5103, 5008, 4942, 4881, 4831,
         4780, 4745, 4710, 4688, 4682, 4677, 4672, 4667, 4662, 4657),
        field_strength=500.0, microturbulence=1.0, gas_pressure=868.2,
    ),
    "granule": NamedModel(
        "granular component of the two-component quiet Sun",
        "Borrero & Bellot Rubio 2002, A&A 385, 1056",
        1.0, 0.2,
        (9400, 8793, 8184, 7528, 6925, 6425, 6066, 5788, 5558, 5342, 5151, 4994, 4878, 4803, 4762, 4716, 4659,
         4617, 4590, 4574, 4561, 4546, 4522, 4483, 4424),
        field_strength=100.0, microturbulence=0.8, gas_pressure=900.0,
    ),
    "intergranule": NamedModel(
        "intergranular component of the two-component quiet Sun",
        "Borrero & Bellot Rubio 2002, A&A 385, 1056",
        1.0, 0.2,
        (8408, 8041, 7638, 7137, 6633, 6196, 5914, 5718, 5572, 5447, 5328, 5193, 5027, 4838, 4618, 4494, 4404,
         4342, 4296, 4261, 4228, 4194, 4150, 4092, 4015),
        field_strength=300.0, microturbulence=0.8, gas_pressure=900.0,
    ),
    "plage": NamedModel(
        "magnetic flux tubes of plage",
        "Solanki 1986, A&A 168, 311, as distributed for inversions with SIR",
        1.2, 0.1,
        (9918, 9363, 8882, 8474, 8139, 7870, 7620, 7412, 7228, 7069, 6940, 6844, 6778, 6707, 6644, 6566,
         6460, 6340, 6224, 6104, 6002, 5918, 5842, 5767, 5698, 5578, 5431, 5285, 5157, 5041, 4975, 4940,
         4916, 4902, 4893, 4873, 4851, 4837, 4828, 4819, 4807, 4795, 4780, 4763, 4746, 4730, 4714, 4697,
         4681, 4664, 4648, 4632, 4615),
        field_strength=1200.0, microturbulence=1.2, gas_pressure=400.0,
    ),
    "penumbra": NamedModel(
        "mean penumbra",
        "del Toro Iniesta, Tarbell & Ruiz Cobo 1994, ApJ 436, 400",
        1.2, 0.2,
        (8461, 8070, 7680, 7295, 6917, 6560, 6230, 5937, 5677, 5448, 5256, 5092, 4957, 4841, 4742, 4662, 4595,
         4539, 4490, 4447, 4410, 4378, 4351, 4329, 4310, 4298, 4291),
        field_strength=1500.0, microturbulence=0.8, gas_pressure=800.0,
    ),
    "umbra": NamedModel(
        "core of a large, cool umbra",
        "Collados, Martínez Pillet, Ruiz Cobo, del Toro Iniesta & Vázquez 1994, A&A 291, 622, cool model",
        1.4, 0.2,
        (6780, 6292, 5806, 5341, 4903, 4514, 4189, 3940, 3785, 3677, 3598, 3535, 3498, 3482, 3469, 3454, 3436,
         3417, 3395, 3371, 3345, 3319, 3291, 3260, 3226, 3188, 3156, 3130),
        field_strength=2500.0, microturbulence=0.4, gas_pressure=1000.0,
    ),
    "umbra-hot": NamedModel(
        "umbra of a small, hot spot",
        "Collados, Martínez Pillet, Ruiz Cobo, del Toro Iniesta & Vázquez 1994, A&A 291, 622, hot model",
        1.4, 0.2,
        (8005, 7614, 7219, 6816, 6356, 5865, 5404, 5028, 4758, 4547, 4370, 4202, 4064, 3946, 3842, 3742, 3656,
         3573, 3488, 3406, 3320, 3234, 3152, 3071, 2990, 2907, 2840, 2787),
        field_strength=2000.0, microturbulence=0.5, gas_pressure=800.0,
    ),
    "umbra-maltby": NamedModel(
        "core of a large umbra in mid-cycle",
        "Maltby et al. 1986, ApJ 306, 284, model M",
        1.2, 0.2,
        (6700, 6140, 5620, 5120, 4680, 4320, 4040, 3870, 3750, 3660, 3590, 3540, 3497, 3450, 3419, 3398, 3386,
         3384, 3391, 3398, 3395, 3394, 3393, 3395, 3398, 3412, 3442),
        field_strength=2500.0, microturbulence=0.5, gas_pressure=800.0,
    ),
}  # fmt: skip


def named_model(name: str) -> NamedModel:
    """A model by its name, case-insensitive.

    Raises
    ------
    NotFoundError
        There is no model of that name; the message lists those there are.
    """
    key = name.strip().lower()
    if key not in MODELS:
        raise NotFoundError(f"model atmosphere {name!r} is unknown; there are {', '.join(MODELS)}")
    return MODELS[key]


def model_temperature(name: str, log_tau: npt.ArrayLike) -> Floats:
    """Temperature of a model.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    log_tau : array_like (n_depth,)
        log10 τ₅₀₀₀, strictly decreasing.

    Returns
    -------
    ndarray (n_depth,) float64
        K.

    Raises
    ------
    NotFoundError
        Unknown name.
    InvalidArgumentError
        log_tau is not a finite, strictly decreasing axis.
    """
    model = named_model(name)
    depths = model.log_tau
    table = _constant(depths, np.array(model.temperature), model)
    wanted = np.ascontiguousarray(log_tau, dtype=np.float64)
    temperature = table.resample(wanted).temperature[0]
    return np.where(wanted < depths[-1], model.temperature[-1], temperature)


def model_atmosphere(name: str, log_tau: npt.ArrayLike) -> Atmosphere:
    """A model as an atmosphere of one pixel, ready to start an inversion.

    Electron and gas pressures are left out: the engine computes them by hydrostatic equilibrium from
    `top_gas_pressure`.

    Parameters
    ----------
    name : str
        A key of `MODELS`, case-insensitive.
    log_tau : array_like (n_depth,)
        log10 τ₅₀₀₀, strictly decreasing (deepest first).

    Returns
    -------
    Atmosphere
        One pixel; field, velocity, angles and turbulence constant with height as `NamedModel` says.

    Raises
    ------
    NotFoundError
        Unknown name.
    InvalidArgumentError
        log_tau is not a finite, strictly decreasing axis.

    Examples
    --------
    >>> guess = model_atmosphere("hsra", [1.0, 0.0, -1.0])
    >>> guess.temperature[0].tolist(), guess.field_strength[0, 0].item()
    ([8880.0, 6390.0, 5160.0], 500.0)
    """
    axis = np.ascontiguousarray(log_tau, dtype=np.float64)
    return _constant(axis, model_temperature(name, axis), named_model(name))


def top_gas_pressure(name: str, log_tau_top: float) -> float:
    """Gas pressure at the top of a depth axis, for hydrostatic equilibrium.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    log_tau_top : float
        log10 τ₅₀₀₀ of the highest point.

    Returns
    -------
    float
        dyn cm⁻²: the model's value at `PRESSURE_LOG_TAU`, moved with `PRESSURE_SLOPE`.
    """
    step = log_tau_top - PRESSURE_LOG_TAU
    return float(named_model(name).gas_pressure * 10.0 ** (PRESSURE_SLOPE * step))


def _constant(log_tau: Floats, temperature: Floats, model: NamedModel) -> Atmosphere:
    """One pixel of the given temperature and the model's guesses, constant with height."""

    def level(value: float) -> Floats:
        return np.full((1, log_tau.size), value)

    return Atmosphere(
        log_tau=log_tau,
        temperature=temperature[None, :],
        microturbulence=level(model.microturbulence),
        field_strength=level(model.field_strength),
        velocity=level(model.velocity),
        inclination=level(model.inclination),
        azimuth=level(model.azimuth),
        macroturbulence=np.array([model.macroturbulence]),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )
