"""What a model card says of a network: its making, its ranges, how good it is and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED
from stokeswarm.inference.architectures import KERNELS, POOL
from stokeswarm.inference.augment import NOISE_RANGE
from stokeswarm.inference.calibration import SHARE, coverage, coverage_by_size
from stokeswarm.inference.checkpoint import Progress
from stokeswarm.inference.dataset import QUANTITIES, TrainingSet
from stokeswarm.inference.fitting import Part
from stokeswarm.inference.holdout import Holdout
from stokeswarm.inference.metrics import MIN_FIELD, MIN_TRANSVERSE, difference, rounded, score
from stokeswarm.inference.normalisation import SOFTENING, Normalisation
from stokeswarm.inference.session import Output
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.targets import HALF_WEIGHT

Float32s = npt.NDArray[np.float32]

ORIGIN: Final = {
    "paper": "Gafeira et al. 2021, A&A 651, A31",
    "stokeswarm": "residual dense trunk over principal components, samples and convolutions",
}


def errors(output: Output, truth: Part) -> tuple[Float32s, Float32s]:
    """Absolute errors and predicted ones, (n, quantities · nodes + scalars) each.

    Parameters
    ----------
    output : Output
        With its errors.
    truth : Part
    """
    n_profile = len(truth)
    off = [
        np.abs(difference(name, output.atmosphere[:, number], truth.quantities[name]))
        for number, name in enumerate(QUANTITIES)
    ]
    off += [
        np.abs(output.scalars[:, number, None] - values[:, None])
        for number, values in enumerate(truth.scalars.values())
    ]
    predicted = (output.error, output.scalars_error)
    sigma = [values.reshape(n_profile, -1) for values in predicted if values is not None]
    return np.concatenate(off, axis=1, dtype=np.float32), np.concatenate(sigma, axis=1)


def by_name(values: npt.NDArray[Any], n_node: int, scalars: tuple[str, ...]) -> dict[str, list[float]]:
    """A row (quantities · nodes + scalars) as a list for each name."""
    rows = {name: values[i * n_node : (i + 1) * n_node] for i, name in enumerate(QUANTITIES)}
    first = len(QUANTITIES) * n_node
    rows |= {name: values[first + i : first + i + 1] for i, name in enumerate(scalars)}
    return {name: rounded(row) for name, row in rows.items()}


def network_section(settings: TrainSettings, parameters: int, parity: float) -> dict[str, Any]:
    """What the network is made of."""
    shape: dict[str, Any] = {"kernels": list(KERNELS), "pooling": POOL}
    if settings.architecture != "paper":
        shape = {"width": settings.width, "blocks": settings.blocks}
    return {
        "name": settings.architecture,
        "architecture": ORIGIN[settings.architecture],
        **shape,
        "filters": settings.filters,
        "own_frame": settings.oriented,
        "parameters": parameters,
        "half_weight_field_G": dict(HALF_WEIGHT),
        "onnx_minus_keras": float(f"{parity:.2g}"),
    }


def normalisation_section(normalisation: Normalisation) -> dict[str, Any]:
    """How profiles are brought to order one."""
    return {
        "intensity": "minus the training mean at each wavelength, over one scale",
        "polarisation": f"arsinh(x / {SOFTENING:g}), over one scale for Q and U and one for V",
        "scale": [float(f"{value:.6g}") for value in normalisation.scale],
        "regions": [[region.start, region.stop] for region in normalisation.regions],
    }


def training_section(
    data: TrainingSet, parts: Holdout, settings: TrainSettings, progress: Progress
) -> dict[str, Any]:
    """What was learnt from, and how."""
    symmetries = "rotation about the line of sight; mirror (U, V, inclination, azimuth)"
    classes = {}
    if data.classes is not None:
        for number, count in zip(*np.unique(data.classes, return_counts=True), strict=True):
            known = 0 <= number < len(data.class_names)
            classes[data.class_names[number] if known else str(number)] = int(count)
    return {
        "profiles": int(parts.training.size),
        "validation_profiles": int(parts.validation.size),
        "test_profiles": int(parts.test.size),
        "held_out": "whole regions" if parts.by_region else "profiles, at random",
        "classes": classes,
        "digest": data.digest,
        "recipe": dict(data.recipe),
        "settings": {**asdict(settings), "log_tau": list(settings.log_tau)},
        "noise_in_data": data.noise,
        "noise_range": list(NOISE_RANGE),
        "symmetries": symmetries if settings.symmetries else "none",
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "minutes": float(f"{progress.seconds / 60:.3g}"),
        "validation_loss": rounded([epoch.validation for epoch in progress.history]),
    }


def ranges_section(training: Part, data: TrainingSet) -> dict[str, list[float]]:
    """Extremes of what was trained on."""
    arrays: dict[str, npt.NDArray[Any]] = {**training.quantities, **training.scalars}
    if data.mu is not None:
        arrays["mu"] = data.mu
    return {
        name: [float(f"{values.min():.6g}"), float(f"{values.max():.6g}")] for name, values in arrays.items()
    }


def metrics_section(output: Output, test: Part) -> dict[str, Any]:
    """Errors on the test part."""
    found: dict[str, Float32s] = {name: output.atmosphere[:, i] for i, name in enumerate(QUANTITIES)}
    found |= {name: output.scalars[:, i] for i, name in enumerate(test.scalars)}
    metrics = score(found, {**test.quantities, **test.scalars})
    off, sigma = errors(output, test)
    share = by_name(coverage(off, sigma), len(test.quantities["velocity"][0]), tuple(test.scalars))
    mean = by_name(np.median(sigma, axis=0), len(test.quantities["velocity"][0]), tuple(test.scalars))
    for name, values in metrics.items():
        values["within_1_sigma"] = share[name]
        values["median_sigma"] = mean[name]
    return {"set": "test, noisy", **metrics}


def calibration_section(validation: tuple[Output, Part], test: tuple[Output, Part]) -> dict[str, Any]:
    """How often the truth lies within the predicted error, where it was calibrated and where it was not."""
    part = test[1]
    n_node, scalars = part.quantities["velocity"].shape[1], tuple(part.scalars)
    here, there = errors(*validation), errors(*test)
    sizes = coverage_by_size(*there)
    return {
        "target": SHARE,
        "method": "sigma times a factor that depends on its size, for each quantity and node",
        "calibrated_on": {"set": "validation", **by_name(coverage(*here), n_node, scalars)},
        "measured_on": {"set": "test", **by_name(coverage(*there), n_node, scalars)},
        "measured_by_size": {
            name: by_name(row, n_node, scalars)
            for name, row in zip(("smallest third", "middle third", "largest third"), sizes, strict=True)
        },
    }


def limits_section(
    data: TrainingSet, training: Part, settings: TrainSettings, novel: float, worst: Mapping[str, float]
) -> list[str]:
    """The limits of validity, in sentences.

    Parameters
    ----------
    data : TrainingSet
    training : Part
    settings : TrainSettings
    novel : float
        Share of the test part that is called novel.
    worst : mapping
        Quantity → correlation with the truth at its worst node.
    """
    low, high = (settings.noise * factor for factor in NOISE_RANGE)
    ranges = {
        name: f"{v.min():.4g} to {v.max():.4g} {STRATIFIED[name]}" for name, v in training.quantities.items()
    }
    ranges |= {name: f"{v.min():.4g} to {v.max():.4g} {SCALAR[name]}" for name, v in training.scalars.items()}
    places = [f"{data.wavelength[0]:.3f}–{data.wavelength[-1]:.3f} Å, {data.wavelength.size} samples"]
    if data.mu is not None:
        places.append(f"mu {data.mu.min():.2f} to {data.mu.max():.2f}")
    elif "mu" in data.recipe:
        places.append(f"mu {data.recipe['mu']}")
    lost = [name for name, value in worst.items() if value < 0.5]
    sentences = [
        f"Trained on {'; '.join(places)}; divided by {data.reference.value}. "
        "Elsewhere the answer means nothing.",
        "Atmospheres outside these ranges are answered with their edge: "
        + ", ".join(f"{name} {text}".rstrip() for name, text in ranges.items())
        + ".",
        f"Noise between {low:.2g} and {high:.2g} of the continuum. With more of it the predicted errors are "
        "too small; with less they are too large.",
        f"The direction of the field is judged where B >= {MIN_FIELD:g} G (inclination) or its transverse "
        f"part >= {MIN_TRANSVERSE:g} G (azimuth); below, believe the predicted errors, which approach those "
        "of a guess.",
        "One spectral PSF, one set of line data and the physics of one engine (see the recipe); another "
        "instrument profile or straylight shifts the answer without a word from the novelty score.",
        f"Novelty flags {100 * novel:.2g} % of ordinary profiles. It cannot flag a profile that the training "
        "set might have held, whatever made it.",
        "Predicted errors are calibrated on profiles like the training set's; where a profile is novel they "
        "mean nothing.",
    ]
    if lost:
        sentences.append(
            f"At some depth the profiles hardly know of: {', '.join(lost)} (correlation below 0.5)."
        )
    if not settings.symmetries:
        sentences.append(
            "The symmetries were not taught: other azimuths and polarities than the set's are novel."
        )
    if data.one_class:
        sentences.append("Trained on one class of atmospheres on purpose: everything else is outside.")
    return sentences
