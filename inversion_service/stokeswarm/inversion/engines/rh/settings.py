"""What holds for all pixels of a request: checked once, and turned into RH's files once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.abundances import SYMBOLS
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Plan
from stokeswarm.inversion.engines.lte.elements import Mixture, mixture
from stokeswarm.inversion.engines.rh import atoms, files, keywords
from stokeswarm.inversion.engines.rh.air import Air, to_vacuum
from stokeswarm.inversion.engines.rh.atoms import format_models
from stokeswarm.inversion.engines.rh.column import Frame
from stokeswarm.inversion.engines.rh.installation import ATOMS, MOLECULES, Installation
from stokeswarm.inversion.engines.rh.lines import format_line, vacuum_wavelength
from stokeswarm.inversion.engines.rh.models import check_lines

Floats = npt.NDArray[np.float64]
E = TypeVar("E", bound=Enum)

#: RH's folders as seen from the one it runs in
_UP: Final = "../.."
SPECTRUM: Final = "spectrum.out"
ATMOSPHERE: Final = "model.atmos"
FIELD: Final = "field.B"
LINES: Final = "lines.kur"
BACKGROUND_RAY: Final = "background.ray"
MOLECULES_INPUT: Final = "molecules.input"
#: angle set → numbers of rays that RH has it for (1-D plane-parallel)
_RAYS: Final = {"SET_VERTICAL": (1,), "SET_EDDINGTON": (1,), "SET_GAUSS_LOBATTO": (2, 3)}

#: keywords that the engine sets, for every pixel alike
MANAGED: Final[Mapping[str, keywords.Value]] = {
    "ATMOS_FILE": ATMOSPHERE,
    "ABUND_FILE": "abundance.input",
    "ATOMS_FILE": "atoms.input",
    "MOLECULES_FILE": MOLECULES_INPUT,
    "WAVETABLE": "wavelengths.xdr",
    "KURUCZ_DATA": "kurucz.input",
    "KURUCZ_PF_DATA": f"{_UP}/{ATOMS}/pf_Kurucz.input",
    "J_FILE": "J.dat",
    "BACKGROUND_FILE": "background.dat",
    "BACKGROUND_RAY_FILE": BACKGROUND_RAY,
    "STARTING_J": "NEW_J",
    "OLD_BACKGROUND": False,
    "SPECTRUM_OUTPUT": SPECTRUM,
    # a ray of lines in partial redistribution starts from them
    "RADRATE_OUTPUT": "radrate.out",
    "LAMBDA_REF": 500.0,
    "VACUUM_TO_AIR": False,
    "N_THREADS": 1,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """A request's constants.

    Attributes
    ----------
    plan : Plan
    gas : Mixture
        Chemical composition.
    frame : Frame
        What its atmospheres are measured along.
    vacuum : ndarray (n_wavelength,) float64
        The request's wavelengths, in vacuum, Å.
    values : mapping
        Keywords of the plan, and defaults.
    active : int
        Number of active atoms and molecules.
    files : mapping
        Name → contents, of the files that are the same for all pixels.
    restart_files : mapping
        Those that ``solveray`` reads in the place of the same names.
    """

    plan: Plan
    gas: Mixture
    frame: Frame
    vacuum: Floats
    values: Mapping[str, keywords.Value]
    active: int
    files: Mapping[str, str | bytes]
    restart_files: Mapping[str, str | bytes]

    def keyword_input(self, *, field: bool) -> str:
        """Text of ``keyword.input``.

        Parameters
        ----------
        field : bool
            Whether the pixel has a magnetic field.
        """
        values = {**self.values, **MANAGED}
        if self.polarized(field=field):
            values["STOKES_INPUT"] = FIELD
        else:
            # RH refuses to be told of a field's effects where there is none
            del values["B_STRENGTH_CHAR"]
            if not values.get("BACKGROUND_POLARIZATION"):
                values["STOKES_MODE"] = "NO_STOKES"
        return keywords.format_keywords(values)

    def polarized(self, *, field: bool) -> bool:
        """Whether RH is given a pixel's field."""
        return field and self.values["STOKES_MODE"] != "NO_STOKES"

    def writes_polarization(self, *, field: bool) -> bool:
        """Whether Q, U and V are in RH's output."""
        return self.polarized(field=field) or bool(self.values.get("BACKGROUND_POLARIZATION"))


def settings_of(request: SynthesizeRequest, installation: Installation) -> Settings:
    """Check a request, and write what its pixels have in common.

    Raises
    ------
    PlanError
        RH, or this installation, cannot do what the plan says.
    """
    plan = request.plan
    values = keywords.defaults() | keywords.check(plan.options)
    frame = _own(plan, "frame", Frame, Frame.LINE_OF_SIGHT)
    air = _own(plan, "air", Air, Air.EDLEN)
    if plan.vacuum and f"{keywords.FAMILY}.air" in plan.options:
        raise PlanError("option rh.air: has no meaning where the plan's wavelengths are in vacuum")
    models = atoms.complete(plan.atoms, atoms.DEFAULT_ATOMS, installation.atoms)
    molecules = atoms.complete(plan.molecules, atoms.DEFAULT_MOLECULES, installation.molecules)
    _check_values(values, models)
    _check_abundances(plan, models, installation)
    vacuum = request.wavelength if plan.vacuum else to_vacuum(request.wavelength, air)
    gas = mixture(np.asarray(plan.abundances))
    lines = [line for region in plan.regions for line in region.lines]
    centres = [vacuum_wavelength(line, vacuum=plan.vacuum, air=air) for line in lines]
    folder = installation.root / ATOMS
    doppler = float(values["VMICRO_CHAR"])
    check_lines(list(zip(lines, centres, strict=True)), models, installation.atoms, folder, doppler)
    texts = [
        format_models(molecules, installation.molecules, f"{_UP}/{MOLECULES}", restart=r)
        for r in (False, True)
    ]
    return Settings(
        plan=plan,
        gas=gas,
        frame=frame,
        vacuum=np.ascontiguousarray(vacuum),
        values=values,
        active=sum(model.active for model in (*models, *molecules)),
        files={
            "abundance.input": files.format_abundances(plan.abundances),
            "atoms.input": format_models(models, installation.atoms, f"{_UP}/{ATOMS}"),
            MOLECULES_INPUT: texts[0],
            "kurucz.input": f"{LINES}\n",
            LINES: "".join(format_line(line, gas, vacuum=plan.vacuum, air=air) for line in lines),
            "wavelengths.xdr": files.encode_wavetable(np.sort(vacuum) / 10.0),
        },
        restart_files={MOLECULES_INPUT: texts[1]},
    )


def _own(plan: Plan, name: str, kind: type[E], default: E) -> E:
    """Value of an option of the engine's own."""
    key = f"{keywords.FAMILY}.{name}"
    text = plan.options.get(key)
    if text is None:
        return default
    try:
        return kind(text)
    except ValueError:
        expected = " or ".join(str(member.value) for member in kind)
        raise PlanError(f"option {key}: expected {expected}, found {text!r}") from None


def _check_values(values: Mapping[str, keywords.Value], models: Sequence[AtomModel]) -> None:
    """Combinations at which RH ends, or that it passes over."""
    if values.get("HYDROSTATIC") and not models[0].active:
        raise PlanError("option rh.HYDROSTATIC: RH needs an active model of hydrogen for it")
    rays = values["NRAYS"]
    expected = _RAYS.get(str(values.get("ANGLE_SET", "")))
    if expected and rays not in expected:
        numbers = " or ".join(map(str, expected))
        raise PlanError(f"option rh.NRAYS: expected {numbers} with {values['ANGLE_SET']}, found {rays}")


def _check_abundances(plan: Plan, models: Sequence[AtomModel], installation: Installation) -> None:
    absent = {
        symbol.upper() for symbol, value in zip(SYMBOLS, plan.abundances, strict=True) if np.isnan(value)
    }
    for model in models:
        species = installation.atoms.find(model.name)
        if species in absent:
            raise PlanError(f"atom {model.name}: the abundance of {species.capitalize()} is missing")
