"""``initialization.input``: the settings of the Python wrapper that runs SIR and DeSIRe in parallel.

The wrapper is that of Gafeira et al. 2021 (A&A 651, A31). Its file holds ``key=value`` lines; a line that
begins with ``#`` is a comment.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final

from stokeswarm.contract.sir_files import SirFileError

FILE_NAME: Final = "initialization.input"
#: keys of an inversion or synthesis with SIR or DeSIRe
KEYS: Final = (
    "n_cores",
    "data",
    "coordinates",
    "disk_position",
    "atmospheric_initialization",
    "source_location",
    "output_type",
    "email_adress",
    "atmospheric_model_header",
    "debug",
)
#: keys of what else the wrapper runs: conversions of atmospheres (modelador), RH alone
OTHER_KEYS: Final = ("run_files", "depth_s_t")
#: so many known keys make a text such a file
_EVIDENCE: Final = 3
_ROW: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*[=:](.*)")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key's value.

    Attributes
    ----------
    key, value : str
        The value without blanks at its ends.
    where : str
        File and line number for messages.
    """

    key: str
    value: str
    where: str

    def refuse(self, reason: str) -> SirFileError:
        """The error that names this key."""
        return SirFileError(f"{self.where} ({self.key}: {self.value or 'blank'}): {reason}")

    def items(self) -> tuple[str, ...]:
        """The value's parts between commas, without brackets."""
        return tuple(part.strip() for part in re.sub(r"[\[\]]", "", self.value).split(",") if part.strip())


def is_wrapper_file(text: str) -> bool:
    """Whether a text is an ``initialization.input``."""
    found = (match[1] for line in text.splitlines() if (match := _ROW.match(line)))
    return len({*KEYS, *OTHER_KEYS} & set(found)) >= _EVIDENCE


def parse_settings(text: str, name: str) -> dict[str, Setting]:
    """The settings of an ``initialization.input``.

    Parameters
    ----------
    text, name : str
        Contents, and file name for messages.

    Returns
    -------
    dict
        Key → setting; the last one counts where a key occurs twice, as in the wrapper.

    Raises
    ------
    SirFileError
        With the line number, where a line is not ``key=value`` or its key is unknown.
    """
    found: dict[str, Setting] = {}
    for count, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{name}: line {count}"
        match = _ROW.match(line)
        if match is None:
            raise SirFileError(f"{where}: expected key=value, found {line.strip()!r}")
        key = match[1]
        if key not in (*KEYS, *OTHER_KEYS):
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(KEYS)}"
            raise SirFileError(f"{where} ({key}): no such key{hint}")
        found[key] = Setting(key, match[2].strip(), where)
    return found
