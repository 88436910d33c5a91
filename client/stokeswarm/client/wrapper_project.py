"""Projects of the parallel wrapper of SIR and DeSIRe (Gafeira et al. 2021, A&A 651, A31).

A project is a folder with ``initialization.input`` and ``run_files/`` (control file, what it names also in
``run_files/input_files/``, model atmospheres in ``run_files/atmos/``).

===========================  =========================================================================
key                          becomes
===========================  =========================================================================
control file in run_files    the plan, as `stokeswarm.client.trol` reads it; the engine is its code
data                         `Project.cubes`, one FITS cube a row of the wavelength grid; in a synthesis
                             `Project.atmospheres`
coordinates                  ``1`` all; ``[x0,x1,y0,y1]`` `Project.region` (ends included); ``2`` the
                             pixels of ``run_files/pix_coord.txt``
disk_position                `Project.position`; a FITS map also leaves out pixels whose X is negative
atmospheric_initialization   ``single`` the control file's guess; ``atmos``, ``yes`` an atmosphere for every
                             pixel; ``nn`` a network; a number: so many models, the best fit counts
atmospheric_model_header     first line of the models that ``atmos`` and a synthesis take from cubes
output_type                  3 = `Project.all_cycles`
n_cores, source_location,    noted: they are settings of the run, not of the inversion
email_adress, debug
===========================  =========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.control_inputs import Elsewhere
from stokeswarm.client.project import AtmosphereMap, Project
from stokeswarm.client.readers.cubes import primary_array
from stokeswarm.client.sources import Source, load, source
from stokeswarm.client.trol import inverts, read_control_file
from stokeswarm.client.wrapper_atmospheres import clustered, parse_header, read_atmospheres
from stokeswarm.client.wrapper_file import FILE_NAME, OTHER_KEYS, Setting, parse_settings
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError
from stokeswarm.contract.sir_files import SirFileError, parse_model
from stokeswarm.contract.sir_files.text import integer, number

_RUN_FILES: Final = "run_files"
_ATMOS: Final = f"{_RUN_FILES}/atmos"
_INPUTS: Final = f"{_RUN_FILES}/input_files"
#: extension of a control file → engine
_CODES: Final = {".trol": "sir", ".dtrol": "desire"}
#: keys of the run, with what takes their place
_OF_THE_RUN: Final = {
    "n_cores": "say --slots",
    "source_location": "the inversion server finds the codes by STOKESWARM_SIR, STOKESWARM_DESIRE",
    "email_adress": "nobody is written to",
    "debug": "a pixel's message quotes its code; run folders are not kept",
}
_ALL, _PART, _LIST = "1", "[", "2"
_EVERY_CYCLE: Final = "3"
#: the wrapper's words for starts that need no file
_SINGLE, _NETWORK = "single", "nn"


def load_wrapper_project(file: Source, text: str, search: Sequence[str] = ()) -> Project:
    """Read a project of the wrapper.

    Parameters
    ----------
    file : Source
        Its ``initialization.input``.
    text : str
        Contents.
    search : sequence of str
        Folders where named files are looked for besides the project's own.

    Returns
    -------
    Project
        Its notes say how every key was understood.

    Raises
    ------
    NotFoundError
        A file or a needed folder is missing.
    SirFileError
        A key is unknown, malformed or has no counterpart; the message names it.
    """
    return _Reading(file, text, search).project()


class _Reading:
    """One project being read."""

    def __init__(self, file: Source, text: str, search: Sequence[str]) -> None:
        self.file = file
        self.settings = parse_settings(text, file.display)
        self.search = tuple(search)
        self.notes: list[str] = []

    def project(self) -> Project:
        for key in OTHER_KEYS:
            if key in self.settings:
                raise self.settings[key].refuse(
                    "conversions of atmospheres and runs of RH alone are not read from this file: "
                    "see stokeswarm synthesize --engine rh"
                )
        control = self._control_file()
        place, extra = self._disk_position()
        inputs, atmos = self._sibling(_INPUTS), self._sibling(_ATMOS)
        text = control.read_text()
        start = self._start() if inverts(text) else {}
        base = read_control_file(
            control,
            text,
            [*([inputs.name] if inputs.is_directory() else []), *self.search],
            Elsewhere(
                models=atmos.name if atmos.is_directory() else "",
                guess=start.pop("guess", None),
                coordinates=place,
                observes=True,
            ),
        )
        if control.suffix == ".trol" and extra.pop("position", None) is not None:
            self.notes.append("disk_position: SIR takes mu from its control file")
        fields: dict[str, Any] = extra | self._coordinates(extra.get("pixels"))
        if base.plan.cycles:
            fields["cubes"] = self._data()
            fields |= start
            if base.plan.n_component != 1 and start.keys() - {"init"}:
                raise self._needed("atmospheric_initialization").refuse(
                    "such a start is for one component; the control file has two"
                )
        else:
            fields["atmospheres"] = self._atmospheres(self._data()[0])
        output = self._needed("output_type") if base.plan.cycles else None
        if output is not None:
            if output.value not in ("1", "2", _EVERY_CYCLE):
                raise output.refuse("expected 1, 2 or 3")
            fields["all_cycles"] = output.value == _EVERY_CYCLE
        for key, advice in _OF_THE_RUN.items():
            if key in self.settings and self.settings[key].value:
                self.notes.append(f"{key}: left out: {advice}")
        return replace(
            base,
            observation=None,
            engine=_CODES[control.suffix],
            notes=(*base.notes, *self.notes),
            source=self.file.display,
            **fields,
        )

    def _needed(self, key: str) -> Setting:
        if key not in self.settings:
            raise SirFileError(f"{self.file.display}: {key}: missing")
        return self.settings[key]

    def _sibling(self, name: str) -> Source:
        return self.file.sibling(name)

    def _find(self, name: str, setting: Setting) -> Source:
        """A file that a setting names, relative to the project or in the search folders."""
        if name.startswith("/") or "://" in name:
            return source(name)
        candidates = [self.file.sibling(name), *(source(folder).child(name) for folder in self.search)]
        for candidate in candidates:
            if candidate.exists():
                return candidate
        places = "; ".join(candidate.display for candidate in candidates)
        raise NotFoundError(f"{setting.where} ({setting.key}): no file {name!r}; looked for {places}")

    def _control_file(self) -> Source:
        """The one control file in ``run_files``.

        Raises
        ------
        NotFoundError, SirFileError
            There is none, several, or one that is not for SIR or DeSIRe.
        """
        folder = self._sibling(_RUN_FILES)
        if not folder.is_directory():
            raise NotFoundError(f"{self.file.display}: no folder {folder.display} with the control file")
        entries = folder.entries()
        found = [name for name in entries if name.endswith(tuple(_CODES))]
        if len(found) == 1:
            return folder.child(found[0])
        if found:
            raise SirFileError(f"{folder.display}: expected one control file, found {', '.join(found)}")
        other = [name for name in entries if name.endswith(".mtrol")]
        other += [name for name in entries if name == "keyword.input"]
        if other:
            raise SirFileError(
                f"{folder.display}: {other[0]}: conversions of atmospheres (.mtrol) and runs of RH alone "
                "(keyword.input) have no counterpart here; see stokeswarm synthesize --engine rh"
            )
        raise NotFoundError(f"{folder.display}: no control file (.trol or .dtrol)")

    def _data(self) -> tuple[str, ...]:
        setting = self._needed("data")
        names = setting.items()
        if not names:
            raise setting.refuse("expected FITS files, one a row of the wavelength grid")
        return tuple(self._find(name, setting).name for name in names)

    def _coordinates(self, others: npt.NDArray[np.int64] | None) -> dict[str, Any]:
        """Which part of the map; ``others`` are the pixels that the map of positions leaves in."""
        setting = self._needed("coordinates")
        kind = setting.value[:1]
        if kind == _ALL:
            return {}
        if kind == _LIST:
            file = self._find(f"{_RUN_FILES}/pix_coord.txt", setting)
            listed = load(file.name, _parse_pixels)
            self.notes.append(
                "coordinates: the pixels of pix_coord.txt alone; they are not merged into an earlier result"
            )
            if others is not None:
                allowed = {tuple(pixel) for pixel in others.tolist()}
                kept = [pixel for pixel in listed.tolist() if tuple(pixel) in allowed]
                if not kept:
                    raise setting.refuse("disk_position leaves out every pixel of pix_coord.txt")
                listed = np.array(kept, np.int64)
            low, high = listed.min(axis=0), listed.max(axis=0) + 1
            return {"pixels": listed, "region": f"{low[0]}:{high[0]},{low[1]}:{high[1]}"}
        if kind != _PART:
            raise setting.refuse(
                "expected 1 (all), 2 (the pixels of pix_coord.txt) or [x0,x1,y0,y1]; with 0 the wrapper "
                "inverts nothing"
            )
        ends = [integer(item, setting.where, setting.key) for item in setting.items()]
        if len(ends) != 4:
            raise setting.refuse("expected [x0,x1,y0,y1], the last ones included")
        x0, x1, y0, y1 = ends
        return {"region": f"{y0}:{y1 + 1},{x0}:{x1 + 1}"}

    def _disk_position(self) -> tuple[tuple[float, float, float, float] | None, dict[str, Any]]:
        """X, Y, Vx and Vy for the control file, and what a map of them gives."""
        if "disk_position" not in self.settings:
            return None, {}
        setting = self.settings["disk_position"]
        items = setting.items()
        if len(items) >= 4 and all(_is_number(item) for item in items[:4]):
            x, y, vx, vy = (number(item, setting.where, setting.key) for item in items[:4])
            return (x, y, vx, vy), {}
        if len(items) != 1 or _is_number(items[0]):
            raise setting.refuse("expected [X,Y,Vx,Vy] in solar radii and cm/s, or a FITS file of them")
        file = self._find(items[0], setting)
        # the wrapper takes its pixel (x, y): the map's first axis is x
        data = primary_array(file).astype(np.float64)
        if data.ndim != 3 or data.shape[0] < 2:
            raise setting.refuse(f"{file.display}: expected the shape (4, x, y), found {data.shape}")
        position = np.ascontiguousarray(data[:2].transpose(2, 1, 0))
        extra: dict[str, Any] = {"position": position}
        outside = position[..., 0] < 0
        if outside.any():
            self.notes.append(
                f"disk_position: {int(outside.sum())} pixels with X < 0 are left out, as the wrapper does"
            )
            extra["pixels"] = np.argwhere(~outside)
        if data.shape[0] > 2 and np.any(data[2:]):
            self.notes.append("disk_position: velocities that differ from pixel to pixel are left out")
        return (0.0, 0.0, 0.0, 0.0), extra

    def _start(self) -> dict[str, Any]:
        """Where the inversion starts, and the guess where it is not the control file's."""
        setting = self._needed("atmospheric_initialization")
        words = setting.items()
        word = words[0].lower() if words else ""
        if word == _SINGLE:
            return {}
        if word == "atmos":
            return _with_guess(self._atmospheres(self._find(f"{_ATMOS}/atmos.fits", setting).name))
        if word == "yes":
            file = self._find(f"{_ATMOS}/profile_clustering.fits", setting)
            numbers = np.unique(np.rint(primary_array(file))).astype(int).tolist()
            models = {n: self._model(n, setting) for n in numbers}
            return _with_guess(clustered(file, models))
        if word == _NETWORK:
            self.notes.append(
                "atmospheric_initialization: nn: the network that knows these wavelengths; after its guess "
                "the last cycle runs alone; pixels that the gate rejects take all cycles from the guess model"
            )
            return {"init": "cnn"}
        if _is_number(word):
            return self._several(setting, float(word))
        if word == "ne":
            raise setting.refuse(
                "a start from a neighbour's result makes results depend on the order of the pixels: write "
                "single, or invert again with --init previous:RESULT"
            )
        raise setting.refuse("expected single, atmos, yes, nn, or a number of models")

    def _several(self, setting: Setting, value: float) -> dict[str, Any]:
        count = math.trunc(value)
        if count < 1:
            raise setting.refuse("expected at least one model")
        first, *others = (self._model(i, setting) for i in range(1, count + 1))
        if value > count:
            self.notes.append(
                f"atmospheric_initialization: all {count} models are tried; R² = {value - count:g} of I, at "
                "which the wrapper stops, is left out"
            )
        self.notes.append("atmospheric_initialization: of the models the lowest χ² counts, not R² of I")
        return {"guess": first, "guesses": tuple(others)}

    def _model(self, index: int, setting: Setting) -> Atmosphere:
        return load(self._find(f"{_ATMOS}/atmcl{index}.mod", setting).name, parse_model)

    def _atmospheres(self, place: str) -> AtmosphereMap:
        setting = self._needed("atmospheric_model_header")
        header = parse_header(setting.value, f"{setting.where} ({setting.key})")
        return read_atmospheres(source(place), header)


def _with_guess(atmospheres: AtmosphereMap) -> dict[str, Any]:
    """A map of starts; its first atmosphere is the guess for pixels without one."""
    first = int(np.flatnonzero(atmospheres.available)[0])
    return {"atmospheres": atmospheres, "guess": atmospheres.atmosphere.take([first])}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _parse_pixels(text: str, name: str) -> npt.NDArray[np.int64]:
    """Pixels (y, x), one a row, of a ``pix_coord.txt``.

    Raises
    ------
    SirFileError
        With the line number, where a row is not two whole numbers.
    """
    pixels = []
    for count, line in enumerate(text.splitlines(), start=1):
        told = line.split("#", 1)[0].split()
        if not told:
            continue
        values = [number(field, f"{name}: line {count}", "pixel") for field in told]
        if len(values) != 2 or any(value != int(value) or value < 0 for value in values):
            raise SirFileError(f"{name}: line {count}: expected y and x of a pixel, found {line.strip()!r}")
        pixels.append([int(value) for value in values])
    if not pixels:
        raise InvalidArgumentError(f"{name}: no pixels")
    return np.array(pixels, np.int64)


__all__ = ["FILE_NAME", "load_wrapper_project"]
