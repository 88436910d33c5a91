"""Training: from a set of spectra and atmospheres to a model of the repository.

Read and check the set → hold parts of it out → measure what the graph needs → train (`fitting`) → calibrate
the errors on the validation part → export, compare, describe by the test part → put it into the repository.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from dataclasses import replace as dataclass_replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference import description
from stokeswarm.inference import novelty as novelties
from stokeswarm.inference.axes import split_regions
from stokeswarm.inference.calibration import UNKNOWN_AZIMUTH, Calibration
from stokeswarm.inference.card import Card, check_name, check_version
from stokeswarm.inference.checkpoint import Progress, WorkFolder
from stokeswarm.inference.dataset import MIN_PROFILES, QUANTITIES, TrainingSet
from stokeswarm.inference.export import check_free, check_parity, to_onnx, write_model
from stokeswarm.inference.features import N_FEATURE, Projection
from stokeswarm.inference.fitting import Part, fit, predict, prepare_tensorflow
from stokeswarm.inference.frame import Frame
from stokeswarm.inference.holdout import Holdout, hold_out
from stokeswarm.inference.network import Ingredients, Network, build, finish
from stokeswarm.inference.normalisation import Normalisation
from stokeswarm.inference.reading import load
from stokeswarm.inference.session import Output, Session, SessionOptions
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.targets import Scaling

Float32s = npt.NDArray[np.float32]

#: profiles on which Keras and ONNX Runtime are compared
_PARITY_PROFILES: Final = 512
#: values (profiles times samples) from which the graph's statistics are measured, at most
_SAMPLE_VALUES: Final = 40_000_000
#: streams of random numbers: the fixed noise of the held-out parts
_HELD_OUT_STREAM: Final = 2
#: a folder of the repository that no server looks into
WORK: Final = ".training"


def train(
    dataset: str | Path,
    output: Path,
    instrument: str,
    version: str,
    settings: TrainSettings,
    *,
    also_accept: tuple[ContinuumReference, ...] = (),
    licence: str = "BSD-3-Clause",
    replace: bool = False,
    resume: bool = False,
    one_class: bool = False,
    work: Path | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Train a network and put it into a repository.

    Parameters
    ----------
    dataset : path or URL
        See `reading`.
    output : Path
        Root of the model repository.
    instrument, version : str
    settings : TrainSettings
    also_accept : tuple of ContinuumReference
        Further normalisations that requests may have.
    licence : str
    replace : bool
        Replace a model that is there, and forget an unfinished training.
    resume : bool
        Go on with an unfinished training.
    one_class : bool
        The training set is meant to hold one class of atmospheres.
    work : Path, optional
        Folder of the checkpoints; `WORK` in the repository by default.
    report : callable (str) -> object
        Gets a line at every epoch.

    Returns
    -------
    Path
        The model's folder.

    Raises
    ------
    NotFoundError
        There is no training set.
    InvalidArgumentError
        The training set cannot be learnt from, or the unfinished training is another one; the message says
        why.
    OutputExistsError
        The model exists, or an unfinished training of it.
    FailedPreconditionError
        TensorFlow, tf2onnx or onnx is not installed, or training diverged.
    DataLossError
        The exported model does not answer as the trained one.
    """
    check_name(instrument)
    check_version(version)
    check_free(output, instrument, version, replace_existing=replace)
    data = load(dataset, one_class=one_class)
    data.check_instrument(instrument)
    parts = hold_out(len(data), data.region, settings.validation, settings.seed)
    training, validation, test = take_parts(data, parts, settings)
    identity = {"instrument": instrument, "version": version, "training set": data.digest, **asdict(settings)}
    folder = WorkFolder(work or output / WORK / f"{instrument}-{version}", identity)
    progress = folder.open(resume=resume, begin_anew=replace)
    prepare_tensorflow(settings)
    report(
        f"{dataset}: {len(data)} profiles of {data.wavelength.size} samples; {len(training)} to train on, "
        f"{len(validation)} to validate, {len(test)} to test "
        f"({'by region' if parts.by_region else 'at random'})"
    )
    ingredients = measure(data, training, validation, settings)
    network = build(ingredients, settings)
    report(
        f"network {settings.architecture!r} of {network.trained.count_params()} parameters; "
        f"work in {folder.path}"
    )
    progress = fit(
        network.trained,
        training,
        validation,
        ingredients.scaling,
        data.noise,
        settings,
        folder,
        progress,
        report,
    )
    served, n_feature = _served(network, ingredients.scaling, training, validation, data, settings)
    trained = _Trained(data, parts, settings, training, validation, test, ingredients, progress)
    card, model, expected = _exported(trained, served, n_feature, instrument, version, licence, also_accept)
    few = {name: values[:_PARITY_PROFILES] for name, values in expected.arrays().items()}
    parity = check_parity(Output(**few), model, card, validation.stokes[:_PARITY_PROFILES])
    card = _described(trained, card, model, int(network.trained.count_params()), parity)
    placed = write_model(output, card, model, replace_existing=replace)
    folder.finish()
    report(f"{placed}: {len(model) / 2**20:.2f} MiB, ONNX Runtime − Keras {parity:.1g}")
    for name in (*QUANTITIES, *data.scalars):
        report(f"  {name:16s} rms at log τ {list(settings.log_tau)}: {card.sections['metrics'][name]['rms']}")
    return placed


@dataclass(frozen=True, slots=True)
class _Trained:
    """What a card tells of: see the functions that made each."""

    data: TrainingSet
    parts: Holdout
    settings: TrainSettings
    training: Part
    validation: Part
    test: Part
    ingredients: Ingredients
    progress: Progress


def _exported(
    trained: _Trained,
    served: Any,
    n_feature: int,
    instrument: str,
    version: str,
    licence: str,
    also_accept: tuple[ContinuumReference, ...],
) -> tuple[Card, bytes, Output]:
    """A card without descriptions, the ONNX file, and Keras's answer to the validation part."""
    expected = Output(*predict(served, trained.validation.stokes))
    card = Card(
        instrument=instrument,
        version=version,
        digest="0" * 64,
        wavelength=trained.data.wavelength,
        reference=trained.data.reference,
        log_tau=np.array(trained.settings.log_tau),
        quantities=QUANTITIES,
        scalars=tuple(trained.data.scalars),
        novelty_threshold=float(np.quantile(expected.novelty, novelties.QUANTILE)),
        accepted_references=also_accept,
        title=f"Starts for Stokes inversion: {instrument}",
        licence=licence,
        novelty_method=novelties.METHOD,
    )
    return card, to_onnx(served, card, n_feature), expected


def _described(trained: _Trained, card: Card, model: bytes, parameters: int, parity: float) -> Card:
    """The card with its descriptions, as ONNX Runtime answers."""
    session = Session(model, card, SessionOptions())
    validation, test = ((session.run(part.stokes), part) for part in (trained.validation, trained.test))
    data, settings = trained.data, trained.settings
    metrics = description.metrics_section(*test)
    novel = float(np.mean(test[0].novelty > card.novelty_threshold))
    worst = {name: min(metrics[name]["pearson"]) for name in (*QUANTITIES, *data.scalars)}
    sections = {
        "limits": description.limits_section(data, trained.training, settings, novel, worst),
        "normalisation": description.normalisation_section(trained.ingredients.normalisation),
        "network": description.network_section(settings, parameters, parity),
        "training": description.training_section(data, trained.parts, settings, trained.progress),
        "ranges": description.ranges_section(trained.training, data),
        "metrics": {**metrics, "novel": novel},
        "calibration": description.calibration_section(validation, test),
    }
    return dataclass_replace(card, sections=sections)


def take_parts(data: TrainingSet, parts: Holdout, settings: TrainSettings) -> tuple[Part, Part, Part]:
    """Training, validation and test part; the latter two with their noise.

    Raises
    ------
    InvalidArgumentError
        The nodes lie outside the set's depths.
    """
    whole = Part(data.stokes, data.at_nodes(settings.log_tau), dict(data.scalars))
    generator = np.random.default_rng([settings.seed, _HELD_OUT_STREAM])
    validation, test = (
        whole.take(rows).augmented(settings, data.noise, generator) for rows in (parts.validation, parts.test)
    )
    return whole.take(parts.training), validation, test


def measure(data: TrainingSet, training: Part, validation: Part, settings: TrainSettings) -> Ingredients:
    """What the graph must know of the training set."""
    generator = np.random.default_rng([settings.seed, _HELD_OUT_STREAM, 1])
    few = _few(data.wavelength.size)
    sample = training.take(few).augmented(settings, data.noise, generator).stokes
    frame = Frame.fit(sample)
    held_out = validation.stokes[few]
    if settings.oriented:
        sample, held_out = frame.turn(sample).stokes, frame.turn(held_out).stokes
    normalisation = Normalisation.fit(sample, tuple(split_regions(data.wavelength)))
    basis = novelties.fit(
        _flat(normalisation.views(sample)),
        _flat(normalisation.views(held_out)),
        sample[0].size,
        normalisation.line,
    )
    return Ingredients(frame, normalisation, Scaling.fit(training.quantities, training.scalars), basis)


def _few(n_wavelength: int) -> slice:
    """As many first profiles as statistics need and memory holds; parts are in the seed's order."""
    return slice(min(novelties.MAX_PROFILES, max(MIN_PROFILES, _SAMPLE_VALUES // (4 * n_wavelength))))


def _served(
    network: Network,
    scaling: Scaling,
    training: Part,
    validation: Part,
    data: TrainingSet,
    settings: TrainSettings,
) -> tuple[Any, int]:
    """The network with calibrated errors and projected features, and their number."""
    generator = np.random.default_rng([settings.seed, _HELD_OUT_STREAM, 2])
    few = _few(data.wavelength.size)
    sample = training.take(few).augmented(settings, data.noise, generator).stokes
    hidden = predict(network.physical, sample)[4]
    projection = Projection.fit(hidden, N_FEATURE - 1)
    atmosphere, scalars, novelty, log_sigma = predict(network.physical, validation.stokes)[:4]
    n_stratified = atmosphere[0].size
    sigma = np.exp(log_sigma)
    raw = Output(
        atmosphere,
        scalars,
        novelty,
        sigma[:, :n_stratified].reshape(atmosphere.shape),
        sigma[:, n_stratified:],
    )
    largest = np.full(sigma.shape[1], np.inf)
    azimuth = QUANTITIES.index("azimuth") * scaling.n_node
    largest[azimuth : azimuth + scaling.n_node] = UNKNOWN_AZIMUTH
    calibration = Calibration.fit(*description.errors(raw, validation), largest)
    return finish(network, calibration, projection, scaling), projection.matrix.shape[1] + 1


def _flat(profiles: Float32s) -> Float32s:
    return profiles.reshape(profiles.shape[0], -1)
