"""OPENVPR_MODEL: the model is there, and new tenants begin with it, or the start ends with one line."""

import pytest

from tenants.services import create_tenant, default_model
from tests.archives import targz
from tests.audio.networks import write_network
from tests.downloads import serving_downloads
from tests.extra import hide_wespeaker
from voiceprints import installed
from voiceprints.management.preparing import prepare

pytestmark = pytest.mark.django_db


@pytest.fixture
def downloads(settings, tmp_path):
    with serving_downloads() as downloads:
        downloads.files["voxceleb_CAM%2B%2B_LM.onnx"] = write_network(tmp_path / "n.onnx").read_bytes()
        settings.MODEL_MIRROR = downloads.address
        yield downloads


def test_a_published_model_is_fetched_at_the_first_start_alone(downloads, capsys):
    assert [prepare("campplus-LM"), prepare("campplus-LM")] == [0, 0]

    assert len(downloads.asked) == 1
    assert capsys.readouterr().out == "openvpr: getting the speaker model campplus-LM\n"
    assert create_tenant("initech").tenant.model == "campplus-LM"


def test_a_published_checkpoint_that_cannot_be_converted_here_says_in_one_line_what_to_do(
    settings, capsys, monkeypatch
):
    hide_wespeaker(monkeypatch)
    with serving_downloads() as downloads:
        files = {"avg_model.pt": b"weights", "config.yaml": b"{model: CAMPPlus, model_args: {}}"}
        downloads.files["campplus_cn_common_200k.tar.gz"] = targz(files).getvalue()
        settings.MODEL_MIRROR = downloads.address

        assert prepare("campplus-cn") == 1

    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "`make wespeaker` installs what turns it into a model, then do this again" in said
    assert default_model() == "ge2e"


def test_a_file_is_added_and_may_be_named_again(tmp_path):
    file = write_network(tmp_path / "ours.onnx")

    assert [prepare(str(file)), prepare(str(file)), prepare("ours")] == [0, 0, 0]

    assert default_model() == "ours"


def test_another_file_of_the_same_name_is_refused(tmp_path, capsys):
    prepare(str(write_network(tmp_path / "ours.onnx")))

    assert prepare(str(write_network(tmp_path / "ours.onnx", seed=2))) == 1

    assert "another model is installed as 'ours'" in capsys.readouterr().err


@pytest.mark.parametrize("wanted", ["nobodys-model", "/nowhere/model.onnx", "resnet34"])
def test_what_cannot_be_had_is_said_in_one_line_and_changes_nothing(settings, capsys, wanted):
    settings.MODEL_MIRROR = "http://127.0.0.1:9"

    assert prepare(wanted) == 1

    said = capsys.readouterr().err
    assert said.startswith("openvpr: ")
    assert len(said.splitlines()) == 1
    assert (default_model(), installed.store().names()) == ("ge2e", ["ge2e"])


def test_a_provider_that_is_not_there_is_said(settings, capsys):
    settings.ONNX_PROVIDERS = ["MarsExecutionProvider"]

    assert prepare("") == 1

    assert "no MarsExecutionProvider" in capsys.readouterr().err


def test_the_bundled_model_can_be_asked_for(capsys):
    assert prepare("ge2e") == 0
    assert default_model() == "ge2e"
