"""Starts that a pixel may have: which of them looks most like it, and requests that mix them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stokeswarm.client.delivery import Rows
from stokeswarm.client.gate import GUESS, MIRRORED, MODEL
from stokeswarm.client.layout import Start
from stokeswarm.client.polarity import mirrored
from stokeswarm.client.starts import Pixels, Starts
from stokeswarm.client.task import Task
from stokeswarm.contract.atmosphere import Atmosphere, Floats


@dataclass(frozen=True, slots=True)
class Candidate:
    """One start of n pixels.

    Attributes
    ----------
    number : int
        Its place in the gate's list, from 1.
    label : ndarray (n,) uint8
        How the store names it.
    atmosphere : tuple of Atmosphere
        One per component, n pixels.
    available : ndarray (n,) bool
    """

    number: int
    label: npt.NDArray[np.uint8]
    atmosphere: tuple[Atmosphere, ...]
    available: npt.NDArray[np.bool_]


def candidates(
    task: Task, pixels: Pixels, guess: Starts, label: npt.NDArray[np.uint8]
) -> tuple[Candidate, ...]:
    """The gate's starts for some pixels, in the gate's order.

    Parameters
    ----------
    task : Task
    pixels : Pixels
        n of them.
    guess : Starts
        Of the assisted run, of the same pixels.
    label : ndarray (n,) uint8
        How the store names the guess.
    """
    models = dict(task.gate_models)

    def named(start: Start) -> npt.NDArray[np.uint8]:
        return np.full(len(pixels), int(start), np.uint8)

    found = []
    for number, name in enumerate(task.gate.starts, start=1):
        if name == GUESS:
            found.append(Candidate(number, label, guess.atmosphere, guess.available))
        elif name == MIRRORED:
            turned = tuple(mirrored(part) for part in guess.atmosphere)
            found.append(Candidate(number, named(Start.MIRRORED), turned, guess.available))
        elif name == MODEL or name in models:
            made = (task.fallback if name == MODEL else models[name]).start(pixels)
            found.append(Candidate(number, named(Start.MODEL), made.atmosphere, made.available))
    return tuple(found)


def ranking(score: Floats, tries: int, model: int) -> npt.NDArray[np.int64]:
    """Which start each pixel's full runs take, run by run.

    Parameters
    ----------
    score : ndarray (n_start, n) float64
        How far each start is from the observed profile; infinite = it is none.
    tries : int
        Runs from the nearest starts; of equally near ones the first in the list.
    model : int
        The plan's own model among the starts: it follows where it was not among the nearest.

    Returns
    -------
    ndarray (n_run, n) int64
        Index of the start; −1 = no such run.
    """
    nearest = np.argsort(score, axis=0, kind="stable")[:tries]
    known = np.isfinite(np.take_along_axis(score, nearest, axis=0))
    runs = np.where(known, nearest, -1)
    last = np.where((runs == model).any(axis=0), -1, model)
    return np.concatenate([runs, last[None]]).astype(np.int64)


def mixed(
    found: Sequence[Candidate], chosen: npt.NDArray[np.int64]
) -> Iterator[tuple[Rows, tuple[Atmosphere, ...]]]:
    """One start a pixel, in as few batches as their depth axes and fields allow.

    Parameters
    ----------
    found : sequence of Candidate
        Of n pixels each.
    chosen : ndarray (n,) int64
        Index of each pixel's start; −1 = leave it out.

    Yields
    ------
    rows : ndarray (k,) int64
        Pixels of the batch, in order.
    atmosphere : tuple of Atmosphere
        Their starts.
    """
    batches: dict[object, list[int]] = {}
    for number, candidate in enumerate(found):
        shape = tuple((part.log_tau.tobytes(), *part.arrays()) for part in candidate.atmosphere)
        batches.setdefault(shape, []).append(number)
    for numbers in batches.values():
        rows = np.flatnonzero(np.isin(chosen, numbers))
        if not rows.size:
            continue
        parts = [(number, rows[chosen[rows] == number]) for number in numbers]
        order = np.argsort(np.concatenate([where for _, where in parts]), kind="stable")
        yield (
            rows,
            tuple(
                Atmosphere.concatenate(
                    [found[number].atmosphere[c].take(where) for number, where in parts]
                ).take(order)
                for c in range(len(found[numbers[0]].atmosphere))
            ),
        )
