"""Contract objects ⇄ protobuf messages. Decoding validates everything: the other end is untrusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stokeswarm.contract import plan as plans
from stokeswarm.contract.arrays import from_array, optional_array, to_array
from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.v1 import common_pb2 as pb

_REFERENCE = {
    ContinuumReference.LOCAL_QUIET_SUN: pb.CONTINUUM_REFERENCE_LOCAL_QUIET_SUN,
    ContinuumReference.DISC_CENTRE: pb.CONTINUUM_REFERENCE_DISC_CENTRE,
}
_REFERENCE_BACK = {value: key for key, value in _REFERENCE.items()}


def reference_to_proto(reference: ContinuumReference) -> pb.ContinuumReference:
    """Continuum reference → enum number."""
    return _REFERENCE[reference]


def reference_from_proto(value: int) -> ContinuumReference:
    """Enum number → continuum reference.

    Raises
    ------
    InvalidArgumentError
        Not set or unknown: a normalisation must be named.
    """
    for number, reference in _REFERENCE_BACK.items():
        if number == value:
            return reference
    raise InvalidArgumentError(
        f"continuum reference: expected local-quiet-sun or disc-centre, found number {value}"
    )


def status_to_proto(status: Sequence[Status]) -> list[Any]:
    """Statuses → enum numbers."""
    return [int(s) for s in status]


def status_from_proto(values: Sequence[int]) -> tuple[Status, ...]:
    """Enum numbers → statuses.

    Raises
    ------
    InvalidArgumentError
        A number is not a status.
    """
    try:
        return tuple(Status(value) for value in values)
    except ValueError as error:
        raise InvalidArgumentError(f"pixel status: {error}") from None


def spectra_to_proto(spectra: Spectra) -> pb.Spectra:
    """Spectra → message."""
    return pb.Spectra(
        wavelength=to_array(spectra.wavelength),
        stokes=to_array(spectra.stokes),
        reference=_REFERENCE[spectra.reference],
        weights=None if spectra.weights is None else to_array(spectra.weights),
    )


def spectra_from_proto(message: pb.Spectra) -> Spectra:
    """Message → spectra.

    Raises
    ------
    InvalidArgumentError
        An array is damaged or not what the contract says.
    """
    wavelength = from_array(message.wavelength, "wavelength", dtype=np.float64, shape=(None,))
    if wavelength.size > plans.MAX_WAVELENGTHS:
        raise InvalidArgumentError(f"wavelength: {wavelength.size} samples, at most {plans.MAX_WAVELENGTHS}")
    shape = (None, 4, wavelength.size)
    return Spectra(
        wavelength=wavelength,
        stokes=from_array(message.stokes, "stokes", dtype=np.float32, shape=shape),
        reference=reference_from_proto(message.reference),
        weights=optional_array(message.weights, "weights", dtype=np.float32, shape=shape[1:]),
    )


def atmosphere_to_proto(atmosphere: Atmosphere) -> pb.Atmosphere:
    """Atmosphere → message."""
    arrays = {name: to_array(values) for name, values in atmosphere.arrays().items()}
    return pb.Atmosphere(log_tau=to_array(atmosphere.log_tau), **arrays)


def atmosphere_from_proto(message: pb.Atmosphere, name: str = "atmosphere") -> Atmosphere:
    """Message → atmosphere.

    Raises
    ------
    InvalidArgumentError
        An array is damaged, has another dtype than float64, or its shape disagrees.
    """
    log_tau = from_array(message.log_tau, f"{name}.log_tau", dtype=np.float64, shape=(None,))
    if log_tau.size > plans.MAX_DEPTHS:
        raise InvalidArgumentError(f"{name}.log_tau: {log_tau.size} depths, at most {plans.MAX_DEPTHS}")
    arrays = {}
    for field, rank in [*((f, 2) for f in STRATIFIED), *((f, 1) for f in SCALAR)]:
        shape = (None, log_tau.size)[:rank]
        label = f"{name}.{field}"
        part: pb.Array = getattr(message, field)
        if field in OPTIONAL:
            values = optional_array(part, label, dtype=np.float64, shape=shape)
        else:
            values = from_array(part, label, dtype=np.float64, shape=shape)
        arrays[field] = values
    return Atmosphere(log_tau=log_tau, **arrays)  # type: ignore[arg-type]


def plan_to_proto(plan: plans.Plan) -> pb.Plan:
    """Plan → message."""
    return pb.Plan(
        name=plan.name,
        regions=[_region_to_proto(region) for region in plan.regions],
        abundances=plan.abundances,
        cycles=[_cycle_to_proto(cycle) for cycle in plan.cycles],
        noise=plan.noise,
        mu=plan.mu,
        depth_bottom=plan.depth_bottom,
        depth_top=plan.depth_top,
        depth_step=plan.depth_step,
        top_gas_pressure=plan.top_gas_pressure,
        svd_tolerance=plan.svd_tolerance,
        initial_damping=plan.initial_damping,
        max_iterations=plan.max_iterations,
        limits=[pb.Limits(quantity=q, lower=low, upper=high) for q, (low, high) in plan.limits.items()],
        pixel_timeout=plan.pixel_timeout,
        reference=_REFERENCE[plan.reference],
        options=plan.options,
        atoms=[_model_to_proto(model) for model in plan.atoms],
        molecules=[_model_to_proto(model) for model in plan.molecules],
        vacuum=plan.vacuum,
    )


def _model_to_proto(model: AtomModel) -> pb.AtomModel:
    return pb.AtomModel(name=model.name, active=model.active, start=model.start)


def _model_from_proto(message: pb.AtomModel) -> AtomModel:
    return AtomModel(message.name, message.active, message.start)


def plan_from_proto(message: pb.Plan) -> plans.Plan:
    """Message → plan.

    Raises
    ------
    PlanError
        The plan contradicts itself.
    InvalidArgumentError
        The continuum reference is not named.
    """
    return plans.Plan(
        name=message.name,
        regions=tuple(_region_from_proto(region) for region in message.regions),
        cycles=tuple(_cycle_from_proto(cycle) for cycle in message.cycles),
        abundances=tuple(message.abundances),
        noise=tuple(message.noise),  # type: ignore[arg-type]
        mu=message.mu,
        depth_bottom=message.depth_bottom,
        depth_top=message.depth_top,
        depth_step=message.depth_step,
        top_gas_pressure=tuple(message.top_gas_pressure),
        svd_tolerance=message.svd_tolerance,
        initial_damping=message.initial_damping,
        max_iterations=message.max_iterations,
        limits={limit.quantity: (limit.lower, limit.upper) for limit in message.limits},
        pixel_timeout=message.pixel_timeout,
        reference=reference_from_proto(message.reference),
        # in one order, so that equal plans have equal identities
        options=dict(sorted(message.options.items())),
        atoms=tuple(_model_from_proto(model) for model in message.atoms),
        molecules=tuple(_model_from_proto(model) for model in message.molecules),
        vacuum=message.vacuum,
    )


def _region_to_proto(region: plans.Region) -> pb.Region:
    lines = [
        pb.Line(
            index=line.index,
            element=line.element,
            ion=line.ion,
            wavelength=line.wavelength,
            damping_factor=line.damping_factor,
            excitation=line.excitation,
            log_gf=line.log_gf,
            lower_term=line.lower_term,
            upper_term=line.upper_term,
            abo_alpha=line.abo_alpha,
            abo_sigma=line.abo_sigma,
            effective_lande=line.effective_lande,
        )
        for line in region.lines
    ]
    psf = None
    if region.psf is not None:
        psf = pb.Psf(name=region.psf.name, offset=region.psf.offset, transmission=region.psf.transmission)
    return pb.Region(
        name=region.name,
        lines=lines,
        start=region.start,
        stop=region.stop,
        step=region.step,
        psf=psf,
        samples=region.samples,
    )


def _region_from_proto(message: pb.Region) -> plans.Region:
    lines = tuple(
        plans.Line(
            index=line.index,
            element=line.element,
            ion=line.ion,
            wavelength=line.wavelength,
            excitation=line.excitation,
            log_gf=line.log_gf,
            lower_term=line.lower_term,
            upper_term=line.upper_term,
            damping_factor=line.damping_factor,
            abo_alpha=line.abo_alpha,
            abo_sigma=line.abo_sigma,
            effective_lande=line.effective_lande if line.HasField("effective_lande") else None,
        )
        for line in message.lines
    )
    psf = None
    if message.HasField("psf"):
        psf = plans.Psf(tuple(message.psf.offset), tuple(message.psf.transmission), message.psf.name)
    samples = tuple(message.samples)
    return plans.Region(message.name, lines, message.start, message.stop, message.step, psf, samples)


def _cycle_to_proto(cycle: plans.Cycle) -> pb.Cycle:
    names = (*plans.QUANTITIES, "macroturbulence")
    return pb.Cycle(
        components=[pb.Nodes(**{name: getattr(nodes, name) for name in names}) for nodes in cycle.components],
        filling_factor=cycle.filling_factor,
        stray_light=cycle.stray_light,
        weights=cycle.weights,
        automatic=cycle.automatic,
    )


def _cycle_from_proto(message: pb.Cycle) -> plans.Cycle:
    names = (*plans.QUANTITIES, "macroturbulence")
    return plans.Cycle(
        components=tuple(
            plans.Nodes(**{n: getattr(nodes, n) for n in names}) for nodes in message.components
        ),
        filling_factor=message.filling_factor,
        stray_light=message.stray_light,
        weights=tuple(message.weights),  # type: ignore[arg-type]
        automatic=message.automatic,
    )
