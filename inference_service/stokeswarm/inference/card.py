"""The model card: what a network reads, what it returns, where it comes from and how good it is.

A card is one JSON file beside the ONNX file. The part that the service needs (axes, order of the outputs,
reference continuum, novelty threshold) is validated when a model is loaded; the descriptive sections are
passed on as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED
from stokeswarm.contract.errors import InvalidArgumentError, SpectraError
from stokeswarm.contract.plan import MAX_DEPTHS, MAX_WAVELENGTHS
from stokeswarm.contract.spectra import check_wavelength
from stokeswarm.contract.status import ContinuumReference

Floats = npt.NDArray[np.float64]

#: layout of the JSON that this code writes and reads
SCHEMA: Final = 1
#: what a network must return at its nodes, in any order: an atmosphere has no other obligatory field
REQUIRED: Final = frozenset(name for name in STRATIFIED if name not in OPTIONAL)
#: field → value of a scalar that the network does not return
DEFAULT_SCALARS: Final[Mapping[str, float]] = {
    "macroturbulence": 1.0,
    "filling_factor": 1.0,
    "stray_light": 0.0,
}
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DESCRIPTIVE: Final = (
    "limits",
    "normalisation",
    "network",
    "training",
    "ranges",
    "metrics",
    "calibration",
)


def check_name(name: str) -> str:
    """Validate a model's (instrument's) name.

    Raises
    ------
    InvalidArgumentError
        Not lower-case letters and digits, in words joined by single hyphens.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(f"model name: expected a-z, 0-9 and hyphens, found {name!r}")
    return name


def check_version(version: str) -> str:
    """Validate a model's version.

    Raises
    ------
    InvalidArgumentError
        Not a positive integer without leading zeros.
    """
    if not _VERSION.fullmatch(version):
        raise InvalidArgumentError(f"model version: expected a positive integer, found {version!r}")
    return version


@dataclass(frozen=True, slots=True)
class Card:
    """A validated model card.

    Attributes
    ----------
    instrument : str
        The model's name.
    version : str
        A positive integer.
    digest : str
        sha256 of the ONNX file, hexadecimal.
    wavelength : ndarray (n_wavelength,) float64
        Å in air, strictly increasing; what the network reads.
    reference : ContinuumReference
        Normalisation of the training profiles.
    log_tau : ndarray (n_node,) float64
        log10 τ₅₀₀₀ of the nodes, strictly decreasing (deepest first).
    quantities : tuple of str
        Stratified quantities in the order of the network's output.
    scalars : tuple of str
        Quantities of one number a pixel, in the order of the network's output; may be empty.
    novelty_threshold : float
        Of the network's novelty output.
    accepted_references : tuple of ContinuumReference
        Normalisations of requests that the model takes; `reference` is always among them.
    title, licence : str
    novelty_method : str
        How novelty and its threshold were defined.
    sections : mapping
        The descriptive sections: limits, normalisation, network, training, ranges, metrics, calibration.

    Raises
    ------
    InvalidArgumentError
        On construction, where a field is not as above.
    """

    instrument: str
    version: str
    digest: str
    wavelength: Floats
    reference: ContinuumReference
    log_tau: Floats
    quantities: tuple[str, ...]
    scalars: tuple[str, ...]
    novelty_threshold: float
    accepted_references: tuple[ContinuumReference, ...] = ()
    title: str = ""
    licence: str = ""
    novelty_method: str = ""
    sections: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.instrument)
        check_version(self.version)
        if not _DIGEST.fullmatch(self.digest):
            raise InvalidArgumentError(f"digest: expected 64 hexadecimal digits, found {self.digest!r}")
        wavelength = check_wavelength(self.wavelength)
        if wavelength.size > MAX_WAVELENGTHS or (np.diff(wavelength) <= 0).any():
            raise SpectraError(f"wavelength: expected at most {MAX_WAVELENGTHS} strictly increasing samples")
        object.__setattr__(self, "wavelength", wavelength)
        log_tau = np.ascontiguousarray(self.log_tau, dtype=np.float64)
        if log_tau.ndim != 1 or not 1 <= log_tau.size <= MAX_DEPTHS or not np.isfinite(log_tau).all():
            raise InvalidArgumentError(
                f"log_tau: expected 1–{MAX_DEPTHS} finite nodes, found {log_tau.shape}"
            )
        if (np.diff(log_tau) >= 0).any():
            raise InvalidArgumentError("log_tau: expected strictly decreasing nodes (deepest first)")
        object.__setattr__(self, "log_tau", log_tau)
        if len(set(self.quantities)) != len(self.quantities) or set(self.quantities) != REQUIRED:
            raise InvalidArgumentError(
                f"quantities: expected each of {sorted(REQUIRED)} once, found {list(self.quantities)}"
            )
        if len(set(self.scalars)) != len(self.scalars) or not set(self.scalars) <= set(SCALAR):
            raise InvalidArgumentError(
                f"scalars: expected some of {list(SCALAR)}, found {list(self.scalars)}"
            )
        if not (np.isfinite(self.novelty_threshold) and self.novelty_threshold > 0):
            raise InvalidArgumentError(f"novelty threshold: expected > 0, found {self.novelty_threshold}")
        if self.reference not in self.accepted_references:
            object.__setattr__(self, "accepted_references", (self.reference, *self.accepted_references))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a card.

        Raises
        ------
        InvalidArgumentError
            Not JSON, another schema, a key is missing, or a value is not what the card needs.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidArgumentError(f"not JSON: {error}") from None
        if not isinstance(data, dict):
            raise InvalidArgumentError(f"expected a JSON object, found {type(data).__name__}")
        if data.get("schema") != SCHEMA:
            raise InvalidArgumentError(f"schema: expected {SCHEMA}, found {data.get('schema')!r}")
        reference = _reference(_get(data, "reference", str))
        novelty = _get(data, "novelty", dict)
        accepted = data.get("accepted_references", [])
        if not isinstance(accepted, list):
            raise InvalidArgumentError(f"accepted_references: expected a list, found {accepted!r}")
        return cls(
            instrument=_get(data, "instrument", str),
            version=_get(data, "version", str),
            digest=_get(data, "digest", str),
            wavelength=_numbers(data, "wavelength"),
            reference=reference,
            log_tau=_numbers(data, "log_tau"),
            quantities=_names(data, "quantities"),
            scalars=_names(data, "scalars"),
            novelty_threshold=float(_get(novelty, "threshold", (int, float))),
            accepted_references=tuple(_reference(name) for name in accepted),
            title=str(data.get("title", "")),
            licence=str(data.get("licence", "")),
            novelty_method=str(novelty.get("method", "")),
            sections={name: data[name] for name in _DESCRIPTIVE if name in data},
        )

    def to_json(self) -> str:
        """The card as JSON text; `from_json` gives the same card back."""
        data = {
            "schema": SCHEMA,
            "title": self.title,
            "instrument": self.instrument,
            "version": self.version,
            "digest": self.digest,
            "licence": self.licence,
            "reference": self.reference.value,
            "accepted_references": [reference.value for reference in self.accepted_references],
            "log_tau": self.log_tau.tolist(),
            "quantities": list(self.quantities),
            "units": {name: STRATIFIED[name] for name in self.quantities}
            | {name: SCALAR[name] for name in self.scalars},
            "scalars": list(self.scalars),
            "novelty": {"threshold": self.novelty_threshold, "method": self.novelty_method},
            **self.sections,
            "wavelength_unit": "angstrom (air)",
            "wavelength": self.wavelength.tolist(),
        }
        return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _get(data: Mapping[str, Any], key: str, kind: type | tuple[type, ...]) -> Any:
    if key not in data:
        raise InvalidArgumentError(f"{key}: missing")
    value = data[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InvalidArgumentError(f"{key}: found {type(value).__name__} {str(value)[:40]!r}")
    return value


def _numbers(data: Mapping[str, Any], key: str) -> Floats:
    values = _get(data, key, list)
    if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        raise InvalidArgumentError(f"{key}: expected a list of numbers")
    return np.array(values, dtype=np.float64)


def _names(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = _get(data, key, list)
    if not all(isinstance(value, str) for value in values):
        raise InvalidArgumentError(f"{key}: expected a list of names")
    return tuple(values)


def _reference(name: Any) -> ContinuumReference:
    try:
        return ContinuumReference(name)
    except ValueError:
        known = ", ".join(reference.value for reference in ContinuumReference)
        raise InvalidArgumentError(f"reference: expected one of {known}, found {name!r}") from None
