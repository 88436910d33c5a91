"""What is compared with what: the paper's cases, on maps of our own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from maps import MadeMap, Scene, make_map
from networks import one_polarity, train
from runs import invert

from stokeswarm.client.cluster import Cluster
from stokeswarm.client.comparison.measure import compare
from stokeswarm.client.comparison.outcome import REACHED_NOISE, Comparison
from stokeswarm.client.gate import Gate
from stokeswarm.client.inverted_set import Selection, from_result
from stokeswarm.client.random_atmospheres import Recipe
from stokeswarm.client.sampling import sample

#: a gate that lets everything pass
OPEN: Final = Gate(float("inf"), float("inf"))
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


def unseen(s: Setting) -> Comparison | None:
    """The shipped network on a map that no network has seen."""
    made = s.map(MAP_B)
    reference = s.run(made, "reference", "model")
    return _compared(reference, s.run(made, "assisted", "cnn:hinode-sp"), made)


def unseen_open(s: Setting) -> Comparison | None:
    """The same without the gate: what the network's start does alone."""
    made = s.map(MAP_B)
    reference = s.run(made, "reference", "model")
    return _compared(reference, s.run(made, "assisted-open", "cnn:hinode-sp", gate=OPEN), made)


def second_reference(s: Setting) -> Comparison | None:
    """The same short cycle from the model atmosphere: what the network's start is worth."""
    made = s.map(MAP_B)
    reference = s.run(made, "reference", "model")
    return _compared(reference, s.run(made, "second", "model", preset="second-reference"), made)


def infrared(s: Setting) -> Comparison | None:
    """The lines at 1.56 µm."""
    made = s.map(INFRARED)
    reference = s.run(made, "reference", "model")
    return _compared(reference, s.run(made, "assisted", "cnn:gris-1564"), made)


def case_2(s: Setting) -> Comparison | None:
    """The paper's network, trained on the whole of an inverted map, on that map."""
    return _own_map(s, "case2", 1.0)


def case_1(s: Setting) -> Comparison | None:
    """The paper's network, trained on the pixels of a third of the map, which holds no umbra."""
    return _own_map(s, "case1", 1.0 / 3.0)


def _own_map(s: Setting, name: str, share: float) -> Comparison | None:
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
    return _compared(reference, s.run(made, f"{name}-assisted", f"cnn:paper-{name}"), made)


def narrow(s: Setting) -> Comparison | None:
    """A network of the quiet Sun and one polarity, on a spot of the other: the gate."""
    return _narrow(s, "narrow-gate", Gate())


def narrow_open(s: Setting) -> Comparison | None:
    """The same without the gate: the paper's failure."""
    return _narrow(s, "narrow-open", OPEN)


def _narrow(s: Setting, name: str, gate: Gate) -> Comparison | None:
    made = s.map(SPOT)
    whole, half = s.folder / "sets" / "quiet.zarr", s.folder / "sets" / "quiet-towards.npz"
    if not half.exists():
        whole.parent.mkdir(parents=True, exist_ok=True)
        recipe = Recipe(NARROW, 17, ("quiet",))
        sample(s.cluster(), made.project.plan, recipe, whole, resume=whole.exists())
    if not s.train(one_polarity(whole, half), "narrow", "--no-symmetries", "--one-class"):
        return None
    reference = s.run(made, "reference", "model")
    return _compared(reference, s.run(made, name, "cnn:narrow", gate=gate), made)


def with_sir(s: Setting) -> Comparison | None:
    """SIR itself on a part of the unseen map."""
    if not os.environ.get("STOKESWARM_SIR"):
        s.say("SIR: STOKESWARM_SIR is not set, left out")
        return None
    made = s.map(MAP_B)
    reference = s.run(made, "sir-reference", "model", engine="sir", region=SIR_REGION)
    assisted = s.run(made, "sir-assisted", "cnn:hinode-sp", engine="sir", region=SIR_REGION)
    return _compared(reference, assisted, made)


EXPERIMENTS: Final[dict[str, Callable[[Setting], Comparison | None]]] = {
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


def _compared(reference: Path, other: Path, made: MadeMap) -> Comparison:
    return compare(reference, other, made.truth, log_tau=(0.0, -1.0, -2.0))


def record(found: Comparison, name: str, folder: Path) -> None:
    """Keep what was found."""
    place = folder / "comparisons" / f"{name}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(found.as_dict(), indent=1) + "\n")


__all__ = ["EXPERIMENTS", "REACHED_NOISE", "Setting", "record"]
