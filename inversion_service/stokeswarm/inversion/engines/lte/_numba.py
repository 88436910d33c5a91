"""A typed door to :func:`numba.njit`.

numba is not typed: its decorator would turn every kernel into ``Any`` and make ``mypy --strict`` blind.
The wrapper below has the kernels keep their Python signature, and fixes one set of options for the
whole engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def njit(function: Kernel) -> Kernel:
    """Compile a kernel of the LTE engine.

    The machine code is cached on disk (``NUMBA_CACHE_DIR``), the kernel releases the interpreter lock so
    that slots run in parallel, follows IEEE arithmetic to the letter (results do not depend on how the
    compiler reorders sums), and divides like numpy: by zero gives an infinity, not an exception.

    Parameters
    ----------
    function : callable
        A function of scalars, arrays and named tuples of them, in the subset of Python that numba knows.

    Returns
    -------
    callable
        The compiled dispatcher, with the signature of `function`.
    """
    compile_kernel = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
    return cast(Kernel, compile_kernel(function))
