"""What the stand-in can be told to do wrong, and how a pixel tells it.

The command travels with the pixel through the whole system, without a channel of its own:

- inversion: the first sample of Stokes U holds ``SIGN_IN_U + code/1000`` (a real one is near 0);
- synthesis: the macroturbulence of the first model holds ``SIGN_IN_VMAC + code/1000`` km/s.

Both survive seven printed digits. The sample carries no information for the stand-in otherwise, so a pixel
with a harmless command has the same atmosphere and fit as one without.

This module is imported at every start of the stand-in: it must cost nothing, hence plain numbers.
"""

SIGN_IN_U = 0.5
SIGN_IN_VMAC = 9.5
_PER_UNIT = 1000
_TOLERANCE = 0.02

#: name → code (1–99), in groups by what is to become of the pixel
CODES = {
    # out of time
    "hang": 1,
    "hang_ignoring_signals": 2,
    "hang_with_children": 3,
    "stop_itself": 4,
    "burn_cpu": 5,
    # no output
    "nothing": 10,
    "stale": 11,
    "empty_files": 12,
    "fill_disk": 13,
    "symlink_output": 14,
    "directory_output": 15,
    "fifo_output": 16,
    "delete_folder": 17,
    # broken output
    "zero_chi2": 30,
    "nan_model": 31,
    "nan_profile": 32,
    "partial": 33,
    "asterisks": 34,
    "stop_message": 35,
    "escape_message": 36,
    "few_depths": 37,
    "few_wavelengths": 38,
    "huge_output": 39,
    "binary_output": 40,
    "absurd_values": 41,
    "other_depths": 42,
    "other_wavelengths": 43,
    "no_uncertainties": 44,
    # broken process
    "segfault": 50,
    "exit_code": 51,
    "kill_warden": 52,
    "hog_memory": 53,
    # broken once: right when run again
    "segfault_once": 60,
    "kill_warden_once": 61,
    # rude, but the results are right
    "leave_children": 70,
    "late_writer": 71,
    "litter": 72,
    "flood": 73,
    "worse_last_cycle": 74,
    # waits to be killed or let go, then right; the second only when it runs for the first time
    "wait": 80,
    "wait_once": 81,
}
NAMES = {code: name for name, code in CODES.items()}


def encode(name, sign=SIGN_IN_U):
    """Value that carries a command."""
    return sign + CODES[name] / _PER_UNIT


def decode(value, sign=SIGN_IN_U):
    """Command that a value carries, "" for none."""
    scaled = (value - sign) * _PER_UNIT
    code = int(scaled + 0.5) if 0.0 < scaled < 100.0 else 0
    return NAMES.get(code, "") if abs(scaled - code) < _TOLERANCE else ""
