"""Projects of the parallel wrapper: every key becomes something, is noted, or is refused by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from stokeswarm.client.check import check
from stokeswarm.client.observing import observe
from stokeswarm.client.plan_files import load_plan
from stokeswarm.client.testing import Script, fake_inversion
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, StokeswarmError
from stokeswarm.contract.inversion import InvertRequest
from stokeswarm.contract.sir_files import SirFileError, format_model, parse_model

from .desire_project import LOG_TAU, guess, write_project

NY, NX = 3, 4
SETTINGS = {
    "n_cores": "8",
    "data": "first.fits,second.fits",
    "coordinates": "1",
    "disk_position": "[0.,0.,0.,0.]",
    "atmospheric_initialization": "single",
    "source_location": "",
    "output_type": "1",
    "email_adress": "",
    "atmospheric_model_header": "1.5 1.0 0.0",
    "debug": "0",
}


def settings_text(**changes: str | None) -> str:
    values = {**SETTINGS, **changes}
    rows = (f"{key}={value}\n" for key, value in values.items() if value is not None)
    return "# 1. cores\n\n" + "".join(rows)


def cube(n: int, seed: int) -> np.ndarray:
    """Stokes of a map, (Stokes, wavelength, y, x), every pixel and sample different."""
    random = np.random.default_rng(seed)
    data = 1e-3 * random.standard_normal((4, n, NY, NX))
    data[0] += 0.9
    return data.astype(np.float32)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with DeSIRe's control file; tests change its settings."""
    run = tmp_path / "project" / "run_files"
    write_project(run)
    (run / "atmos").mkdir()
    (run / "guess.mod").rename(run / "atmos" / "guess.mod")
    (run / "input" / "pos.coor").unlink()
    for name, n, seed in (("first", 21, 1), ("second", 201, 2)):
        fits.writeto(run.parent / f"{name}.fits", cube(n, seed))
    (run.parent / "initialization.input").write_text(settings_text())
    return run.parent


def change(project: Path, **changes: str | None) -> Path:
    path = project / "initialization.input"
    path.write_text(settings_text(**changes))
    return path


def atmospheres(**changes: float) -> np.ndarray:
    """A map of models, (column, depth, y, x): pixel (y, x) is 100 y + 10 x K hotter than the guess."""
    rows = np.array([line.split() for line in format_model(guess()).splitlines()[1:]], float)
    data = np.repeat(rows.T[:, :, None, None], NY * NX, axis=2).reshape(rows.shape[1], -1, NY, NX)
    data[1] += 100.0 * np.arange(NY)[:, None] + 10.0 * np.arange(NX)
    return data


def test_the_whole_project(project: Path) -> None:
    found = load_plan(project / "initialization.input")
    assert found.engine == "desire"
    assert len(found.plan.cycles) == 3
    assert found.position is not None
    assert found.position.tolist() == [0.0, 0.0]
    observation = observe(found)
    assert observation.shape == (NY, NX)
    expected = np.concatenate([cube(21, 1), cube(201, 2)], axis=1)
    np.testing.assert_array_equal(observation.stokes, expected.transpose(2, 3, 0, 1))
    np.testing.assert_allclose(observation.wavelength, found.plan.wavelength)
    assert check(observation, found).errors == []
    notes = " ".join(found.notes)
    assert "n_cores" in notes
    assert "--slots" in notes
    # the folder will do
    assert load_plan(project).plan.cycles == found.plan.cycles


def test_the_command_line_takes_it(project: Path, tmp_path: Path) -> None:
    from stokeswarm.client.cli.app import app

    change(project, coordinates="[1,2,0,1]", output_type="3")
    script = Script(engines=("lte", "desire"))
    with fake_inversion(script) as inversion:
        options = ["invert", "--plan", str(project), "-o", str(tmp_path / "o.zarr"), "--inversion", inversion]
        found = CliRunner().invoke(app, options)
    assert found.exit_code == 0, found.output
    assert "4 of 4 pixels" in found.output
    (request,) = script.requests
    assert isinstance(request, InvertRequest)
    assert request.engine == "desire"
    assert request.all_cycles
    assert sorted(request.pixel.tolist()) == [1, 2, NX + 1, NX + 2]
    checked = CliRunner().invoke(app, ["check", "--plan", str(project)])
    assert checked.exit_code == 0, checked.output


def test_sirs_control_file_gives_the_angle(project: Path, data_dir: Path) -> None:
    run = project / "run_files"
    (run / "inv.dtrol").unlink()
    source = data_dir / "golden/inversion/ex5_straylight"
    for name in ("LINES", "THEVENIN", "SP_ins_prof.psf", "straylight.per", "malla.grid", "guess.mod"):
        for path in source.glob(f"input/*{name}"):
            (run / "input_files").mkdir(exist_ok=True)
            (run / "input_files" / path.name).write_bytes(path.read_bytes())
    text = (source / "run_plain_nodes/inv.trol").read_text()
    (run / "inv.trol").write_text(text)
    position = np.zeros((4, NX, NY))
    position[0] = 0.5
    fits.writeto(project / "place.fits", position)
    change(project, disk_position="place.fits", data="first.fits")
    found = load_plan(project)
    assert found.engine == "sir"
    assert found.position is None
    assert any("SIR takes mu" in note for note in found.notes)


def test_part_of_the_map(project: Path) -> None:
    assert load_plan(change(project, coordinates="[1,3,0,2]")).region == "0:3,1:4"


def test_a_list_of_pixels(project: Path) -> None:
    (project / "run_files" / "pix_coord.txt").write_text("0 2\n2 1\n")
    found = load_plan(change(project, coordinates="2"))
    assert found.region == "0:3,1:3"
    mask = observe(found).mask
    assert mask is not None
    assert np.argwhere(~mask).tolist() == [[0, 2], [2, 1]]


def test_a_map_of_positions_is_turned(project: Path) -> None:
    # the wrapper indexes its map by x first
    data = np.zeros((4, NX, NY), np.float32)
    data[0] = 0.1 * np.arange(NX)[:, None]
    data[1] = 0.2 * np.arange(NY)
    data[0, 2, 1] = -1.0
    fits.writeto(project / "place.fits", data)
    found = load_plan(change(project, disk_position="place.fits"))
    assert found.position is not None
    assert found.position.shape == (NY, NX, 2)
    np.testing.assert_allclose(found.position[2, 3], [0.3, 0.4], atol=1e-6)
    mask = observe(found).mask
    assert mask is not None
    assert np.argwhere(mask).tolist() == [[1, 2]]
    assert any("X < 0" in note for note in found.notes)


def test_an_atmosphere_for_every_pixel(project: Path, tmp_path: Path) -> None:
    from stokeswarm.client.cluster import connect
    from stokeswarm.client.prepare import Wishes

    data = atmospheres()
    data[:, :, 1, 1] = np.nan
    fits.writeto(project / "run_files/atmos/atmos.fits", data)
    found = load_plan(change(project, atmospheric_initialization="atmos"))
    script = Script(engines=("desire",))
    with fake_inversion(script) as inversion, connect(None, inversion) as cluster:
        cluster.invert(observe(found), found, wishes=Wishes(), tile=(NY, NX))
    (request,) = script.requests
    assert isinstance(request, InvertRequest)
    (start,) = request.start
    base = parse_model(format_model(guess()), "guess").temperature[0, 0]
    hotter = (start.temperature[:, 0] - base).reshape(NY, NX)
    np.testing.assert_allclose(hotter[2], [200, 210, 220, 230], atol=0.01)
    # the pixel without an atmosphere takes that of the first
    assert hotter[1, 1] == pytest.approx(0.0, abs=0.01)
    assert (start.macroturbulence == 1.5).all()
    assert request.plan.top_gas_pressure == ()


def test_clusters(project: Path) -> None:
    numbers = np.ones((NX, NY), np.int16)
    numbers[3, 0] = 2
    fits.writeto(project / "run_files/atmos/profile_clustering.fits", numbers)
    for n in (1, 2):
        model = parse_model(format_model(guess()), "m")
        (project / f"run_files/atmos/atmcl{n}.mod").write_text(
            format_model(model).replace(f"{model.temperature[0, 0]:9.2f}", f"{9000 + n:9.2f}")
        )
    found = load_plan(change(project, atmospheric_initialization="yes"))
    assert found.atmospheres is not None
    bottom = found.atmospheres.atmosphere.temperature[:, 0].reshape(NY, NX)
    assert bottom[0, 3] == 9002
    assert (np.delete(bottom.ravel(), 3) == 9001).all()
    numbers[0, 0] = 7
    fits.writeto(project / "run_files/atmos/profile_clustering.fits", numbers, overwrite=True)
    with pytest.raises(NotFoundError, match="atmcl7"):
        load_plan(project)


def test_several_models_are_all_tried(project: Path, tmp_path: Path) -> None:
    from stokeswarm.client.cluster import connect

    for n in (1, 2, 3):
        (project / f"run_files/atmos/atmcl{n}.mod").write_text(format_model(guess()))
    found = load_plan(change(project, atmospheric_initialization="3.9"))
    assert len(found.guesses) == 2
    assert any("R² = 0.9" in note for note in found.notes)
    script = Script(engines=("desire",))
    with fake_inversion(script) as inversion, connect(None, inversion) as cluster:
        cluster.invert(observe(found), found, tile=(NY, NX))
    assert len(script.requests) == 3


def test_a_network(project: Path) -> None:
    assert load_plan(change(project, atmospheric_initialization="nn")).init == "cnn"


def test_a_synthesis_takes_its_atmospheres(project: Path) -> None:
    run = project / "run_files"
    text = (run / "inv.dtrol").read_text().splitlines(keepends=True)
    text[0] = "Number of cycles : 0\n"
    (run / "inv.dtrol").write_text("".join(text))
    fits.writeto(project / "models.fits", atmospheres())
    found = load_plan(change(project, data="models.fits"))
    assert found.plan.cycles == ()
    assert found.atmospheres is not None
    assert found.atmospheres.shape == (NY, NX)
    np.testing.assert_allclose(found.atmospheres.atmosphere.log_tau, LOG_TAU, atol=1e-6)


def test_a_map_of_atmospheres_is_synthesised(project: Path, tmp_path: Path) -> None:
    from stokeswarm.client.cli.app import app

    run = project / "run_files"
    text = (run / "inv.dtrol").read_text().splitlines(keepends=True)
    (run / "inv.dtrol").write_text("".join(["Number of cycles : 0\n", *text[1:]]))
    data = atmospheres()
    data[:, :, 1, 1] = np.nan
    fits.writeto(project / "models.fits", data)
    change(project, data="models.fits", coordinates="[0,3,1,2]")
    script, out = Script(engines=("desire",)), tmp_path / "profiles.npz"
    with fake_inversion(script) as inversion:
        options = ["synthesize", "--plan", str(project), "-o", str(out), "--inversion", inversion]
        found = CliRunner().invoke(app, options)
        assert found.exit_code == 0, found.output
        refused = CliRunner().invoke(app, [*options[:-2], "--mu", "1.0,0.5", "--overwrite"])
        assert refused.exit_code == 2
        assert "rays are those of one model" in " ".join(refused.output.split())
    (request,) = script.requests
    assert len(request) == 7
    with np.load(out) as archive:
        stokes = archive["stokes"]
    assert stokes.shape == (NY, NX, 4, 222)
    # The fake engine's intensity is the temperature at the bottom over 1e4 K.
    np.testing.assert_allclose(stokes[2, :, 0, 0], data[1, 0, 2] / 1e4, rtol=1e-5)
    assert np.isnan(stokes[0]).all()
    assert np.isnan(stokes[1, 1]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_cores": "8", "cores": "9"}, ("cores", "did you mean 'n_cores'")),
        ({"zzz": "9"}, ("zzz", "there are n_cores")),
        ({"data": None}, ("data", "missing")),
        ({"data": ""}, ("data", "FITS files")),
        ({"coordinates": "0"}, ("coordinates", "inverts nothing")),
        ({"coordinates": "[1,2,3]"}, ("coordinates", "[x0,x1,y0,y1]")),
        ({"disk_position": "[1,2]"}, ("disk_position", "[X,Y,Vx,Vy]")),
        ({"atmospheric_initialization": "ne"}, ("atmospheric_initialization", "order of the pixels")),
        ({"atmospheric_initialization": "magic"}, ("atmospheric_initialization", "single, atmos")),
        ({"output_type": "7"}, ("output_type", "1, 2 or 3")),
        ({"depth_s_t": "m"}, ("depth_s_t", "RH alone")),
        ({"run_files": "x"}, ("run_files", "conversions")),
    ],
)
def test_what_has_no_counterpart_is_refused_by_its_key(
    project: Path, changes: dict[str, str | None], words: tuple[str, ...]
) -> None:
    with pytest.raises(SirFileError) as caught:
        load_plan(change(project, **changes))
    for word in ("initialization.input", *words):
        assert word in str(caught.value)


def test_missing_files_are_named(project: Path) -> None:
    with pytest.raises(NotFoundError, match=r"data.*no file 'nowhere\.fits'"):
        load_plan(change(project, data="nowhere.fits"))
    with pytest.raises(NotFoundError, match=r"pix_coord\.txt"):
        load_plan(change(project, coordinates="2"))
    with pytest.raises(StokeswarmError, match="expected one cube a region"):
        observe(load_plan(change(project, data="first.fits")))
    with pytest.raises(StokeswarmError, match=r"second\.fits: region .*expected the shape"):
        observe(load_plan(change(project, data="second.fits,first.fits")))


def test_the_control_file_must_be_one(project: Path) -> None:
    run = project / "run_files"
    (run / "other.dtrol").write_text("x")
    with pytest.raises(SirFileError, match="expected one control file"):
        load_plan(project)
    (run / "other.dtrol").unlink()
    (run / "inv.dtrol").rename(run / "tau.mtrol")
    with pytest.raises(SirFileError, match=r"tau\.mtrol"):
        load_plan(project)
    (run / "tau.mtrol").unlink()
    with pytest.raises(SirFileError, match=r"keyword\.input"):
        load_plan(project)
    (run / "keyword.input").unlink()
    with pytest.raises(NotFoundError, match="no control file"):
        load_plan(project)


def test_pixels_outside_the_map_are_refused(project: Path) -> None:
    (project / "run_files" / "pix_coord.txt").write_text("9 9\n")
    with pytest.raises(InvalidArgumentError, match="does not have"):
        observe(load_plan(change(project, coordinates="2")))
