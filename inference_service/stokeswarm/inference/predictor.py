"""The transport-free core of the service: from spectra to guessed atmospheres, for every model on offer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    SpectraError,
)
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import MAX_PIXELS
from stokeswarm.contract.spectra import MAX_INTENSITY, STOKES, Spectra, invalid_reason
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inference.axes import match
from stokeswarm.inference.card import DEFAULT_SCALARS, Card
from stokeswarm.inference.repository import Entry, ModelError, Repository
from stokeswarm.inference.session import Output, Session, SessionOptions

Float32s = npt.NDArray[np.float32]

_EMPTY: Final = np.empty(0)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the repository and, where it works, its session.

    Attributes
    ----------
    entry : Entry
    session : Session or None
    problem : str
        Why there is no session.
    """

    entry: Entry
    session: Session | None
    problem: str

    def info(self) -> ModelInfo:
        """What callers learn of it."""
        card = self.entry.card
        return ModelInfo(
            name=self.entry.name,
            version=self.entry.version,
            digest="" if card is None else card.digest,
            provider="" if self.session is None else self.session.provider,
            ready=self.session is not None,
            message=self.problem,
            wavelength=_EMPTY if card is None else card.wavelength,
            log_tau=_EMPTY if card is None else card.log_tau,
            quantities=() if card is None else (*card.quantities, *card.scalars),
            # The wire demands one; a model without a card takes no request anyway.
            reference=ContinuumReference.LOCAL_QUIET_SUN if card is None else card.reference,
            novelty_threshold=0.0 if card is None else card.novelty_threshold,
            card="{}" if card is None else card.to_json(),
        )


def _never() -> bool:
    return False


class Predictor:
    """Every model of a repository, loaded and warm; thread-safe.

    Parameters
    ----------
    repository : Repository
    options : SessionOptions

    Raises
    ------
    FailedPreconditionError
        A GPU is required and a model does not run on one. (A broken model raises nothing: it is listed
        as not ready.)
    """

    def __init__(self, repository: Repository, options: SessionOptions | None = None) -> None:
        self.models = tuple(_load(entry, options or SessionOptions()) for entry in repository.entries)

    def find(self, name: str, version: str = "") -> Model:
        """A model by name; without a version the newest one that works (the newest, if none does).

        Raises
        ------
        NotFoundError
            Unknown name or version.
        """
        versions = [model for model in self.models if model.entry.name == name]
        if not versions:
            names = sorted({model.entry.name for model in self.models})
            raise NotFoundError(f"model {name!r} is unknown; there are: {', '.join(names) or 'none'}")
        if not version:
            return next((m for m in reversed(versions) if m.session is not None), versions[-1])
        for model in versions:
            if model.entry.version == version:
                return model
        known = ", ".join(model.entry.version for model in versions)
        raise NotFoundError(f"model {name!r} has no version {version!r}; there are: {known}")

    def predict(
        self,
        name: str,
        version: str,
        spectra: Spectra,
        cancelled: Callable[[], bool] = _never,
        *,
        features: bool = False,
    ) -> Prediction:
        """Guess the atmospheres of some spectra.

        Parameters
        ----------
        name, version : str
            An empty version is the newest.
        spectra : Spectra
            n pixels. Weights play no part: a network cannot leave a sample out, so a sample to be ignored
            must be NaN, and its pixel gets no guess.
        cancelled : callable () -> bool
        features : bool
            Also return the network's features.

        Returns
        -------
        Prediction
            One guess, status and message a pixel; NaN where the status is INVALID_INPUT. Its error is there
            where the model predicts one (NaN in what the model does not), its features where they were asked
            for and the model has any.

        Raises
        ------
        NotFoundError
            No such model.
        ModelError
            It is not ready.
        SpectraError
            The axis or the continuum reference is not what the model was trained on.
        CancelledByCallerError
        """
        model = self.find(name, version)
        card, session = model.entry.card, model.session
        label = f"{model.entry.name}/{model.entry.version}"
        if session is None or card is None:
            raise ModelError(f"model {label} is not ready: {model.problem}")
        if len(spectra) > MAX_PIXELS:
            raise InvalidArgumentError(f"spectra: {len(spectra)} pixels in one request, at most {MAX_PIXELS}")
        _check_reference(spectra.reference, card, label)
        profiles = match(spectra.wavelength, card.wavelength, label).apply(spectra.stokes)
        message = [""] * len(spectra)
        for row in np.flatnonzero(_suspect(profiles)):
            message[row] = _reason(profiles[row], card)
        valid = np.array([not text for text in message], dtype=bool)
        output = session.run(profiles[valid], cancelled, features=features)
        usable = _finite(output)
        rows = np.flatnonzero(valid)
        for row in rows[~usable]:
            message[row] = f"model {label} has no finite answer to this profile"
        valid[rows[~usable]] = False
        part = _Part(card, len(spectra), np.flatnonzero(valid), usable)
        return Prediction(
            model=model.entry.name,
            version=model.entry.version,
            digest=card.digest,
            atmosphere=part.atmosphere(output.atmosphere, output.scalars, DEFAULT_SCALARS),
            novelty=part.column(output.novelty / np.float32(card.novelty_threshold)),
            status=tuple(Status.OK if good else Status.INVALID_INPUT for good in valid),
            message=tuple(message),
            error=part.error(output),
            features=None if output.features is None else part.column(output.features),
        )


def _load(entry: Entry, options: SessionOptions) -> Model:
    if entry.card is None or entry.problem:
        return Model(entry, None, entry.problem)
    try:
        session = Session(entry.read_model(), entry.card, options)
    except ModelError as error:
        _LOG.warning("model %s/%s: %s", entry.name, entry.version, error)
        return Model(entry, None, str(error))
    except FailedPreconditionError as error:
        raise FailedPreconditionError(f"model {entry.name}/{entry.version}: {error}") from None
    _LOG.info("model %s/%s: ready on %s", entry.name, entry.version, session.provider)
    return Model(entry, session, "")


def _check_reference(reference: ContinuumReference, card: Card, label: str) -> None:
    if reference not in card.accepted_references:
        accepted = " or ".join(accepted.value for accepted in card.accepted_references)
        raise SpectraError(
            f"continuum reference: model {label} reads profiles divided by {accepted}, "
            f"found {reference.value}; normalise the observation so, or train a model for it"
        )


def _suspect(profiles: Float32s) -> npt.NDArray[np.bool_]:
    """Which profiles (n, 4, n_wavelength) need a closer look: all at once, for most tiles hold none."""
    brightest = profiles[:, 0].max(axis=1)
    ordinary: npt.NDArray[np.bool_] = (
        np.isfinite(profiles).all(axis=(1, 2)) & (brightest > 0) & (brightest <= MAX_INTENSITY)
    )
    return ~ordinary


def _reason(profile: Float32s, card: Card) -> str:
    """Why the network gets no such profile (4, n_wavelength); empty where it may."""
    reason = invalid_reason(profile)
    if reason:
        return reason
    missing = ~np.isfinite(profile)
    if missing.any():
        stokes, sample = np.argwhere(missing)[0]
        return (
            f"{int(missing.sum())} samples that the network reads are missing, the first in Stokes "
            f"{STOKES[stokes]} at {card.wavelength[sample]:.4f} Å; a network cannot leave one out"
        )
    return ""


def _finite(output: Output) -> npt.NDArray[np.bool_]:
    """Of which pixels every number is finite."""
    finite = np.ones(len(output.novelty), dtype=bool)
    for values in output.arrays().values():
        finite &= np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    return finite


@dataclass(frozen=True, slots=True)
class _Part:
    """Where the answered pixels lie among all; NaN elsewhere.

    Attributes
    ----------
    card : Card
    n_pixel : int
        All.
    rows : ndarray of intp
        The answered ones among all.
    usable : ndarray of bool
        The answered ones among those that the network saw.
    """

    card: Card
    n_pixel: int
    rows: npt.NDArray[np.intp]
    usable: npt.NDArray[np.bool_]

    def column(self, values: Float32s) -> Float32s:
        """Numbers of the network (k, …) → of all pixels (n, …), float32."""
        result = np.full((self.n_pixel, *values.shape[1:]), np.nan, np.float32)
        result[self.rows] = values[self.usable]
        return result

    def atmosphere(self, stratified: Float32s, scalars: Float32s, default: Mapping[str, float]) -> Atmosphere:
        """Numbers of the network → an atmosphere of all pixels.

        Parameters
        ----------
        stratified : ndarray (k, n_quantity, n_node) float32
        scalars : ndarray (k, n_scalar) float32
        default : mapping
            Value of a scalar that the network does not return.
        """
        arrays: dict[str, npt.NDArray[np.float64]] = {
            name: self.column(stratified[:, number]).astype(np.float64)
            for number, name in enumerate(self.card.quantities)
        }
        for name, value in default.items():
            arrays[name] = np.full(self.n_pixel, np.nan)
            arrays[name][self.rows] = (
                scalars[self.usable, self.card.scalars.index(name)] if name in self.card.scalars else value
            )
        return Atmosphere(log_tau=self.card.log_tau, **arrays)

    def error(self, output: Output) -> Atmosphere | None:
        """Predicted errors of all pixels, None where the network predicts none."""
        if output.error is None:
            return None
        scalars = output.scalars if output.scalars_error is None else output.scalars_error
        return self.atmosphere(output.error, scalars, dict.fromkeys(DEFAULT_SCALARS, np.nan))
