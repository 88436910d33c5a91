"""Training: from a file of spectra and atmospheres to a model of the repository.

The run is reproducible: one seed decides the split, the initial weights, the order, the noise and the
augmentation, and TensorFlow is told to use deterministic kernels.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference import novelty as novelties
from stokeswarm.inference.augment import NOISE_RANGE, add_noise, mirror, rotate
from stokeswarm.inference.card import Card, check_name, check_version
from stokeswarm.inference.dataset import QUANTITIES, TrainingSet
from stokeswarm.inference.export import check_free, check_parity, to_onnx, write_model
from stokeswarm.inference.metrics import score
from stokeswarm.inference.network import KERNELS, SOFTENING, Normalisation, build
from stokeswarm.inference.session import Output, Session, SessionOptions
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.targets import HALF_WEIGHT, Scaling, encode

Float32s = npt.NDArray[np.float32]

#: profiles on which Keras and ONNX Runtime are compared
_PARITY_PROFILES: Final = 512
_PREDICT_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Part:
    """Profiles and their atmospheres at the nodes: a training or validation set.

    Attributes
    ----------
    stokes : ndarray (n, 4, n_wavelength) float32
    quantities : dict of ndarray (n, n_node) float32
    macroturbulence : ndarray (n,) float32
    """

    stokes: Float32s
    quantities: dict[str, Float32s]
    macroturbulence: Float32s

    def augmented(self, noise: float, already: float, generator: np.random.Generator) -> Part:
        """The same profiles, each turned and half of them mirrored at random, with fresh noise."""
        n_profile = self.stokes.shape[0]
        angle = generator.uniform(0.0, 180.0, size=(n_profile,))
        stokes, azimuth = rotate(self.stokes, self.quantities["azimuth"], angle)
        chosen = np.less(generator.random(n_profile), 0.5)
        stokes, inclination, azimuth = mirror(stokes, self.quantities["inclination"], azimuth, chosen)
        turned = {**self.quantities, "inclination": inclination, "azimuth": azimuth}
        return Part(add_noise(stokes, noise, already, generator), turned, self.macroturbulence)


def split(data: TrainingSet, settings: TrainSettings) -> tuple[Part, Part]:
    """Training and validation part of a set, chosen by the seed.

    Raises
    ------
    InvalidArgumentError
        The nodes lie outside the set's depths.
    """
    order = np.random.default_rng(settings.seed).permutation(len(data))
    n_validation = max(1, round(settings.validation * len(data)))
    nodes = data.at_nodes(settings.log_tau)

    def take(rows: npt.NDArray[np.int64]) -> Part:
        quantities = {name: values[rows] for name, values in nodes.items()}
        return Part(data.stokes[rows], quantities, data.macroturbulence[rows])

    return take(order[n_validation:]), take(order[:n_validation])


def train(
    dataset: Path,
    output: Path,
    instrument: str,
    version: str,
    settings: TrainSettings,
    *,
    also_accept: tuple[ContinuumReference, ...] = (),
    licence: str = "BSD-3-Clause",
    replace: bool = False,
    report: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Train a network and put it into a repository.

    Parameters
    ----------
    dataset : Path
        See `dataset`.
    output : Path
        Root of the model repository.
    instrument, version : str
    settings : TrainSettings
    also_accept : tuple of ContinuumReference
        Further normalisations that requests may have.
    licence : str
    replace : bool
        Replace a model that is there.
    report : callable (str) -> object
        Gets a line at every epoch.

    Returns
    -------
    Path
        The model's folder.

    Raises
    ------
    InvalidArgumentError
        The training set cannot be learnt from; the message says why.
    OutputExistsError
        The model exists.
    FailedPreconditionError
        TensorFlow, tf2onnx or onnx is not installed, or training diverged.
    DataLossError
        The exported model does not answer as the trained one.
    """
    check_name(instrument)
    check_version(version)
    check_free(output, instrument, version, replace_existing=replace)
    data = TrainingSet.load(dataset)
    data.check_instrument(instrument)
    already = _noise_of(data)
    _prepare_tensorflow(settings)
    training, validation = split(data, settings)
    report(
        f"{dataset}: {len(data)} profiles of {data.wavelength.size} samples; "
        f"{len(training.stokes)} to train on, {len(validation.stokes)} to validate"
    )
    generator = np.random.default_rng([settings.seed, 1])
    fixed = validation.augmented(settings.noise, already, generator)
    sample = training.augmented(settings.noise, already, generator).stokes
    normalisation = Normalisation.fit(sample)
    scaling = Scaling.fit(training.quantities, training.macroturbulence)
    basis = novelties.fit(_flat(normalisation.apply(sample)), _flat(normalisation.apply(fixed.stokes)))
    trained, served = build(normalisation, scaling, basis, settings)
    report(f"network of {trained.count_params()} parameters")
    history = _fit(trained, training, fixed, scaling, already, settings, generator, report)

    expected = _predict(served, fixed.stokes)
    threshold = float(np.quantile(expected.novelty, novelties.QUANTILE))
    card = Card(
        instrument=instrument,
        version=version,
        digest="0" * 64,
        wavelength=data.wavelength,
        reference=data.reference,
        log_tau=np.array(settings.log_tau),
        quantities=QUANTITIES,
        scalars=("macroturbulence",),
        novelty_threshold=threshold,
        accepted_references=also_accept,
        title=f"Starts for Stokes inversion: {instrument}",
        licence=licence,
        novelty_method=novelties.METHOD,
    )
    model = to_onnx(served, card)
    few = slice(0, _PARITY_PROFILES)
    parity = check_parity(
        Output(expected.atmosphere[few], expected.scalars[few], expected.novelty[few]),
        model,
        card,
        fixed.stokes[few],
    )
    answer = Session(model, card, SessionOptions()).run(fixed.stokes)
    found = {name: answer.atmosphere[:, number] for number, name in enumerate(QUANTITIES)}
    metrics = score(found, fixed.quantities)
    sections = {
        "normalisation": {
            "intensity": "minus the training mean at each wavelength, over one scale",
            "polarisation": f"arsinh(x / {SOFTENING:g}), over one scale for Q and U and one for V",
            "scale": [float(f"{value:.6g}") for value in normalisation.scale],
        },
        "network": {
            "architecture": "Gafeira et al. 2021, A&A 651, A31",
            "kernels": list(KERNELS),
            "parameters": int(trained.count_params()),
            "half_weight_field_G": dict(HALF_WEIGHT),
            "onnx_minus_keras": float(f"{parity:.2g}"),
        },
        "training": {
            "profiles": len(training.stokes),
            "validation_profiles": len(validation.stokes),
            "recipe": dict(data.recipe),
            "settings": asdict(settings),
            "noise_range": list(NOISE_RANGE),
            "augmentation": "rotation about the line of sight; mirror (U, V, inclination, azimuth)",
            **history,
        },
        "ranges": _ranges(training),
        "metrics": {"set": "validation, noisy", **metrics},
    }
    card = Card(
        **{name: getattr(card, name) for name in card.__slots__ if name != "sections"}, sections=sections
    )
    folder = write_model(output, card, model, replace_existing=replace)
    report(f"{folder}: {len(model) / 2**20:.2f} MiB, ONNX Runtime − Keras {parity:.1g}")
    for name, values in metrics.items():
        report(f"  {name:16s} rms at log τ {list(settings.log_tau)}: {values['rms']}")
    return folder


def _noise_of(data: TrainingSet) -> float:
    """Standard deviation of the noise that the profiles already hold, by their recipe."""
    noise = data.recipe.get("noise", 0.0)
    if isinstance(noise, bool) or not isinstance(noise, (int, float)) or not 0 <= noise < 1:
        raise InvalidArgumentError(f"recipe: noise must be a number in [0, 1), found {noise!r}")
    return float(noise)


def _prepare_tensorflow(settings: TrainSettings) -> None:
    # TensorFlow describes the CPU at length, unless somebody asked for something else.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import keras
        import onnx  # noqa: F401  # before training, not after
        import tensorflow as tf
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise FailedPreconditionError(
            f"training needs TensorFlow, tf2onnx and onnx ({error}); install stokeswarm[train]"
        ) from None
    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(settings.seed)


def _fit(
    network: Any,
    training: Part,
    validation: Part,
    scaling: Scaling,
    already: float,
    settings: TrainSettings,
    generator: np.random.Generator,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Train with fresh augmentation in every epoch, and keep the weights of the best one."""
    import keras

    steps = settings.epochs * -(-len(training.stokes) // settings.batch)
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    network.compile(optimizer=keras.optimizers.Adamax(schedule), loss=_loss)
    check = np.concatenate(encode(validation.quantities, validation.macroturbulence, scaling), axis=1)
    best, best_epoch, weights = np.inf, 0, network.get_weights()
    began, losses = time.monotonic(), []
    for epoch in range(1, settings.epochs + 1):
        part = training.augmented(settings.noise, already, generator)
        target = np.concatenate(encode(part.quantities, part.macroturbulence, scaling), axis=1)
        history = network.fit(part.stokes, target, batch_size=settings.batch, epochs=1, verbose=0)
        loss = float(history.history["loss"][0])
        against = float(network.evaluate(validation.stokes, check, batch_size=_PREDICT_BATCH, verbose=0))
        if not (np.isfinite(loss) and np.isfinite(against)):
            raise FailedPreconditionError(
                f"training diverged in epoch {epoch} (loss {loss}); lower --learning-rate"
            )
        losses.append(float(f"{against:.4g}"))
        if against < best:
            best, best_epoch, weights = against, epoch, network.get_weights()
        minutes = (time.monotonic() - began) / 60
        mark = "*" if best_epoch == epoch else " "
        report(
            f"epoch {epoch:4d}/{settings.epochs}  loss {loss:.5f}  validation {against:.5f}{mark} "
            f" {minutes:.1f} min"
        )
        if epoch - best_epoch >= settings.patience:
            report(f"no progress for {settings.patience} epochs")
            break
        if settings.minutes and minutes >= settings.minutes:
            report(f"{settings.minutes:g} minutes are over")
            break
    network.set_weights(weights)
    return {"epochs": len(losses), "best_epoch": best_epoch, "validation_loss": losses}


def _loss(expected: Any, found: Any) -> Any:
    """Weighted mean square; ``expected`` holds targets and, after them, weights."""
    from keras import ops

    n_output = found.shape[-1]
    return ops.mean(expected[:, n_output:] * ops.square(found - expected[:, :n_output]), axis=-1)


def _predict(served: Any, stokes: Float32s) -> Output:
    atmosphere, scalars, novelty = served.predict(stokes, batch_size=_PREDICT_BATCH, verbose=0)
    return Output(atmosphere, scalars, novelty)


def _flat(profiles: Float32s) -> Float32s:
    return profiles.reshape(profiles.shape[0], -1)


def _ranges(part: Part) -> dict[str, list[float]]:
    arrays = {**part.quantities, "macroturbulence": part.macroturbulence}
    return {
        name: [float(f"{values.min():.6g}"), float(f"{values.max():.6g}")] for name, values in arrays.items()
    }
