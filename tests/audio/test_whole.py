"""What an exporter put into several files becomes one file that embeds the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from audio.encoders import WespeakerEncoder
from audio.errors import UnusableModel
from audio.onnx import load_session, sha256_of
from audio.results import Waveform
from audio.whole import whole
from tests.audio.networks import write_network
from tests.audio.recordings import spoken

LOCATION = "m.onnx.data"


@pytest.fixture
def scattered(tmp_path: Path) -> Path:
    """A network whose weights lie beside it."""
    model = onnx.load(write_network(tmp_path / "one.onnx"))
    path = tmp_path / "apart" / "m.onnx"
    path.parent.mkdir()
    onnx.save_model(model, path, save_as_external_data=True, location=LOCATION, size_threshold=0)
    return path


def embedded(path: Path) -> np.ndarray:
    return WespeakerEncoder("m", path, sha256_of(path)).embed(Waveform(spoken("susan", 1)))


def test_it_embeds_as_the_network_that_was_never_taken_apart(scattered: Path, tmp_path: Path) -> None:
    made = whole(scattered, tmp_path / "whole.onnx")
    (scattered.parent / LOCATION).unlink()

    assert made == tmp_path / "whole.onnx"
    assert not any(tensor.external_data for tensor in onnx.load(made).graph.initializer)
    np.testing.assert_array_equal(embedded(made), embedded(tmp_path / "one.onnx"))


def test_every_machine_makes_the_same_file_of_it(scattered: Path, tmp_path: Path) -> None:
    assert sha256_of(whole(scattered, tmp_path / "a")) == sha256_of(whole(scattered, tmp_path / "b"))


def test_nothing_but_the_place_of_the_weights_changes(scattered: Path, tmp_path: Path) -> None:
    expected = onnx.load(scattered)
    for tensor in expected.graph.initializer:
        tensor.ClearField("data_location")

    assert onnx.load(whole(scattered, tmp_path / "whole.onnx")) == expected


def test_weights_in_constants_and_branches_are_brought_in_too(tmp_path: Path) -> None:
    weights = numpy_helper.from_array(np.arange(4000, dtype=np.float32), "weights")
    constant = helper.make_node("Constant", [], ["found"], value=weights)
    branch = helper.make_graph([constant], "branch", [], [_floats("found")])
    choice = helper.make_node("If", ["condition"], ["chosen"], then_branch=branch, else_branch=branch)
    condition = helper.make_tensor_value_info("condition", onnx.TensorProto.BOOL, [])
    graph = helper.make_graph([choice], "graph", [condition], [_floats("chosen")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.save_model(
        model,
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location=LOCATION,
        size_threshold=0,
        convert_attribute=True,
    )
    assert (tmp_path / LOCATION).stat().st_size >= 16_000

    made = whole(tmp_path / "m.onnx", tmp_path / "whole.onnx")
    (tmp_path / LOCATION).unlink()

    (found,) = load_session(made, sha256_of(made)).run(None, {"condition": np.array(True)})
    np.testing.assert_array_equal(found, np.arange(4000))


def _floats(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4000])


def test_a_file_with_all_its_weights_stays_as_it_is(tmp_path: Path) -> None:
    path = write_network(tmp_path / "one.onnx")

    assert whole(path, tmp_path / "whole.onnx") == path
    assert not (tmp_path / "whole.onnx").exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html>Sign in</html>", bytes(1000), b"\xff" * 1000, b":\xff\xff\xff\xff\x0f"]
)
def test_what_is_no_onnx_file_is_left_to_whoever_loads_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)

    assert whole(path, tmp_path / "whole.onnx") == path


def test_weights_that_are_not_there_are_asked_for(scattered: Path, tmp_path: Path) -> None:
    (scattered.parent / LOCATION).unlink()
    with pytest.raises(UnusableModel, match=r"m\.onnx\.data \(no such file or directory\): put that file beside it"):
        whole(scattered, tmp_path / "whole.onnx")


def test_half_the_weights_are_refused(scattered: Path, tmp_path: Path) -> None:
    weights = scattered.parent / LOCATION
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UnusableModel, match=r"m\.onnx\.data has \d+ bytes, and .* looks for weights up to"):
        whole(scattered, tmp_path / "whole.onnx")


@pytest.mark.parametrize("said", [{"offset": "x"}, {"length": "-2"}, {"offset": str(10**30)}, {"length": str(10**15)}])
def test_a_place_where_no_weights_can_be_is_refused(scattered: Path, tmp_path: Path, said: dict[str, str]) -> None:
    refer(scattered, {"location": LOCATION} | said)
    with pytest.raises(UnusableModel, match=r"m\.onnx\.data"):
        whole(scattered, tmp_path / "whole.onnx")


@pytest.mark.parametrize("location", ["", "/etc/passwd", "../one.onnx", "link", "a\0b"])
def test_a_file_elsewhere_is_no_weights(scattered: Path, tmp_path: Path, location: str) -> None:
    (scattered.parent / "link").symlink_to(tmp_path / "one.onnx")
    refer(scattered, {"location": location})

    with pytest.raises(UnusableModel, match="which is not in its folder"):
        whole(scattered, tmp_path / "whole.onnx")
    assert not (tmp_path / "whole.onnx").exists()


def refer(scattered: Path, said: dict[str, str]) -> None:
    """Each tensor to this place."""
    model = onnx.load(scattered, load_external_data=False)
    for tensor in model.graph.initializer:
        del tensor.external_data[:]
        for key, value in said.items():
            tensor.external_data.add(key=key, value=value)
    scattered.write_bytes(model.SerializeToString())
