"""Everything that crosses the wire comes back as it was, and what is damaged is refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st

from stokeswarm.contract import codec, messages
from stokeswarm.contract.abundances import TABLES, abundance_table
from stokeswarm.contract.arrays import to_array
from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError, PlanError, SpectraError
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.instrument import FE_6301, FE_6302, gaussian_psf, hinode_sp
from stokeswarm.contract.inversion import (
    CycleResults,
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.options import STARTS, AtomModel
from stokeswarm.contract.plan import (
    DEFAULT_LIMITS,
    MAX_WAVELENGTHS,
    QUANTITIES,
    Cycle,
    Line,
    Nodes,
    Plan,
    Region,
    node_numbers,
)
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.v1 import common_pb2, inference_pb2, inversion_pb2

N_DEPTH = 53  # of the default depth axis
FLOAT = st.floats(width=64, allow_nan=True, allow_infinity=True)


def same(a: object, b: object) -> bool:
    """Equality in which NaN equals NaN and arrays compare by dtype, shape and value."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    if is_dataclass(a):
        pairs = ((getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
        return type(a) is type(b) and all(same(x, y) for x, y in pairs)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return isinstance(b, float) and (a == b or (math.isnan(a) and math.isnan(b)))
    return a == b


def over_the_wire(message: Message) -> Any:
    return type(message).FromString(message.SerializeToString())


# ---- strategies ----------------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)


def between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


def floats(*shape: int, dtype: type = np.float64) -> st.SearchStrategy[npt.NDArray[Any]]:
    """Arrays with NaN, infinities and signed zeros among ordinary numbers."""
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324 if dtype is np.float64 else 1e-45])

    def build(seed: int) -> npt.NDArray[Any]:
        rng = np.random.default_rng(seed)
        values = rng.normal(size=shape)
        return np.where(rng.random(shape) < 0.1, rng.choice(special, shape), values).astype(dtype)

    return st.integers(0, 2**32).map(build)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    return Line(
        index=draw(st.integers(0, 2**32 - 1)),
        element=draw(st.sampled_from(["Fe", "Si", "H", "Ca"])),
        ion=draw(st.integers(1, 3)),
        wavelength=draw(between(3000, 20000)),
        excitation=draw(between(0, 20)),
        log_gf=draw(between(-6, 1)),
        lower_term=draw(names),
        upper_term=draw(names),
        damping_factor=draw(between(0, 5)),
        abo_alpha=draw(between(0, 1)),
        abo_sigma=draw(between(0, 1e-13)),
        effective_lande=draw(st.none() | between(-3, 3)),
    )


@st.composite
def regions(draw: st.DrawFn, start: float) -> Region:
    step = draw(st.just(0.0) | between(0.005, 0.1))
    psf = gaussian_psf(draw(between(5, 100)), 2.5, draw(names)) if draw(st.booleans()) else None
    chosen = tuple(draw(st.lists(lines(), min_size=1, max_size=3)))
    stop = start + draw(between(0.5, 2))
    inside = st.lists(between(start, stop), max_size=6, unique=True).map(lambda found: tuple(sorted(found)))
    return Region(draw(names), chosen, start, stop, step, psf, draw(inside) if not step else ())


@st.composite
def cycles(draw: st.DrawFn, n_component: int) -> Cycle:
    counts = st.sampled_from((0, *node_numbers(N_DEPTH)))
    components = [
        Nodes(**{q: draw(counts) for q in QUANTITIES}, macroturbulence=draw(st.booleans()))
        for _ in range(n_component)
    ]
    components[0] = replace(components[0], temperature=draw(st.sampled_from(node_numbers(N_DEPTH))))
    weights = draw(st.tuples(*[between(0.1, 10)] * 4))
    flags = {name: draw(st.booleans()) for name in ("filling_factor", "stray_light", "automatic")}
    return Cycle(tuple(components), weights=weights, **flags)


OPTION_KEYS = st.from_regex(r"(sir|desire|rh)\.[A-Za-z][A-Za-z0-9_]{0,9}", fullmatch=True)
OPTION_VALUES = st.from_regex(r"[A-Za-z0-9_.+-]{1,12}", fullmatch=True)
MODELS = st.builds(
    AtomModel,
    st.from_regex(r"[A-Z][A-Za-z0-9_+-]{0,9}", fullmatch=True),
    st.booleans(),
    st.sampled_from(STARTS),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n_component = draw(st.integers(1, 2))
    limits = {
        name: (low + 0.25 * (high - low), high)
        for name, (low, high) in DEFAULT_LIMITS.items()
        if draw(st.booleans())
    }
    return Plan(
        name=draw(names),
        regions=tuple(draw(regions(6300.0 + 10 * i)) for i in range(draw(st.integers(1, 3)))),
        cycles=tuple(draw(st.lists(cycles(n_component), max_size=4))),
        abundances=tuple(abundance_table(draw(st.sampled_from(list(TABLES)))).tolist()),
        noise=draw(st.tuples(*[between(1e-5, 1e-1)] * 4)),
        mu=draw(between(0.05, 1)),
        top_gas_pressure=tuple(draw(st.lists(between(1e-3, 1e4), max_size=2))),
        svd_tolerance=draw(between(0, 1)),
        initial_damping=draw(between(0, 10)),
        max_iterations=draw(st.integers(1, 1000)),
        limits=limits,
        pixel_timeout=draw(between(0.1, 1e4)),
        reference=draw(st.sampled_from(ContinuumReference)),
        options=draw(st.dictionaries(OPTION_KEYS, OPTION_VALUES, max_size=5)),
        atoms=tuple(draw(st.lists(MODELS, max_size=3, unique_by=lambda model: model.name))),
        molecules=tuple(draw(st.lists(MODELS, max_size=2, unique_by=lambda model: model.name))),
        vacuum=draw(st.booleans()),
    )


@st.composite
def atmospheres(draw: st.DrawFn, n_pixel: int, optional: bool | None = None) -> Atmosphere:
    log_tau = np.linspace(1.0, -4.0, draw(st.integers(1, 7)))
    present = [
        name
        for name in STRATIFIED
        if name not in OPTIONAL or (draw(st.booleans()) if optional is None else optional)
    ]
    stratified = {name: draw(floats(n_pixel, log_tau.size)) for name in present}
    return Atmosphere(log_tau, **stratified, **{name: draw(floats(n_pixel)) for name in SCALAR})


def magnitude(atmosphere: Atmosphere) -> Atmosphere:
    """Something that may be an error: nothing is negative, NaN stays."""
    return replace(atmosphere, **{name: np.abs(array) for name, array in atmosphere.arrays().items()})


@st.composite
def spectra(draw: st.DrawFn, n_pixel: int) -> Spectra:
    wavelength = hinode_sp().regions[0].grid()[: draw(st.integers(1, 9))]
    weights = None
    if draw(st.booleans()):
        weights = np.abs(
            np.nan_to_num(draw(floats(4, wavelength.size, dtype=np.float32)), posinf=1, neginf=1)
        )
    stokes = draw(floats(n_pixel, 4, wavelength.size, dtype=np.float32))
    return Spectra(wavelength, stokes, draw(st.sampled_from(ContinuumReference)), weights)


N_PIXEL = st.integers(0, 4)


def pixels(n_pixel: int) -> npt.NDArray[np.int64]:
    """Identifiers of a tile, far from 0 … n−1."""
    return 7_000_000_000_000 + 3 * np.arange(n_pixel, dtype=np.int64)[::-1]


def hinode_plan(n_component: int = 1) -> Plan:
    nodes = (Nodes(temperature=3, velocity=1),) * n_component
    return Plan("hinode", hinode_sp().regions, (Cycle(nodes), Cycle(nodes)))


# ---- round trips ---------------------------------------------------------------------------------------


@given(plans())
def test_plan_round_trip(plan: Plan) -> None:
    assert same(codec.plan_from_proto(over_the_wire(codec.plan_to_proto(plan))), plan)


@given(N_PIXEL.flatmap(spectra))
def test_spectra_round_trip(values: Spectra) -> None:
    assert same(codec.spectra_from_proto(over_the_wire(codec.spectra_to_proto(values))), values)


@given(N_PIXEL.flatmap(atmospheres))
def test_atmosphere_round_trip(values: Atmosphere) -> None:
    assert same(codec.atmosphere_from_proto(over_the_wire(codec.atmosphere_to_proto(values))), values)


@st.composite
def invert_requests(draw: st.DrawFn) -> InvertRequest:
    n_pixel, n_component = draw(N_PIXEL), draw(st.integers(1, 2))
    tile = draw(spectra(n_pixel))
    profile = np.zeros((4, tile.wavelength.size), np.float32) if draw(st.booleans()) else None
    errors = tuple(magnitude(draw(atmospheres(n_pixel))) for _ in range(n_component))
    return InvertRequest(
        engine=draw(names),
        plan=hinode_plan(n_component),
        spectra=tile,
        pixel=pixels(n_pixel),
        start=tuple(draw(atmospheres(n_pixel)) for _ in range(n_component)),
        mu=np.linspace(0.1, 1.0, n_pixel) if draw(st.booleans()) else None,
        stray_light_profile=profile,
        cycles=draw(st.sampled_from([(), (0,), (1,), (0, 1)])),
        seed=draw(st.integers(0, 2**64 - 1)),
        position=np.full((n_pixel, 2), 0.25) if draw(st.booleans()) else None,
        all_cycles=draw(st.booleans()),
        start_error=errors if draw(st.booleans()) else (),
    )


@given(invert_requests())
def test_invert_request_round_trip(request: InvertRequest) -> None:
    message = over_the_wire(messages.invert_request_to_proto(request))
    assert same(messages.invert_request_from_proto(message), request)


@st.composite
def outcomes(draw: st.DrawFn, n_pixel: int) -> dict[str, Any]:
    return {
        "pixel": pixels(n_pixel),
        "status": tuple(draw(st.sampled_from(Status)) for _ in range(n_pixel)),
        "message": tuple(draw(names) for _ in range(n_pixel)),
    }


@st.composite
def invert_results(draw: st.DrawFn) -> InvertResults:
    k = draw(N_PIXEL)
    counts: dict[str, Any] = {
        name: np.arange(k, dtype=np.int32) - 1 for name in ("cycles", "best_cycle", "iterations")
    }
    figures: dict[str, Any] = {name: draw(floats(k)) for name in ("chi2", "chi2_engine", "seconds")}
    return InvertResults(
        **draw(outcomes(k)),
        **counts,
        **figures,
        atmosphere=(draw(atmospheres(k)),),
        uncertainty=(draw(atmospheres(k)),),
        fit=draw(floats(k, 4, 6, dtype=np.float32)),
        chi2_stokes=draw(floats(k, 4)),
        by_cycle=tuple(
            CycleResults(
                cycle, (draw(atmospheres(k)),), draw(floats(k, 4, 6, dtype=np.float32)), draw(floats(k))
            )
            for cycle in range(draw(st.integers(0, 2)))
        ),
    )


@given(invert_results())
def test_invert_results_round_trip(results: InvertResults) -> None:
    message = over_the_wire(messages.invert_results_to_proto(results))
    assert same(messages.invert_results_from_proto(message), results)


def test_failed_pixels_travel_as_nan_with_their_reason() -> None:
    failed = InvertResults.failed(
        [4, 9], Status.TIMEOUT, "too slow", n_component=2, log_tau=[1.0, 0.0], n_wavelength=5
    )
    message = over_the_wire(messages.invert_results_to_proto(failed))
    back = messages.invert_results_from_proto(message)
    assert back.status == (Status.TIMEOUT, Status.TIMEOUT)
    assert back.message == ("too slow", "too slow")
    assert np.isnan(back.fit).all()
    for atmosphere in (*back.atmosphere, *back.uncertainty):
        assert all(np.isnan(values).all() for values in atmosphere.arrays().values())


@st.composite
def synthesize_requests(draw: st.DrawFn) -> SynthesizeRequest:
    n_pixel, plan = draw(N_PIXEL), hinode_plan()
    return SynthesizeRequest(
        engine=draw(names),
        plan=plan,
        atmosphere=tuple(draw(atmospheres(n_pixel)) for _ in range(draw(st.integers(1, 2)))),
        pixel=pixels(n_pixel),
        wavelength=plan.wavelength[: draw(st.integers(1, 112))],
        mu=np.full(n_pixel, 0.5) if draw(st.booleans()) else None,
        hydrostatic=draw(st.booleans()),
        position=np.full((n_pixel, 2), -0.5) if draw(st.booleans()) else None,
    )


@given(synthesize_requests())
def test_synthesize_request_round_trip(request: SynthesizeRequest) -> None:
    message = over_the_wire(messages.synthesize_request_to_proto(request))
    assert same(messages.synthesize_request_from_proto(message), request)


@st.composite
def synthesize_results(draw: st.DrawFn) -> SynthesizeResults:
    k = draw(N_PIXEL)
    return SynthesizeResults(
        **draw(outcomes(k)),
        stokes=draw(floats(k, 4, 5, dtype=np.float32)),
        atmosphere=(draw(atmospheres(k)),),
    )


@given(synthesize_results())
def test_synthesize_results_round_trip(results: SynthesizeResults) -> None:
    message = over_the_wire(messages.synthesize_results_to_proto(results))
    assert same(messages.synthesize_results_from_proto(message), results)


@st.composite
def response_requests(draw: st.DrawFn) -> ResponseRequest:
    n_pixel, plan = draw(N_PIXEL), hinode_plan()
    return ResponseRequest(
        engine=draw(names),
        plan=plan,
        atmosphere=draw(atmospheres(n_pixel)),
        pixel=pixels(n_pixel),
        wavelength=plan.wavelength,
        quantities=draw(st.sampled_from([("temperature",), ("velocity", "azimuth"), QUANTITIES])),
    )


@given(response_requests())
def test_response_request_round_trip(request: ResponseRequest) -> None:
    message = over_the_wire(messages.response_request_to_proto(request))
    assert same(messages.response_request_from_proto(message), request)


@st.composite
def response_results(draw: st.DrawFn) -> ResponseResults:
    k, quantities = draw(N_PIXEL), draw(st.sampled_from([("temperature",), QUANTITIES]))
    return ResponseResults(
        **draw(outcomes(k)),
        quantities=quantities,
        response=draw(floats(k, len(quantities), 3, 4, 5, dtype=np.float32)),
        stokes=draw(floats(k, 4, 5, dtype=np.float32)),
    )


@given(response_results())
def test_response_results_round_trip(results: ResponseResults) -> None:
    message = over_the_wire(messages.response_results_to_proto(results))
    assert same(messages.response_results_from_proto(message), results)


@given(names, st.booleans(), FLOAT)
def test_model_round_trip(text: str, ready: bool, threshold: float) -> None:
    info = ModelInfo(
        name=text,
        version="3",
        digest="0" * 64,
        provider="CPUExecutionProvider",
        ready=ready,
        message=text,
        wavelength=hinode_sp().regions[0].grid(),
        log_tau=np.linspace(0.5, -3.5, 10),
        quantities=("temperature", "velocity"),
        reference=ContinuumReference.DISC_CENTRE,
        novelty_threshold=threshold,
        card='{"licence": "BSD-3-Clause"}',
    )
    assert same(messages.model_from_proto(over_the_wire(messages.model_to_proto(info))), info)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    n_pixel = draw(N_PIXEL)
    result = draw(outcomes(n_pixel))
    return Prediction(
        model=draw(names),
        version="1",
        digest="f" * 64,
        atmosphere=draw(atmospheres(n_pixel, optional=False)),
        novelty=draw(floats(n_pixel, dtype=np.float32)),
        status=result["status"],
        message=result["message"],
        features=draw(floats(n_pixel, 3, dtype=np.float32)) if draw(st.booleans()) else None,
        error=draw(st.none() | atmospheres(n_pixel, optional=False)),
    )


@given(predictions())
def test_prediction_round_trip(prediction: Prediction) -> None:
    message = over_the_wire(messages.prediction_to_proto(prediction))
    assert same(messages.prediction_from_proto(message), prediction)


@given(names, st.booleans(), st.integers(0, 1000))
def test_engine_round_trip(text: str, flag: bool, slots: int) -> None:
    info = EngineInfo(text, "1.2", "a" * 64, flag, text, not flag, flag, not flag, slots)
    assert messages.engine_from_proto(over_the_wire(messages.engine_to_proto(info))) == info


# ---- damage --------------------------------------------------------------------------------------------

Decoder = Callable[[Any], object]

DECODERS: tuple[tuple[type[Message], Decoder], ...] = (
    (common_pb2.Spectra, codec.spectra_from_proto),
    (common_pb2.Atmosphere, codec.atmosphere_from_proto),
    (common_pb2.Plan, codec.plan_from_proto),
    (inversion_pb2.InvertRequest, messages.invert_request_from_proto),
    (inversion_pb2.InvertResults, messages.invert_results_from_proto),
    (inversion_pb2.SynthesizeRequest, messages.synthesize_request_from_proto),
    (inversion_pb2.SynthesizeResults, messages.synthesize_results_from_proto),
    (inversion_pb2.ResponseFunctionsRequest, messages.response_request_from_proto),
    (inversion_pb2.ResponseFunctionsResults, messages.response_results_from_proto),
    (inference_pb2.Model, messages.model_from_proto),
    (inference_pb2.PredictResponse, messages.prediction_from_proto),
)


@pytest.mark.parametrize(("kind", "decode"), DECODERS)
def test_an_empty_message_is_refused(kind: type[Message], decode: Decoder) -> None:
    with pytest.raises(InvalidArgumentError):
        decode(kind())


def tile(n_pixel: int = 2) -> InvertRequest:
    plan = hinode_plan()
    start = Atmosphere.full(n_pixel, plan.log_tau, 1.0)
    stokes = np.ones((n_pixel, 4, 112), np.float32)
    return InvertRequest(
        "lte",
        plan,
        Spectra(plan.wavelength, stokes, weights=np.ones((4, 112), np.float32)),
        pixels(n_pixel),
        (start,),
        mu=np.ones(n_pixel),
        stray_light_profile=np.ones((4, 112), np.float32),
        start_error=(start,),
    )


ARRAYS_OF_A_TILE = (
    "spectra.wavelength",
    "spectra.stokes",
    "spectra.weights",
    "pixel",
    "mu",
    "stray_light_profile",
    *(f"{part}.0.{name}" for part in ("start", "start_error") for name in ("log_tau", *STRATIFIED, *SCALAR)),
)


def pick(message: Any, path: str) -> common_pb2.Array:
    for part in path.split("."):
        message = message[int(part)] if part.isdigit() else getattr(message, part)
    assert isinstance(message, common_pb2.Array)
    return message


@pytest.mark.parametrize("path", ARRAYS_OF_A_TILE)
@settings(max_examples=25)
@given(data=st.data())
def test_every_damaged_array_is_refused_by_name(path: str, data: st.DataObject) -> None:
    message = messages.invert_request_to_proto(tile())
    array = pick(message, path)
    kind = data.draw(st.sampled_from(["dtype", "shape", "data", "rank"]))
    if kind == "dtype":
        array.dtype = data.draw(st.integers(0, 9).filter(lambda number: number != array.dtype))  # type: ignore[assignment]
    elif kind == "shape":
        axis = data.draw(st.integers(0, len(array.shape) - 1))
        old = array.shape[axis]
        array.shape[axis] = data.draw(st.integers(-(2**63), 2**63 - 1).filter(lambda n: n != old))
    elif kind == "data":
        array.data = array.data[: data.draw(st.integers(0, len(array.data) - 1))]
    else:
        array.shape.append(1)
    name = path.split(".")[-1]
    with pytest.raises(InvalidArgumentError, match=name):
        messages.invert_request_from_proto(message)


@pytest.mark.parametrize(
    "path", ["spectra.stokes", "start.0.temperature", "start_error.0.temperature", "pixel", "mu"]
)
@pytest.mark.parametrize("n_pixel", [0, 1, 3])
def test_counts_that_disagree_are_refused(path: str, n_pixel: int) -> None:
    message, other = (messages.invert_request_to_proto(tile(n)) for n in (2, n_pixel))
    pick(message, path).CopyFrom(pick(other, path))
    with pytest.raises(InvalidArgumentError, match="expected"):
        messages.invert_request_from_proto(message)


@settings(max_examples=200)
@given(st.binary(max_size=40), st.integers(0, 2**31), st.integers(1, 30))
def test_random_corruption_never_crashes(noise: bytes, place: int, length: int) -> None:
    raw = bytearray(messages.invert_request_to_proto(tile()).SerializeToString())
    at = place % len(raw)
    raw[at : at + length] = noise
    try:
        message = inversion_pb2.InvertRequest.FromString(bytes(raw))
    except DecodeError:  # protobuf's own refusal, before our code is reached
        return
    with suppress(InvalidArgumentError):
        messages.invert_request_from_proto(message)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"pixel": [5, 5]}, "an identifier occurs twice"),
        ({"mu": [0.5, 0.0]}, r"values in \(0, 1\]"),
        ({"mu": [0.5, np.nan]}, r"values in \(0, 1\]"),
        ({"cycles": (2,)}, "the plan has 2 cycles, asked for 2"),
        ({"start": ()}, r"1 component\(s\), found 0"),
        ({"plan": replace(hinode_plan(), cycles=())}, "at least one cycle"),
        ({"stray_light_profile": np.full((4, 112), np.nan)}, "finite"),
        (
            {"plan": replace(hinode_plan(), regions=(Region("ir", (FE_6302,), 15647.0, 15650.0),))},
            "none of the plan",
        ),
    ],
)
def test_requests_that_contradict_themselves(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidArgumentError, match=expected):
        replace(tile(), **change)


def test_an_empty_tile_is_a_valid_request() -> None:
    request = messages.invert_request_from_proto(over_the_wire(messages.invert_request_to_proto(tile(0))))
    assert len(request) == 0
    assert request.spectra.stokes.shape == (0, 4, 112)


def test_an_absent_wavelength_axis_is_the_plans() -> None:
    plan = hinode_plan()
    request = SynthesizeRequest(
        "lte", plan, (Atmosphere.full(1, plan.log_tau, 1.0),), pixels(1), plan.wavelength
    )
    message = messages.synthesize_request_to_proto(request)
    message.ClearField("wavelength")
    assert np.array_equal(messages.synthesize_request_from_proto(message).wavelength, plan.wavelength)


def test_no_quantities_means_all_of_them() -> None:
    plan = hinode_plan()
    request = ResponseRequest("lte", plan, Atmosphere.full(1, plan.log_tau, 1.0), pixels(1), plan.wavelength)
    assert request.quantities == QUANTITIES
    with pytest.raises(InvalidArgumentError, match="'height' is not one of temperature"):
        replace(request, quantities=("height",))


def test_axes_longer_than_any_instrument_are_refused() -> None:
    plan = Plan("wide", (Region("wide", (FE_6301,), 6000.0, 7000.0),))
    axis = np.linspace(6000.0, 7000.0, MAX_WAVELENGTHS + 1)
    start = Atmosphere.full(1, plan.log_tau, 1.0)
    with pytest.raises(SpectraError, match=f"{MAX_WAVELENGTHS + 1} samples, at most {MAX_WAVELENGTHS}"):
        SynthesizeRequest("lte", plan, (start,), pixels(1), axis)
    message = codec.atmosphere_to_proto(Atmosphere.full(1, np.linspace(0, -4, 401)))
    with pytest.raises(InvalidArgumentError, match="401 depths, at most 400"):
        codec.atmosphere_from_proto(message)


def test_results_whose_counts_disagree_are_refused() -> None:
    log_tau, k = [1.0, 0.0], 2
    good = InvertResults.failed(
        np.arange(k), Status.NO_OUTPUT, "gone", n_component=1, log_tau=log_tau, n_wavelength=3
    )
    message = messages.invert_results_to_proto(good)
    del message.status[0]
    with pytest.raises(InvalidArgumentError, match="pixel: expected 1 entries, found 2"):
        messages.invert_results_from_proto(message)
    message = messages.invert_results_to_proto(good)
    message.atmosphere[0].CopyFrom(codec.atmosphere_to_proto(Atmosphere.full(3, log_tau)))
    with pytest.raises(InvalidArgumentError, match="atmosphere of component 1: expected 2 pixels, found 3"):
        messages.invert_results_from_proto(message)
    synthesis = SynthesizeResults(
        np.arange(k),
        (Status.OK,) * k,
        ("",) * k,
        np.zeros((k, 4, 3), np.float32),
        (Atmosphere.full(k, log_tau),),
    )
    wire = messages.synthesize_results_to_proto(synthesis)
    wire.atmosphere[0].CopyFrom(codec.atmosphere_to_proto(Atmosphere.full(1, log_tau)))
    with pytest.raises(InvalidArgumentError, match="atmosphere of component 1"):
        messages.synthesize_results_from_proto(wire)
    wire = messages.synthesize_results_to_proto(synthesis)
    wire.pixel.CopyFrom(to_array(np.arange(3)))
    with pytest.raises(InvalidArgumentError, match="stokes"):
        messages.synthesize_results_from_proto(wire)


def test_a_prediction_counts_its_pixels() -> None:
    atmosphere = Atmosphere.full(2, [0.0, -1.0], pressures=False)
    novelty, status = np.zeros(2, np.float32), (Status.OK, Status.INVALID_INPUT)
    good = Prediction("m", "1", "", atmosphere, novelty, status, ("", "all NaN"))
    for change in ({"novelty": novelty[:1]}, {"status": status[:1]}, {"message": ("",)}):
        with pytest.raises(InvalidArgumentError, match="must have 2 entries"):
            replace(good, **change)
    with pytest.raises(InvalidArgumentError, match="error: expected 2 pixels, found 1"):
        replace(good, error=atmosphere.take([0]))


def test_a_plan_off_the_wire_is_validated() -> None:
    message = codec.plan_to_proto(hinode_plan())
    message.regions[0].step = 1e-310
    with pytest.raises(PlanError, match="more than 5000 wavelengths"):
        codec.plan_from_proto(message)
    message = codec.plan_to_proto(hinode_plan())
    message.cycles[0].components[0].temperature = 2**32 - 1
    with pytest.raises(PlanError, match="temperature: expected 0–400 nodes, found 4294967295"):
        codec.plan_from_proto(message)
    message = codec.plan_to_proto(hinode_plan())
    del message.noise[0]
    with pytest.raises(PlanError, match=r"noise: expected four values \(I Q U V\), found 3"):
        codec.plan_from_proto(message)
