"""The epochs of a training: shuffle, augment, step, look at the validation part, keep the state.

Everything random in an epoch comes from a generator of the seed and the epoch's number, and TensorFlow is
told to use deterministic kernels: the same training set, settings and machine give the same network, also
where a training was interrupted and went on.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.inference.augment import add_noise, mirror, rotate
from stokeswarm.inference.checkpoint import Progress, WorkFolder
from stokeswarm.inference.curves import Epoch
from stokeswarm.inference.likelihood import loss as likelihood
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.targets import Scaling, encode

Float32s = npt.NDArray[np.float32]
Report = Callable[[str], None]

#: profiles of one call outside training
PREDICT_BATCH: Final = 256
#: steps in which the learning rate rises to its full value
_WARM_UP: Final = 100
#: streams of random numbers that must not coincide
_EPOCH_STREAM: Final = 1


@dataclass(frozen=True, slots=True)
class Part:
    """Profiles and their atmospheres at the nodes.

    Attributes
    ----------
    stokes : ndarray (n, 4, n_wavelength) float32
    quantities : dict of ndarray (n, n_node) float32
    scalars : dict of ndarray (n,) float32
    """

    stokes: Float32s
    quantities: dict[str, Float32s]
    scalars: dict[str, Float32s]

    def __len__(self) -> int:
        return int(self.stokes.shape[0])

    def take(self, rows: npt.NDArray[np.intp] | slice) -> Part:
        """Some of them."""
        return Part(
            self.stokes[rows],
            {name: values[rows] for name, values in self.quantities.items()},
            {name: values[rows] for name, values in self.scalars.items()},
        )

    def augmented(self, settings: TrainSettings, already: float, generator: np.random.Generator) -> Part:
        """The same profiles with fresh noise, each turned and half of them mirrored at random.

        Parameters
        ----------
        settings : TrainSettings
            Its noise, and whether the symmetries hold.
        already : float
            Noise that the profiles hold, of the continuum.
        generator : Generator
        """
        stokes, quantities = self.stokes, self.quantities
        if settings.symmetries:
            n_profile = len(self)
            angle = generator.uniform(0.0, 180.0, size=(n_profile,))
            stokes, azimuth = rotate(stokes, quantities["azimuth"], angle)
            chosen = np.less(generator.random(n_profile), 0.5)
            stokes, inclination, azimuth = mirror(stokes, quantities["inclination"], azimuth, chosen)
            quantities = {**quantities, "inclination": inclination, "azimuth": azimuth}
        return Part(add_noise(stokes, settings.noise, already, generator), quantities, self.scalars)

    def encoded(self, scaling: Scaling) -> Float32s:
        """Targets and, after them, weights: (n, 2·n_output)."""
        return np.concatenate(encode(self.quantities, self.scalars, scaling), axis=1)


def prepare_tensorflow(settings: TrainSettings) -> None:
    """Load TensorFlow and make it deterministic.

    Raises
    ------
    FailedPreconditionError
        TensorFlow, tf2onnx or onnx is not installed, or TensorFlow runs already with other threads.
    """
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
    try:
        tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise FailedPreconditionError(f"threads: TensorFlow already runs with others: {error}") from None
    tf.config.experimental.enable_op_determinism()
    keras.backend.clear_session()
    keras.utils.set_random_seed(settings.seed)


def predict(model: Any, stokes: Float32s) -> list[Float32s]:
    """Every output of a Keras model, for any number of profiles.

    Parameters
    ----------
    model : keras.Model
    stokes : ndarray (n, 4, n_wavelength) float32
    """
    import tensorflow as tf

    compiled = tf.function(
        lambda profiles: model(profiles, training=False),
        input_signature=[tf.TensorSpec((None, *stokes.shape[1:]), tf.float32)],
    )
    batches = [
        [np.asarray(values) for values in compiled(stokes[first : first + PREDICT_BATCH])]
        for first in range(0, len(stokes), PREDICT_BATCH)
    ]
    return [np.concatenate(values) for values in zip(*batches, strict=True)]


def fit(
    network: Any,
    training: Part,
    validation: Part,
    scaling: Scaling,
    already: float,
    settings: TrainSettings,
    folder: WorkFolder,
    progress: Progress,
    report: Report,
) -> Progress:
    """Train to the end, from wherever ``progress`` stands; the network has the best weights afterwards.

    Parameters
    ----------
    network : keras.Model
        See `network.Network.trained`.
    training : Part
        Without augmentation.
    validation : Part
        With its noise.
    scaling : Scaling
    already : float
        Noise that the training profiles hold.
    settings : TrainSettings
    folder : WorkFolder
    progress : Progress
    report : callable (str) -> object
        Gets a line at every epoch.

    Returns
    -------
    Progress

    Raises
    ------
    FailedPreconditionError
        Training diverged.
    """
    trainer = _Trainer(network, scaling, settings)
    if progress.epoch:
        trainer.restore(progress.state)
        report(f"going on after epoch {progress.epoch}")
    expected = validation.encoded(scaling)
    began = time.monotonic() - progress.seconds
    while (stop := _finished(progress, settings)) is None:
        loss, rate = _epoch(trainer, training, already, settings, progress.epoch, began)
        progress.epoch += 1
        against, minimised = trainer.evaluate(validation.stokes, expected)
        if not (math.isfinite(loss) and math.isfinite(against) and math.isfinite(minimised)):
            raise FailedPreconditionError(
                f"training diverged in epoch {progress.epoch} (loss {loss:g}); lower --learning-rate"
            )
        progress.seconds = time.monotonic() - began
        minutes = progress.seconds / 60
        progress.history.append(Epoch(progress.epoch, loss, against, minimised, rate, minutes))
        if against <= min(epoch.validation for epoch in progress.history):
            progress.best_epoch, progress.best = progress.epoch, network.get_weights()
        progress.state = trainer.state()
        folder.save(progress)
        mark = "*" if progress.best_epoch == progress.epoch else " "
        report(
            f"epoch {progress.epoch:4d}/{settings.epochs}  loss {loss:.5f}  validation {against:.5f}{mark} "
            f" likelihood {minimised:+.4f}  {minutes:.1f} min"
        )
    report(stop)
    network.set_weights(progress.best)
    return progress


def _epoch(
    trainer: _Trainer, training: Part, already: float, settings: TrainSettings, done: int, began: float
) -> tuple[float, float]:
    """Mean loss of an epoch after so many others, and the last learning rate."""
    generator = np.random.default_rng([settings.seed, _EPOCH_STREAM, done + 1])
    batches = np.array_split(generator.permutation(len(training)), math.ceil(len(training) / settings.batch))
    total, seen, rate = 0.0, 0, 0.0
    for step, rows in enumerate(batches):
        seconds = time.monotonic() - began
        if step and settings.minutes and seconds >= 60 * settings.minutes:
            break
        rate = _rate(done + step / len(batches), done * len(batches) + step, seconds, settings)
        part = training.take(rows).augmented(settings, already, generator)
        total += trainer.step(part.stokes, part.encoded(trainer.scaling), rate) * rows.size
        seen += rows.size
    return total / seen, rate


def _finished(progress: Progress, settings: TrainSettings) -> str | None:
    """Why training is over; None while it is not."""
    if progress.epoch >= settings.epochs:
        return f"all {settings.epochs} epochs are done; the best was {progress.best_epoch}"
    if progress.epoch - progress.best_epoch >= settings.patience:
        return f"no progress for {settings.patience} epochs; the best was {progress.best_epoch}"
    if settings.minutes and progress.seconds >= 60 * settings.minutes:
        return f"{settings.minutes:g} minutes are over; the best epoch was {progress.best_epoch}"
    return None


def _rate(epochs: float, step: int, seconds: float, settings: TrainSettings) -> float:
    """The learning rate after so many epochs, steps and seconds: a short rise, then half a cosine to zero."""
    share = epochs / settings.epochs
    if settings.minutes:
        share = max(share, seconds / (60 * settings.minutes))
    rise = min(1.0, (step + 1) / _WARM_UP)
    return settings.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


class _Trainer:
    """Steps of one network, compiled."""

    def __init__(self, network: Any, scaling: Scaling, settings: TrainSettings) -> None:
        import keras
        import tensorflow as tf

        kind = keras.optimizers.Adamax if settings.architecture == "paper" else keras.optimizers.Adam
        optimizer = kind(settings.learning_rate)
        optimizer.build(network.trainable_variables)
        self._network, self._optimizer, self.scaling = network, optimizer, scaling
        n_wavelength = network.inputs[0].shape[2]
        shapes = [
            tf.TensorSpec((None, 4, n_wavelength), tf.float32),
            tf.TensorSpec((None, 2 * scaling.n_output), tf.float32),
        ]

        @tf.function(input_signature=shapes)  # type: ignore[untyped-decorator]
        def step(stokes: Any, expected: Any) -> Any:
            with tf.GradientTape() as tape:
                losses = tf.reduce_mean(
                    likelihood(expected, network(stokes, training=True), scaling, settings.beta), axis=0
                )
                minimised = losses[1]
            gradients = tape.gradient(minimised, network.trainable_variables)
            optimizer.apply(gradients, network.trainable_variables)
            return losses[0]

        @tf.function(input_signature=shapes)  # type: ignore[untyped-decorator]
        def evaluate(stokes: Any, expected: Any) -> Any:
            return tf.reduce_sum(
                likelihood(expected, network(stokes, training=False), scaling, settings.beta), axis=0
            )

        self._step, self._evaluate = step, evaluate

    def step(self, stokes: Float32s, expected: Float32s, rate: float) -> float:
        self._optimizer.learning_rate = rate
        return float(self._step(stokes, expected))

    def evaluate(self, stokes: Float32s, expected: Float32s) -> tuple[float, float]:
        """Mean square error and minimised loss."""
        total = np.zeros(2)
        for first in range(0, len(stokes), PREDICT_BATCH):
            rows = slice(first, first + PREDICT_BATCH)
            total += np.asarray(self._evaluate(stokes[rows], expected[rows]), dtype=np.float64)
        square, minimised = (total / len(stokes)).tolist()
        return square, minimised

    def state(self) -> list[npt.NDArray[Any]]:
        return [np.array(variable.numpy()) for variable in self._variables()]

    def restore(self, state: list[npt.NDArray[Any]]) -> None:
        for variable, values in zip(self._variables(), state, strict=True):
            variable.assign(values)

    def _variables(self) -> list[Any]:
        # Not `weights`: the seeds of the dropout layers belong to the state, too.
        return [*self._network.variables, *self._optimizer.variables]
