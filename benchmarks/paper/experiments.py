"""What is compared with what: the paper's cases, on maps of our own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from findings import Case
from maps import MadeMap, Scene, make_map
from networks import one_polarity, train
from runs import invert

from stokeswarm.client.cluster import Cluster
from stokeswarm.client.gate import Gate
from stokeswarm.client.inverted_set import Selection, from_result
from stokeswarm.client.random_atmospheres import Recipe
from stokeswarm.client.sampling import sample

#: atmospheres of the quiet Sun that the narrow network knows
NARROW: Final = 12_800
#: part of map a that is inverted with SIR, where it is installed
SIR_REGION: Final = "40:46,30:70"
PAPER: Final = ("--architecture", "paper")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an experiment is done, and with what."""

    folder: Path
    size: tuple[int, int]
    cluster: Callable[[], Cluster]
    say: Say
    minutes: float

    def map(self, scene: Scene) -> MadeMap:
        """A map, made where it is missing."""
        return make_map(scene, self.size, self.folder, self.cluster, self.say)

    def train(self, dataset: Path, name: str, *options: str) -> bool:
        """Train a network, for so many minutes at the most; whether it is there."""
        options = (*options, "--minutes", f"{self.minutes:g}")
        return train(dataset, name, self.folder, self.say, options)

    def run(self, made: MadeMap, name: str, init: str, **options: Any) -> Path:
        """A run's store."""
        return invert(made, name, init, self.folder, self.cluster, self.say, **options)


MAP_A: Final = Scene("a", "hinode-sp", 1)
MAP_B: Final = Scene("b", "hinode-sp", 2)
INFRARED: Final = Scene("infrared", "gris-1564", 3)
SPOT: Final = Scene("spot", "hinode-sp", 4, mirrored=True)


def unseen(s: Setting) -> Case | None:
    """The shipped network on a map that no network has seen."""
    made = s.map(MAP_B)
    reference = s.run(made, "reference", "model")
    return Case(reference, s.run(made, "assisted", "cnn:hinode-sp"), made.truth)


def unseen_open(s: Setting) -> Case | None:
    """The same without the gate: what the network's start does alone."""
    made = s.map(MAP_B)
    reference = s.run(made, "reference", "model")
    return Case(reference, s.run(made, "assisted-open", "cnn:hinode-sp", gate=Gate.open()), made.truth)


def second_reference(s: Setting) -> Case | None:
    """The same short cycle from the model atmosphere: what the network's start is worth."""
    made = s.map(MAP_B)
    reference = s.run(made, "reference", "model")
    return Case(reference, s.run(made, "second", "model", preset="second-reference"), made.truth)


def infrared(s: Setting) -> Case | None:
    """The lines at 1.56 µm."""
    made = s.map(INFRARED)
    reference = s.run(made, "reference", "model")
    return Case(reference, s.run(made, "assisted", "cnn:gris-1564"), made.truth)


def case_2(s: Setting) -> Case | None:
    """The paper's network, trained on the whole of an inverted map, on that map."""
    return _own_map(s, "case2", 1.0)


def case_1(s: Setting) -> Case | None:
    """The paper's network, trained on the pixels of a third of the map, which holds no umbra."""
    return _own_map(s, "case1", 1.0 / 3.0)


def _own_map(s: Setting, name: str, share: float) -> Case | None:
    made = s.map(MAP_A)
    reference = s.run(made, "reference", "model")
    dataset = s.folder / "sets" / f"{name}.zarr"
    source = reference
    if share < 1.0:
        rows = int(share * s.size[0])
        source = s.run(made, f"rows-{rows}", "model", region=f"0:{rows},0:{s.size[1]}")
    if not dataset.exists():
        dataset.parent.mkdir(parents=True, exist_ok=True)
        from_result(source, dataset, Selection("observed", 3.0))
    if not s.train(dataset, f"paper-{name}", *PAPER, "--one-class"):
        return None
    return Case(reference, s.run(made, f"{name}-assisted", f"cnn:paper-{name}"), made.truth)


def narrow(s: Setting) -> Case | None:
    """A network of the quiet Sun and one polarity, on a spot of the other: the gate."""
    return _narrow(s, "narrow-gate", Gate())


def narrow_open(s: Setting) -> Case | None:
    """The same without the gate: the paper's failure."""
    return _narrow(s, "narrow-open", Gate.open())


def _narrow(s: Setting, name: str, gate: Gate) -> Case | None:
    made = s.map(SPOT)
    whole, half = s.folder / "sets" / "quiet.zarr", s.folder / "sets" / "quiet-towards.npz"
    if not half.exists():
        whole.parent.mkdir(parents=True, exist_ok=True)
        recipe = Recipe(NARROW, 17, ("quiet",))
        sample(s.cluster(), made.project.plan, recipe, whole, resume=whole.exists())
    if not s.train(one_polarity(whole, half), "narrow", "--no-symmetries", "--one-class"):
        return None
    reference = s.run(made, "reference", "model")
    return Case(reference, s.run(made, name, "cnn:narrow", gate=gate), made.truth)


def with_sir(s: Setting) -> Case | None:
    """SIR itself on a part of the unseen map."""
    if not os.environ.get("STOKESWARM_SIR"):
        s.say("SIR: STOKESWARM_SIR is not set, left out")
        return None
    made = s.map(MAP_B)
    reference = s.run(made, "sir-reference", "model", engine="sir", region=SIR_REGION)
    assisted = s.run(made, "sir-assisted", "cnn:hinode-sp", engine="sir", region=SIR_REGION)
    return Case(reference, assisted, made.truth)


EXPERIMENTS: Final[dict[str, Callable[[Setting], Case | None]]] = {
    "unseen": unseen,
    "unseen-open": unseen_open,
    "second-reference": second_reference,
    "narrow": narrow,
    "narrow-open": narrow_open,
    "infrared": infrared,
    "case-2": case_2,
    "case-1": case_1,
    "sir": with_sir,
}
