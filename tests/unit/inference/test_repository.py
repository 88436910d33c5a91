"""The model repository: what is found, what wins, and that a broken model is listed with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from stokeswarm.contract.errors import NotFoundError
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.repository import BUNDLED, Repository, default_roots
from stokeswarm.inference.session import SessionOptions
from stokeswarm.inference.testing import linear_card, linear_onnx, write_linear_model


def test_versions_sort_as_numbers_and_later_roots_win(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for version in ("1", "2", "10"):
        write_linear_model(first, "tiny", version)
    replaced = write_linear_model(second, "tiny", "2")
    entries = Repository([first, second]).entries
    assert [entry.version for entry in entries] == ["1", "2", "10"]
    assert entries[1].folder == replaced
    assert Predictor(Repository([first, second])).find("tiny").entry.version == "10"


def test_hidden_folders_and_stray_files_are_no_models(tmp_path: Path) -> None:
    write_linear_model(tmp_path)
    (tmp_path / "..data" / "1").mkdir(parents=True)
    (tmp_path / "tiny" / ".1-staging").mkdir()
    (tmp_path / "README.md").write_text("models")
    assert [entry.name for entry in Repository([tmp_path]).entries] == ["tiny"]


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        Repository([tmp_path / "nowhere"])


def test_bundled_models_come_first_and_can_be_left_out(tmp_path: Path) -> None:
    assert default_roots((tmp_path,), bundled=False) == (tmp_path,)
    assert default_roots((tmp_path,)) == ((BUNDLED, tmp_path) if BUNDLED.is_dir() else (tmp_path,))


def _truncate(folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-100])


def _other_card(folder: Path) -> None:
    (folder / "card.json").write_text(linear_card("other").to_json())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_truncate, "sha256"),
        (_other_card, "describes other/1, expected broken/1"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx is missing"),
        (lambda folder: (folder / "card.json").unlink(), "No such file"),
        (lambda folder: (folder / "card.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "card.json").write_bytes(b"\xff\xfe"), "UTF-8"),
    ],
)
def test_a_damaged_model_is_listed_with_its_reason(tmp_path: Path, damage: object, reason: str) -> None:
    write_linear_model(tmp_path, "good")
    damage(write_linear_model(tmp_path, "broken"))  # type: ignore[operator]
    predictor = Predictor(Repository([tmp_path]))
    info = {model.entry.name: model.info() for model in predictor.models}
    assert info["good"].ready
    assert not info["broken"].ready
    assert reason in info["broken"].message


@pytest.mark.parametrize(
    ("n_wavelength", "n_node", "reason"),
    [(23, 4, "input 'stokes'"), (24, 5, "output 'atmosphere'")],
)
def test_a_network_that_is_not_the_cards_is_not_ready(
    tmp_path: Path, n_wavelength: int, n_node: int, reason: str
) -> None:
    write_linear_model(tmp_path, model=linear_onnx(n_wavelength, n_node))
    info = Predictor(Repository([tmp_path])).models[0].info()
    assert not info.ready
    assert reason in info.message


def _without(output: str) -> bytes:
    """The extended model with one output left out."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(linear_onnx(24, 4, extended=True))
    kept = [node for node in model.graph.output if node.name != output]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return bytes(model.SerializeToString())


def test_errors_of_one_half_of_the_answer_are_not_ready(tmp_path: Path) -> None:
    write_linear_model(tmp_path, model=_without("scalars_error"))
    info = Predictor(Repository([tmp_path])).models[0].info()
    assert not info.ready
    assert "belong together" in info.message
    write_linear_model(tmp_path, "other", model=_without("features"))
    assert Predictor(Repository([tmp_path])).find("other").info().ready


def test_an_output_that_nobody_knows_is_not_ready(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(linear_onnx(24, 4))
    model.graph.output.append(onnx.helper.make_tensor_value_info("absolute", 1, ["batch", 96]))
    write_linear_model(tmp_path, model=model.SerializeToString())
    info = Predictor(Repository([tmp_path])).models[0].info()
    assert not info.ready
    assert "'absolute'" in info.message


def test_bytes_that_are_no_onnx_are_not_ready(tmp_path: Path) -> None:
    write_linear_model(tmp_path, model=b"not a network")
    info = Predictor(Repository([tmp_path])).models[0].info()
    assert not info.ready
    assert "ONNX Runtime refuses" in info.message


def test_a_bad_version_folder_is_listed_not_served(tmp_path: Path) -> None:
    write_linear_model(tmp_path).rename(tmp_path / "tiny" / "latest")
    info = Predictor(Repository([tmp_path])).models[0].info()
    assert (info.version, info.ready) == ("latest", False)
    assert "positive integer" in info.message


def test_the_newest_version_that_works_is_the_default(tmp_path: Path) -> None:
    write_linear_model(tmp_path, "tiny", "1")
    _truncate(write_linear_model(tmp_path, "tiny", "2"))
    assert Predictor(Repository([tmp_path])).find("tiny").entry.version == "1"


def test_a_missing_gpu_is_an_error_where_it_is_required(tmp_path: Path) -> None:
    import onnxruntime

    from stokeswarm.contract.errors import FailedPreconditionError

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    write_linear_model(tmp_path)
    with pytest.raises(FailedPreconditionError, match="a GPU is required"):
        Predictor(Repository([tmp_path]), SessionOptions(require_gpu=True))
