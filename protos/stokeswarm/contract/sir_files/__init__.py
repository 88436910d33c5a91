"""The file formats of SIR, both ways: ``.mod``, ``.per``, ``.grid``, line lists, abundances and ``.psf``.

Every parser takes the file's text and a name for messages, every formatter returns text; nothing here opens
a file. An error names file and line number. Formats: the reference data of SIR (Ruiz Cobo & del Toro Iniesta
1992, ApJ 398, 375) and its manual (Bellot Rubio 2003, *Inversion of Stokes profiles with SIR*).
"""

from stokeswarm.contract.sir_files.grids import GridRow, format_grid, grid_regions, parse_grid
from stokeswarm.contract.sir_files.lines import format_lines, parse_lines
from stokeswarm.contract.sir_files.models import format_model, parse_model
from stokeswarm.contract.sir_files.profiles import (
    MISSING,
    Profile,
    format_profile,
    parse_profile,
    profile_from_spectra,
)
from stokeswarm.contract.sir_files.tables import (
    format_abundances,
    format_psf,
    parse_abundances,
    parse_psf,
)
from stokeswarm.contract.sir_files.text import SirFileError

__all__ = [
    "MISSING",
    "GridRow",
    "Profile",
    "SirFileError",
    "format_abundances",
    "format_grid",
    "format_lines",
    "format_model",
    "format_profile",
    "format_psf",
    "grid_regions",
    "parse_abundances",
    "parse_grid",
    "parse_lines",
    "parse_model",
    "parse_profile",
    "parse_psf",
    "profile_from_spectra",
]
