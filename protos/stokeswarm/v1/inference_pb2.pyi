from stokeswarm.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "digest", "provider", "ready", "message", "wavelength", "log_tau", "quantities", "reference", "novelty_threshold", "card")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    WAVELENGTH_FIELD_NUMBER: _ClassVar[int]
    LOG_TAU_FIELD_NUMBER: _ClassVar[int]
    QUANTITIES_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    NOVELTY_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    digest: str
    provider: str
    ready: bool
    message: str
    wavelength: _common_pb2.Array
    log_tau: _common_pb2.Array
    quantities: _containers.RepeatedScalarFieldContainer[str]
    reference: _common_pb2.ContinuumReference
    novelty_threshold: float
    card: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., provider: _Optional[str] = ..., ready: _Optional[bool] = ..., message: _Optional[str] = ..., wavelength: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., log_tau: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., quantities: _Optional[_Iterable[str]] = ..., reference: _Optional[_Union[_common_pb2.ContinuumReference, str]] = ..., novelty_threshold: _Optional[float] = ..., card: _Optional[str] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("model", "version", "spectra", "features")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SPECTRA_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    spectra: _common_pb2.Spectra
    features: bool
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., spectra: _Optional[_Union[_common_pb2.Spectra, _Mapping]] = ..., features: _Optional[bool] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("model", "version", "digest", "atmosphere", "novelty", "status", "message", "error", "features")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ATMOSPHERE_FIELD_NUMBER: _ClassVar[int]
    NOVELTY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    digest: str
    atmosphere: _common_pb2.Atmosphere
    novelty: _common_pb2.Array
    status: _containers.RepeatedScalarFieldContainer[_common_pb2.PixelStatus]
    message: _containers.RepeatedScalarFieldContainer[str]
    error: _common_pb2.Atmosphere
    features: _common_pb2.Array
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ..., atmosphere: _Optional[_Union[_common_pb2.Atmosphere, _Mapping]] = ..., novelty: _Optional[_Union[_common_pb2.Array, _Mapping]] = ..., status: _Optional[_Iterable[_Union[_common_pb2.PixelStatus, str]]] = ..., message: _Optional[_Iterable[str]] = ..., error: _Optional[_Union[_common_pb2.Atmosphere, _Mapping]] = ..., features: _Optional[_Union[_common_pb2.Array, _Mapping]] = ...) -> None: ...
