from stokeswarm.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListEnginesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListEnginesResponse(_message.Message):
    __slots__ = ("engines",)
    ENGINES_FIELD_NUMBER: _ClassVar[int]
    engines: _containers.RepeatedCompositeFieldContainer[Engine]
    def __init__(self, engines: _Optional[_Iterable[_Union[Engine, _Mapping]]] = ...) -> None: ...

class Engine(_message.Message):
    __slots__ = ("name", "version", "digest", "available", "message", "inverts", "synthesizes", "responds", "slots")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    INVERTS_FIELD_NUMBER: _ClassVar[int]
    SYNTHESIZES_FIELD_NUMBER: _ClassVar[int]
    RESPONDS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    digest: str
    available: bool
    message: str
    inverts: bool
    synthesizes: bool
    responds: bool
    slots: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., available: _Optional[bool] = ..., message: _Optional[str] = ..., inverts: _Optional[bool] = ..., synthesizes: _Optional[bool] = ..., responds: _Optional[bool] = ..., slots: _Optional[int] = ...) -> None: ...

class InvertRequest(_message.Message):
    __slots__ = ("engine", "plan", "spectra", "pixel", "start", "mu", "stray_light_profile", "cycles", "seed", "position", "all_cycles", "start_error")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    SPECTRA_FIELD_NUMBER: _ClassVar[int]
    PIXEL_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    MU_FIELD_NUMBER: _ClassVar[int]
    STRAY_LIGHT_PROFILE_FIELD_NUMBER: _ClassVar[int]
    CYCLES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ALL_CYCLES_FIELD_NUMBER: _ClassVar[int]
    START_ERROR_FIELD_NUMBER: _ClassVar[int]
    engine: str
    plan: _common_pb2.Plan
    spectra: _common_pb2.Spectra
    pixel: _common_pb2.Array
    start: _containers.RepeatedCompositeFieldContainer[_common_pb2.Atmosphere]
    mu: _common_pb2.Array
    stray_light_profile: _common_pb2.Array
    cycles: _containers.RepeatedScalarFieldContainer[int]
    seed: int
    position: _common_pb2.Array
    all_cycles: bool
    start_error: _containers.RepeatedCompositeFieldContainer[_common_pb2.Atmosphere]
    def __init__(self, engine: _Optional[str] = ..., plan: _Optional[_Union[_common_pb2.Plan, _Mapping]] = ..., spectra: _Optional[_Union[_common_pb2.Spectra, _Mapping]] = ..., pixel: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., start: _Optional[_Iterable[_Union[_common_pb2.Atmosphere, _Mapping]]] = ..., mu: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., stray_light_profile: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., cycles: _Optional[_Iterable[int]] = ..., seed: _Optional[int] = ..., position: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., all_cycles: _Optional[bool] = ..., start_error: _Optional[_Iterable[_Union[_common_pb2.Atmosphere, _Mapping]]] = ...) -> None: ...

class InvertEvent(_message.Message):
    __slots__ = ("results", "heartbeat")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    results: InvertResults
    heartbeat: Heartbeat
    def __init__(self, results: _Optional[_Union[InvertResults, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class CycleResults(_message.Message):
    __slots__ = ("cycle", "atmosphere", "fit", "chi2")
    CYCLE_FIELD_NUMBER: _ClassVar[int]
    ATMOSPHERE_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    CHI2_FIELD_NUMBER: _ClassVar[int]
    cycle: int
    atmosphere: _containers.RepeatedCompositeFieldContainer[_common_pb2.Atmosphere]
    fit: _common_pb2.Array
    chi2: _common_pb2.Array
    def __init__(self, cycle: _Optional[int] = ..., atmosphere: _Optional[_Iterable[_Union[_common_pb2.Atmosphere, _Mapping]]] = ..., fit: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., chi2: _Optional[_Union[_common_pb2.Array, _Mapping]] = ...) -> None: ...

class InvertResults(_message.Message):
    __slots__ = ("pixel", "status", "message", "atmosphere", "uncertainty", "fit", "chi2", "chi2_stokes", "chi2_engine", "cycles", "best_cycle", "iterations", "seconds", "by_cycle")
    PIXEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATMOSPHERE_FIELD_NUMBER: _ClassVar[int]
    UNCERTAINTY_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    CHI2_FIELD_NUMBER: _ClassVar[int]
    CHI2_STOKES_FIELD_NUMBER: _ClassVar[int]
    CHI2_ENGINE_FIELD_NUMBER: _ClassVar[int]
    CYCLES_FIELD_NUMBER: _ClassVar[int]
    BEST_CYCLE_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    BY_CYCLE_FIELD_NUMBER: _ClassVar[int]
    pixel: _common_pb2.Array
    status: _containers.RepeatedScalarFieldContainer[_common_pb2.PixelStatus]
    message: _containers.RepeatedScalarFieldContainer[str]
    atmosphere: _containers.RepeatedCompositeFieldContainer[_common_pb2.Atmosphere]
    uncertainty: _containers.RepeatedCompositeFieldContainer[_common_pb2.Atmosphere]
    fit: _common_pb2.Array
    chi2: _common_pb2.Array
    chi2_stokes: _common_pb2.Array
    chi2_engine: _common_pb2.Array
    cycles: _common_pb2.Array
    best_cycle: _common_pb2.Array
    iterations: _common_pb2.Array
    seconds: _common_pb2.Array
    by_cycle: _containers.RepeatedCompositeFieldContainer[CycleResults]
    def __init__(self, pixel: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., status: _Optional[_Iterable[_Union[_common_pb2.PixelStatus, str]]] = ..., message: _Optional[_Iterable[str]] = ..., atmosphere: _Optional[_Iterable[_Union[_common_pb2.Atmosphere, _Mapping]]] = ..., uncertainty: _Optional[_Iterable[_Union[_common_pb2.Atmosphere, _Mapping]]] = ..., fit: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., chi2: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., chi2_stokes: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., chi2_engine: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., cycles: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., best_cycle: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., iterations: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., seconds: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., by_cycle: _Optional[_Iterable[_Union[CycleResults, _Mapping]]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("done", "total", "queued")
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    done: int
    total: int
    queued: int
    def __init__(self, done: _Optional[int] = ..., total: _Optional[int] = ..., queued: _Optional[int] = ...) -> None: ...

class SynthesizeRequest(_message.Message):
    __slots__ = ("engine", "plan", "wavelength", "pixel", "atmosphere", "mu", "stray_light_profile", "hydrostatic", "position")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    WAVELENGTH_FIELD_NUMBER: _ClassVar[int]
    PIXEL_FIELD_NUMBER: _ClassVar[int]
    ATMOSPHERE_FIELD_NUMBER: _ClassVar[int]
    MU_FIELD_NUMBER: _ClassVar[int]
    STRAY_LIGHT_PROFILE_FIELD_NUMBER: _ClassVar[int]
    HYDROSTATIC_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    engine: str
    plan: _common_pb2.Plan
    wavelength: _common_pb2.Array
    pixel: _common_pb2.Array
    atmosphere: _containers.RepeatedCompositeFieldContainer[_common_pb2.Atmosphere]
    mu: _common_pb2.Array
    stray_light_profile: _common_pb2.Array
    hydrostatic: bool
    position: _common_pb2.Array
    def __init__(self, engine: _Optional[str] = ..., plan: _Optional[_Union[_common_pb2.Plan, _Mapping]] = ..., wavelength: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., pixel: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., atmosphere: _Optional[_Iterable[_Union[_common_pb2.Atmosphere, _Mapping]]] = ..., mu: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., stray_light_profile: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., hydrostatic: _Optional[bool] = ..., position: _Optional[_Union[_common_pb2.Array, _Mapping]] = ...) -> None: ...

class SynthesizeEvent(_message.Message):
    __slots__ = ("results", "heartbeat")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    results: SynthesizeResults
    heartbeat: Heartbeat
    def __init__(self, results: _Optional[_Union[SynthesizeResults, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class SynthesizeResults(_message.Message):
    __slots__ = ("pixel", "status", "message", "stokes", "atmosphere")
    PIXEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STOKES_FIELD_NUMBER: _ClassVar[int]
    ATMOSPHERE_FIELD_NUMBER: _ClassVar[int]
    pixel: _common_pb2.Array
    status: _containers.RepeatedScalarFieldContainer[_common_pb2.PixelStatus]
    message: _containers.RepeatedScalarFieldContainer[str]
    stokes: _common_pb2.Array
    atmosphere: _containers.RepeatedCompositeFieldContainer[_common_pb2.Atmosphere]
    def __init__(self, pixel: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., status: _Optional[_Iterable[_Union[_common_pb2.PixelStatus, str]]] = ..., message: _Optional[_Iterable[str]] = ..., stokes: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., atmosphere: _Optional[_Iterable[_Union[_common_pb2.Atmosphere, _Mapping]]] = ...) -> None: ...

class ResponseFunctionsRequest(_message.Message):
    __slots__ = ("engine", "plan", "wavelength", "pixel", "atmosphere", "mu", "quantities")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    WAVELENGTH_FIELD_NUMBER: _ClassVar[int]
    PIXEL_FIELD_NUMBER: _ClassVar[int]
    ATMOSPHERE_FIELD_NUMBER: _ClassVar[int]
    MU_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    engine: str
    plan: _common_pb2.Plan
    wavelength: _common_pb2.Array
    pixel: _common_pb2.Array
    atmosphere: _common_pb2.Atmosphere
    mu: _common_pb2.Array
    quantities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, engine: _Optional[str] = ..., plan: _Optional[_Union[_common_pb2.Plan, _Mapping]] = ..., wavelength: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., pixel: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., atmosphere: _Optional[_Union[_common_pb2.Atmosphere, _Mapping]] = ..., mu: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., quantities: _Optional[_Iterable[str]] = ...) -> None: ...

class ResponseFunctionsEvent(_message.Message):
    __slots__ = ("results", "heartbeat")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    results: ResponseFunctionsResults
    heartbeat: Heartbeat
    def __init__(self, results: _Optional[_Union[ResponseFunctionsResults, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class ResponseFunctionsResults(_message.Message):
    __slots__ = ("pixel", "status", "message", "quantities", "response", "stokes")
    PIXEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    STOKES_FIELD_NUMBER: _ClassVar[int]
    pixel: _common_pb2.Array
    status: _containers.RepeatedScalarFieldContainer[_common_pb2.PixelStatus]
    message: _containers.RepeatedScalarFieldContainer[str]
    quantities: _containers.RepeatedScalarFieldContainer[str]
    response: _common_pb2.Array
    stokes: _common_pb2.Array
    def __init__(self, pixel: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., status: _Optional[_Iterable[_Union[_common_pb2.PixelStatus, str]]] = ..., message: _Optional[_Iterable[str]] = ..., quantities: _Optional[_Iterable[str]] = ..., response: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., stokes: _Optional[_Union[_common_pb2.Array, _Mapping]] = ...) -> None: ...
