"""The three parts of a training set: what is trained on, what is looked at meanwhile, what is kept back.

Neighbouring pixels of a map share granules, seeing and instrument: a network that has seen one knows the
other. So whole regions are held out (Roberts et al. 2017, Ecography 40, 913: "block cross-validation"). The
validation part stops the training, calibrates the errors and sets the novelty's scale; the test part is used
for nothing but the figures in the card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError

Rows = npt.NDArray[np.intp]

#: fewer regions cannot give three parts
MIN_REGIONS: Final = 3
#: of a part, so that it can be judged by
MIN_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class Holdout:
    """Rows of the three parts, each profile in exactly one.

    Attributes
    ----------
    training, validation, test : ndarray of intp
    by_region : bool
        Whether whole regions were held out.
    """

    training: Rows
    validation: Rows
    test: Rows
    by_region: bool


def hold_out(n_profile: int, region: npt.NDArray[np.int32] | None, share: float, seed: int) -> Holdout:
    """Split a set.

    Parameters
    ----------
    n_profile : int
    region : ndarray (n_profile,) int32 or None
        None: profiles know nothing of each other; contiguous blocks of the seed's order are held out.
    share : float
        Of the profiles, in the validation and again in the test part.
    seed : int

    Raises
    ------
    InvalidArgumentError
        Too few regions, or a part would be too small.
    """
    generator = np.random.default_rng(seed)
    wanted = max(1, round(share * n_profile))
    if region is None:
        order = generator.permutation(n_profile)
        found = Holdout(order[2 * wanted :], order[:wanted], order[wanted : 2 * wanted], by_region=False)
    else:
        found = _by_region(region, wanted, generator)
    for name in ("training", "validation", "test"):
        rows = getattr(found, name).size
        if rows < MIN_ROWS:
            raise InvalidArgumentError(
                f"split: {rows} of {n_profile} profiles for {name}, expected at least {MIN_ROWS}; "
                "give more profiles or regions, or another share for validation"
            )
    return found


def _by_region(region: npt.NDArray[np.int32], wanted: int, generator: np.random.Generator) -> Holdout:
    names, member, size = np.unique(region, return_inverse=True, return_counts=True)
    if names.size < MIN_REGIONS:
        raise InvalidArgumentError(
            f"region: {names.size} different ones, at least {MIN_REGIONS} are needed to hold some out for "
            "validation and others for the test; leave region out where profiles are independent"
        )
    order = generator.permutation(names.size)
    filled = np.cumsum(size[order])
    # Each part takes regions until it is as large as wanted, and leaves at least one to those that follow.
    first = min(int(np.searchsorted(filled, wanted)) + 1, names.size - 2)
    second = min(int(np.searchsorted(filled, filled[first - 1] + wanted)) + 1, names.size - 1)
    part = np.zeros(names.size, np.intp)
    part[order[:first]], part[order[first:second]] = 1, 2
    # Within a part in the seed's order, so that any of its first rows stand for the whole.
    shuffled = generator.permutation(region.size)
    place = part[member[shuffled]]
    return Holdout(shuffled[place == 0], shuffled[place == 1], shuffled[place == 2], by_region=True)
