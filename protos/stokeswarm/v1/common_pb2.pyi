from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DTYPE_UNSPECIFIED: _ClassVar[DType]
    DTYPE_FLOAT32: _ClassVar[DType]
    DTYPE_FLOAT64: _ClassVar[DType]
    DTYPE_INT32: _ClassVar[DType]
    DTYPE_INT64: _ClassVar[DType]
    DTYPE_UINT8: _ClassVar[DType]

class ContinuumReference(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONTINUUM_REFERENCE_UNSPECIFIED: _ClassVar[ContinuumReference]
    CONTINUUM_REFERENCE_LOCAL_QUIET_SUN: _ClassVar[ContinuumReference]
    CONTINUUM_REFERENCE_DISC_CENTRE: _ClassVar[ContinuumReference]

class PixelStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIXEL_STATUS_UNSPECIFIED: _ClassVar[PixelStatus]
    PIXEL_STATUS_OK: _ClassVar[PixelStatus]
    PIXEL_STATUS_NOT_CONVERGED: _ClassVar[PixelStatus]
    PIXEL_STATUS_INVALID_INPUT: _ClassVar[PixelStatus]
    PIXEL_STATUS_MASKED: _ClassVar[PixelStatus]
    PIXEL_STATUS_ENGINE_FAILED: _ClassVar[PixelStatus]
    PIXEL_STATUS_TIMEOUT: _ClassVar[PixelStatus]
    PIXEL_STATUS_NO_OUTPUT: _ClassVar[PixelStatus]
DTYPE_UNSPECIFIED: DType
DTYPE_FLOAT32: DType
DTYPE_FLOAT64: DType
DTYPE_INT32: DType
DTYPE_INT64: DType
DTYPE_UINT8: DType
CONTINUUM_REFERENCE_UNSPECIFIED: ContinuumReference
CONTINUUM_REFERENCE_LOCAL_QUIET_SUN: ContinuumReference
CONTINUUM_REFERENCE_DISC_CENTRE: ContinuumReference
PIXEL_STATUS_UNSPECIFIED: PixelStatus
PIXEL_STATUS_OK: PixelStatus
PIXEL_STATUS_NOT_CONVERGED: PixelStatus
PIXEL_STATUS_INVALID_INPUT: PixelStatus
PIXEL_STATUS_MASKED: PixelStatus
PIXEL_STATUS_ENGINE_FAILED: PixelStatus
PIXEL_STATUS_TIMEOUT: PixelStatus
PIXEL_STATUS_NO_OUTPUT: PixelStatus

class Array(_message.Message):
    __slots__ = ("dtype", "shape", "data")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    dtype: DType
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, dtype: _Optional[_Union[DType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class Spectra(_message.Message):
    __slots__ = ("wavelength", "stokes", "reference", "weights")
    WAVELENGTH_FIELD_NUMBER: _ClassVar[int]
    STOKES_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    wavelength: Array
    stokes: Array
    reference: ContinuumReference
    weights: Array
    def __init__(self, wavelength: _Optional[_Union[Array, _Mapping]] = ..., stokes: _Optional[_Union[Array, _Mapping]] = ..., reference: _Optional[_Union[ContinuumReference, str]] = ..., weights: _Optional[_Union[Array, _Mapping]] = ...) -> None: ...

class Atmosphere(_message.Message):
    __slots__ = ("log_tau", "temperature", "electron_pressure", "microturbulence", "field_strength", "velocity", "inclination", "azimuth", "height", "gas_pressure", "density", "macroturbulence", "filling_factor", "stray_light")
    LOG_TAU_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    ELECTRON_PRESSURE_FIELD_NUMBER: _ClassVar[int]
    MICROTURBULENCE_FIELD_NUMBER: _ClassVar[int]
    FIELD_STRENGTH_FIELD_NUMBER: _ClassVar[int]
    VELOCITY_FIELD_NUMBER: _ClassVar[int]
    INCLINATION_FIELD_NUMBER: _ClassVar[int]
    AZIMUTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    GAS_PRESSURE_FIELD_NUMBER: _ClassVar[int]
    DENSITY_FIELD_NUMBER: _ClassVar[int]
    MACROTURBULENCE_FIELD_NUMBER: _ClassVar[int]
    FILLING_FACTOR_FIELD_NUMBER: _ClassVar[int]
    STRAY_LIGHT_FIELD_NUMBER: _ClassVar[int]
    log_tau: Array
    temperature: Array
    electron_pressure: Array
    microturbulence: Array
    field_strength: Array
    velocity: Array
    inclination: Array
    azimuth: Array
    height: Array
    gas_pressure: Array
    density: Array
    macroturbulence: Array
    filling_factor: Array
    stray_light: Array
    def __init__(self, log_tau: _Optional[_Union[Array, _Mapping]] = ..., temperature: _Optional[_Union[Array, _Mapping]] = ..., electron_pressure: _Optional[_Union[Array, _Mapping]] = ..., microturbulence: _Optional[_Union[Array, _Mapping]] = ..., field_strength: _Optional[_Union[Array, _Mapping]] = ..., velocity: _Optional[_Union[Array, _Mapping]] = ..., inclination: _Optional[_Union[Array, _Mapping]] = ..., azimuth: _Optional[_Union[Array, _Mapping]] = ..., height: _Optional[_Union[Array, _Mapping]] = ..., gas_pressure: _Optional[_Union[Array, _Mapping]] = ..., density: _Optional[_Union[Array, _Mapping]] = ..., macroturbulence: _Optional[_Union[Array, _Mapping]] = ..., filling_factor: _Optional[_Union[Array, _Mapping]] = ..., stray_light: _Optional[_Union[Array, _Mapping]] = ...) -> None: ...

class Line(_message.Message):
    __slots__ = ("index", "element", "ion", "wavelength", "damping_factor", "excitation", "log_gf", "lower_term", "upper_term", "abo_alpha", "abo_sigma", "effective_lande")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    ION_FIELD_NUMBER: _ClassVar[int]
    WAVELENGTH_FIELD_NUMBER: _ClassVar[int]
    DAMPING_FACTOR_FIELD_NUMBER: _ClassVar[int]
    EXCITATION_FIELD_NUMBER: _ClassVar[int]
    LOG_GF_FIELD_NUMBER: _ClassVar[int]
    LOWER_TERM_FIELD_NUMBER: _ClassVar[int]
    UPPER_TERM_FIELD_NUMBER: _ClassVar[int]
    ABO_ALPHA_FIELD_NUMBER: _ClassVar[int]
    ABO_SIGMA_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_LANDE_FIELD_NUMBER: _ClassVar[int]
    index: int
    element: str
    ion: int
    wavelength: float
    damping_factor: float
    excitation: float
    log_gf: float
    lower_term: str
    upper_term: str
    abo_alpha: float
    abo_sigma: float
    effective_lande: float
    def __init__(self, index: _Optional[int] = ..., element: _Optional[str] = ..., ion: _Optional[int] = ..., wavelength: _Optional[float] = ..., damping_factor: _Optional[float] = ..., excitation: _Optional[float] = ..., log_gf: _Optional[float] = ..., lower_term: _Optional[str] = ..., upper_term: _Optional[str] = ..., abo_alpha: _Optional[float] = ..., abo_sigma: _Optional[float] = ..., effective_lande: _Optional[float] = ...) -> None: ...

class Psf(_message.Message):
    __slots__ = ("name", "offset", "transmission")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TRANSMISSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    offset: _containers.RepeatedScalarFieldContainer[float]
    transmission: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., offset: _Optional[_Iterable[float]] = ..., transmission: _Optional[_Iterable[float]] = ...) -> None: ...

class Region(_message.Message):
    __slots__ = ("name", "lines", "start", "stop", "step", "psf", "samples")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PSF_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    lines: _containers.RepeatedCompositeFieldContainer[Line]
    start: float
    stop: float
    step: float
    psf: Psf
    samples: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, name: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[Line, _Mapping]]] = ..., start: _Optional[float] = ..., stop: _Optional[float] = ..., step: _Optional[float] = ..., psf: _Optional[_Union[Psf, _Mapping]] = ..., samples: _Optional[_Iterable[float]] = ...) -> None: ...

class Nodes(_message.Message):
    __slots__ = ("temperature", "electron_pressure", "microturbulence", "field_strength", "velocity", "inclination", "azimuth", "macroturbulence")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    ELECTRON_PRESSURE_FIELD_NUMBER: _ClassVar[int]
    MICROTURBULENCE_FIELD_NUMBER: _ClassVar[int]
    FIELD_STRENGTH_FIELD_NUMBER: _ClassVar[int]
    VELOCITY_FIELD_NUMBER: _ClassVar[int]
    INCLINATION_FIELD_NUMBER: _ClassVar[int]
    AZIMUTH_FIELD_NUMBER: _ClassVar[int]
    MACROTURBULENCE_FIELD_NUMBER: _ClassVar[int]
    temperature: int
    electron_pressure: int
    microturbulence: int
    field_strength: int
    velocity: int
    inclination: int
    azimuth: int
    macroturbulence: bool
    def __init__(self, temperature: _Optional[int] = ..., electron_pressure: _Optional[int] = ..., microturbulence: _Optional[int] = ..., field_strength: _Optional[int] = ..., velocity: _Optional[int] = ..., inclination: _Optional[int] = ..., azimuth: _Optional[int] = ..., macroturbulence: _Optional[bool] = ...) -> None: ...

class Cycle(_message.Message):
    __slots__ = ("components", "filling_factor", "stray_light", "weights", "automatic")
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    FILLING_FACTOR_FIELD_NUMBER: _ClassVar[int]
    STRAY_LIGHT_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    AUTOMATIC_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedCompositeFieldContainer[Nodes]
    filling_factor: bool
    stray_light: bool
    weights: _containers.RepeatedScalarFieldContainer[float]
    automatic: bool
    def __init__(self, components: _Optional[_Iterable[_Union[Nodes, _Mapping]]] = ..., filling_factor: _Optional[bool] = ..., stray_light: _Optional[bool] = ..., weights: _Optional[_Iterable[float]] = ..., automatic: _Optional[bool] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("quantity", "lower", "upper")
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    quantity: str
    lower: float
    upper: float
    def __init__(self, quantity: _Optional[str] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ...) -> None: ...

class AtomModel(_message.Message):
    __slots__ = ("name", "active", "start")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    name: str
    active: bool
    start: str
    def __init__(self, name: _Optional[str] = ..., active: _Optional[bool] = ..., start: _Optional[str] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("name", "regions", "abundances", "cycles", "noise", "mu", "depth_bottom", "depth_top", "depth_step", "top_gas_pressure", "svd_tolerance", "initial_damping", "max_iterations", "limits", "pixel_timeout", "reference", "options", "atoms", "molecules", "vacuum")
    class OptionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    ABUNDANCES_FIELD_NUMBER: _ClassVar[int]
    CYCLES_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    MU_FIELD_NUMBER: _ClassVar[int]
    DEPTH_BOTTOM_FIELD_NUMBER: _ClassVar[int]
    DEPTH_TOP_FIELD_NUMBER: _ClassVar[int]
    DEPTH_STEP_FIELD_NUMBER: _ClassVar[int]
    TOP_GAS_PRESSURE_FIELD_NUMBER: _ClassVar[int]
    SVD_TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    INITIAL_DAMPING_FIELD_NUMBER: _ClassVar[int]
    MAX_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    PIXEL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ATOMS_FIELD_NUMBER: _ClassVar[int]
    MOLECULES_FIELD_NUMBER: _ClassVar[int]
    VACUUM_FIELD_NUMBER: _ClassVar[int]
    name: str
    regions: _containers.RepeatedCompositeFieldContainer[Region]
    abundances: _containers.RepeatedScalarFieldContainer[float]
    cycles: _containers.RepeatedCompositeFieldContainer[Cycle]
    noise: _containers.RepeatedScalarFieldContainer[float]
    mu: float
    depth_bottom: float
    depth_top: float
    depth_step: float
    top_gas_pressure: _containers.RepeatedScalarFieldContainer[float]
    svd_tolerance: float
    initial_damping: float
    max_iterations: int
    limits: _containers.RepeatedCompositeFieldContainer[Limits]
    pixel_timeout: float
    reference: ContinuumReference
    options: _containers.ScalarMap[str, str]
    atoms: _containers.RepeatedCompositeFieldContainer[AtomModel]
    molecules: _containers.RepeatedCompositeFieldContainer[AtomModel]
    vacuum: bool
    def __init__(self, name: _Optional[str] = ..., regions: _Optional[_Iterable[_Union[Region, _Mapping]]] = ..., abundances: _Optional[_Iterable[float]] = ..., cycles: _Optional[_Iterable[_Union[Cycle, _Mapping]]] = ..., noise: _Optional[_Iterable[float]] = ..., mu: _Optional[float] = ..., depth_bottom: _Optional[float] = ..., depth_top: _Optional[float] = ..., depth_step: _Optional[float] = ..., top_gas_pressure: _Optional[_Iterable[float]] = ..., svd_tolerance: _Optional[float] = ..., initial_damping: _Optional[float] = ..., max_iterations: _Optional[int] = ..., limits: _Optional[_Iterable[_Union[Limits, _Mapping]]] = ..., pixel_timeout: _Optional[float] = ..., reference: _Optional[_Union[ContinuumReference, str]] = ..., options: _Optional[_Mapping[str, str]] = ..., atoms: _Optional[_Iterable[_Union[AtomModel, _Mapping]]] = ..., molecules: _Optional[_Iterable[_Union[AtomModel, _Mapping]]] = ..., vacuum: _Optional[bool] = ...) -> None: ...
