"""Where pixels lie on the disc, from the option to the request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.cluster import connect
from stokeswarm.client.observing import observe
from stokeswarm.client.positions import read_position
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.project import Project
from stokeswarm.client.readers import Observation, read
from stokeswarm.client.testing import Script, fake_inversion, small_plan
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, SpectraError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.inversion import InvertRequest
from stokeswarm.contract.sir_files import SirFileError
from stokeswarm.contract.status import ContinuumReference, Status

AXIS = hinode_sp().regions[0].grid()


def stokes(ny: int = 2, nx: int = 3) -> np.ndarray:
    values = np.zeros((ny, nx, 4, AXIS.size), np.float32)
    values[:, :, 0] = 1.0
    return values


def places(ny: int = 2, nx: int = 3) -> np.ndarray:
    y, x = np.mgrid[:ny, :nx]
    return np.stack([0.1 * x, 0.2 * y], axis=-1)


def archive(path: Path, **more: object) -> Path:
    np.savez(path, stokes=stokes(), wavelength=AXIS, reference=np.array("disc-centre"), **more)  # type: ignore[arg-type]
    return path


def test_an_option_in_every_form(tmp_path: Path) -> None:
    assert read_position("0.3,-0.4").tolist() == [0.3, -0.4]
    (tmp_path / "pos.coor").write_text("0.5 0.25 0. 1.95e5\n")
    assert read_position(str(tmp_path / "pos.coor")).tolist() == [0.5, 0.25]
    np.savez(tmp_path / "p.npz", position=places())
    np.testing.assert_array_equal(read_position(str(tmp_path / "p.npz")), places())


@pytest.mark.parametrize("wish", ["north", "0.1", "0.1,0.2,0.3", "0.9,0.9", "nan,0"])
def test_what_is_no_place_is_refused(wish: str) -> None:
    with pytest.raises(InvalidArgumentError, match="position"):
        read_position(wish)


def test_files_that_hold_no_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_position(str(tmp_path / "nowhere.npz"))
    np.savez(tmp_path / "p.npz", place=places())
    with pytest.raises(InvalidArgumentError, match="array 'position'"):
        read_position(str(tmp_path / "p.npz"))
    np.savez(tmp_path / "p.npz", position=places()[..., :1])
    with pytest.raises(InvalidArgumentError, match=r"\(y, x, 2\)"):
        read_position(str(tmp_path / "p.npz"))
    (tmp_path / "p.npz").write_text("no archive")
    with pytest.raises(InvalidArgumentError, match="not a readable"):
        read_position(str(tmp_path / "p.npz"))
    (tmp_path / "a.coor").write_text("0.1,0.2")
    with pytest.raises(SirFileError, match="X, Y, Vx and Vy"):
        read_position(str(tmp_path / "a.coor"))


def requests(observation: Observation, project: Project) -> tuple[list[InvertRequest], np.ndarray]:
    script = Script()
    with fake_inversion(script) as inversion, connect(None, inversion) as cluster:
        tree = cluster.invert(observation, project, wishes=Wishes(init="model:hsra"), tile=(2, 3)).load()
    asked = [request for request in script.requests if isinstance(request, InvertRequest)]
    return asked, tree["fit/status"].values


def test_every_pixel_has_its_own_place_and_angle(tmp_path: Path) -> None:
    observation = read(archive(tmp_path / "o.npz", position=places()))
    (request,), _ = requests(observation, Project(small_plan()))
    assert request.position is not None
    assert request.mu is not None
    np.testing.assert_allclose(request.position, places().reshape(-1, 2))
    np.testing.assert_allclose(request.mu, np.sqrt(1 - np.square(places().reshape(-1, 2)).sum(axis=1)))


def test_a_pixel_off_the_disc_is_invalid_and_stops_nothing(tmp_path: Path) -> None:
    where = places()
    where[0, 1] = (0.9, 0.9)
    where[1, 2] = np.nan
    (request,), status = requests(read(archive(tmp_path / "o.npz", position=where)), Project(small_plan()))
    assert len(request) == 4
    expected = np.full((2, 3), int(Status.OK))
    expected[0, 1] = expected[1, 2] = int(Status.INVALID_INPUT)
    np.testing.assert_array_equal(status, expected)


def test_one_place_for_all_leaves_the_angle_to_the_plan(tmp_path: Path) -> None:
    project = Project(small_plan(), position=np.array([0.6, 0.0]))
    (request,), _ = requests(read(archive(tmp_path / "o.npz")), project)
    assert request.position is not None
    assert request.position.tolist() == [[0.6, 0.0]] * 6
    assert request.mu is None


def test_the_observations_places_come_before_the_projects(tmp_path: Path) -> None:
    project = Project(small_plan(), position=np.array([0.6, 0.0]))
    (request,), _ = requests(read(archive(tmp_path / "o.npz", position=places())), project)
    assert request.position is not None
    np.testing.assert_allclose(request.position, places().reshape(-1, 2))


def test_places_of_another_map_are_refused(tmp_path: Path) -> None:
    project = Project(small_plan(), position=places(5, 5))
    with pytest.raises(InvalidArgumentError, match=r"\(5, 5\) pixels"):
        requests(read(archive(tmp_path / "o.npz")), project)
    with pytest.raises(SpectraError, match="position"):
        Observation(stokes(), AXIS, ContinuumReference.DISC_CENTRE, position=places(5, 5))
    with pytest.raises(InvalidArgumentError, match="position"):
        read(archive(tmp_path / "b.npz", position=np.zeros(3)))


def test_a_crop_takes_them_along(tmp_path: Path) -> None:
    found = read(archive(tmp_path / "o.npz", position=places())).crop(slice(1, 2), slice(0, 2))
    assert found.position is not None
    np.testing.assert_array_equal(found.position, places()[1:2, :2])


def test_without_an_observation_the_project_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match="no observation given"):
        observe(Project(small_plan()))
