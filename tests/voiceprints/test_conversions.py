"""Checkpoints become models by command, and are served: what clients are told apart by is what the toolkit says."""

from __future__ import annotations

import io
import tarfile
import zipfile

import httpx
import numpy as np
import pytest

from tests.extra import hide_wespeaker, require_wespeaker

require_wespeaker()

from audio import conversion  # noqa: E402
from audio.decode import decode  # noqa: E402
from audio.toolkit import torch, wespeaker  # noqa: E402
from bench.checkpoints import write_checkpoint  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tenants.services import create_tenant, issue_token  # noqa: E402
from tests.api.native.client import EVERYTHING, STAFF, encoded  # noqa: E402
from tests.archives import targz  # noqa: E402
from tests.audio.networks import write_network  # noqa: E402
from tests.cast import recording  # noqa: E402
from tests.ctrl_c import stopped_when  # noqa: E402
from tests.downloads import serving_downloads  # noqa: E402
from tests.model_commands import refusal  # noqa: E402
from tests.shared_data import shared  # noqa: E402
from voiceprints import installed, obtaining, services  # noqa: E402
from voiceprints.management.preparing import prepare  # noqa: E402
from voiceprints.models import EmbeddingModel  # noqa: E402

pytestmark = [pytest.mark.wespeaker, pytest.mark.django_db]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The folder of one of them, made once."""
    made = {}

    def folder(architecture):
        if architecture not in made:
            made[architecture] = write_checkpoint(tmp_path_factory.mktemp("checkpoint"), architecture)
        return made[architecture]

    return folder


@pytest.fixture(autouse=True)
def short_comparisons(monkeypatch):
    """What is compared here for seconds is compared for minutes of speech otherwise."""
    monkeypatch.setattr(conversion, "LONGEST_SECONDS", 2.0)


def test_an_imported_checkpoint_is_installed_with_its_parity_and_provenance(models, checkpoint):
    printed = models(
        "import", checkpoint("ECAPA_TDNN_GLOB_c512"), "--name", "ours", "--licence", "CC BY 4.0", "--language", "en"
    )

    card = installed.store().find("ours")
    assert "lowest cosine 0.99999" in printed or "lowest cosine 1.0000" in printed
    assert f"192 numbers per voice, sha256 {card.sha256}" in printed
    assert (card.engine, card.dimension, card.licence, card.language) == ("wespeaker", 192, "CC BY 4.0", "en")
    assert card.details["architecture"] == "ECAPA_TDNN_GLOB_c512"
    assert card.details["parity"]["lengths"] == 20
    assert set(card.details["made_with"]) == {"torch", "wespeaker-unofficial"}
    assert EmbeddingModel.objects.get(pk="ours").dimension == 192


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_archive_of_a_checkpoint_is_imported_as_its_folder_would_be(models, checkpoint, tmp_path, suffix):
    folder, archive = checkpoint("ECAPA_TDNN_GLOB_c512"), tmp_path / f"model{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for file in folder.iterdir():
                packed.write(file, f"model/{file.name}")
    else:
        with tarfile.open(archive, "w:gz") as packed:
            packed.add(folder, "model")

    models("import", archive, "--name", "packed")

    assert installed.store().find("packed").details["architecture"] == "ECAPA_TDNN_GLOB_c512"


def test_an_archive_that_leads_out_of_its_folder_is_refused(models, tmp_path):
    with tarfile.open(tmp_path / "bad.tar", "w") as packed:
        for name in ("../config.yaml", "avg_model.pt"):
            packed.addfile(tarfile.TarInfo(name), io.BytesIO())

    assert "unsafe name" in refusal(models, "import", tmp_path / "bad.tar", "--name", "bad")
    assert installed.store().names() == ["ge2e"]


@pytest.mark.parametrize("what", ["nowhere", "empty folder", "no archive", "archive of something else"])
def test_what_holds_no_checkpoint_is_refused_in_one_line(models, tmp_path, what):
    source = tmp_path / "source"
    if what == "empty folder":
        source.mkdir()
    if what == "no archive":
        source.write_bytes(b"nothing of the kind")
    if what == "archive of something else":
        with zipfile.ZipFile(source, "w") as packed:
            packed.writestr("readme.txt", "")

    assert refusal(models, "import", source, "--name", "none")


def test_without_the_packages_it_says_how_to_install_them(models, checkpoint, monkeypatch):
    hide_wespeaker(monkeypatch)

    said = refusal(models, "import", checkpoint("ECAPA_TDNN_GLOB_c512"), "--name", "ours")

    assert said == "the package torch is not installed: `make wespeaker` installs what converts models"


@pytest.fixture
def campplus_cn(checkpoint, tmp_path, settings):
    """Who publishes it, as the archive of a checkpoint."""
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as packed:
        packed.add(checkpoint("ECAPA_TDNN_GLOB_c512"), "campplus_cn_common_200k")
    with serving_downloads() as downloads:
        downloads.files["campplus_cn_common_200k.tar.gz"] = (tmp_path / "model.tar.gz").read_bytes()
        settings.MODEL_MIRROR = downloads.address
        yield downloads


def test_a_published_checkpoint_is_fetched_and_converted_at_once(models, campplus_cn, settings):
    assert "lowest cosine" in models("fetch", "campplus-cn")

    assert installed.store().find("campplus-cn").engine == "wespeaker-povey"
    assert not any((settings.MODELS / ".partial").iterdir())


def test_a_start_with_a_published_checkpoint_fetches_and_converts_it_once(campplus_cn, settings):
    assert [prepare("campplus-cn"), prepare("campplus-cn")] == [0, 0]

    assert len(campplus_cn.asked) == 1
    assert installed.store().find("campplus-cn").engine == "wespeaker-povey"
    assert create_tenant("initech").tenant.model == "campplus-cn"
    assert not any((settings.MODELS / ".partial").iterdir())


def test_ctrl_c_while_it_is_converted_says_where_the_checkpoint_lies(models, campplus_cn, settings, monkeypatch):
    folder = settings.MODELS / ".partial" / "campplus-cn"
    monkeypatch.setattr(conversion, "LONGEST_SECONDS", 60.0)

    with stopped_when((folder / "avg_model.pt").exists) as said:
        models("fetch", "campplus-cn")

    again = f"`manage.py models import {folder} --name campplus-cn`"
    assert said == [f"stopped: campplus-cn lies unpacked in {folder}, for {again}"]


def test_a_fetched_checkpoint_that_cannot_become_a_model_leaves_nothing_behind(models, campplus_cn, settings):
    campplus_cn.files["campplus_cn_common_200k.tar.gz"] = targz(
        {"avg_model.pt": b"weights", "config.yaml": b"{model: CAMPPlus, model_args: {feat_dim: 40}}"}
    ).getvalue()

    assert "model_args.feat_dim: 40" in refusal(models, "fetch", "campplus-cn")

    assert not any((settings.MODELS / ".partial").iterdir())


def test_a_published_checkpoint_is_heard_through_the_window_it_was_trained_on(models, checkpoint):
    models("import", checkpoint("ECAPA_TDNN_GLOB_c512"), "--name", "campplus-cn")

    assert installed.store().find("campplus-cn").engine == "wespeaker-povey"


@pytest.fixture
def stored_embedding(live_server):
    """Of an enrollment over HTTP, as a new tenant, of one recording."""

    def enroll(content):
        tenant = create_tenant(f"t{Tenant.objects.count()}").tenant
        _, token = issue_token(tenant, scopes=EVERYTHING)
        reply = httpx.post(
            f"{live_server.url}/api/v1/enroll",
            json=STAFF | {"external_id": "1", "audio": [encoded(content)], "trim_silence": False},
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )
        assert reply.is_success, reply.text
        with services.acting_as(tenant):
            return np.array(tenant.utterance_embeddings.get(model=tenant.model).embedding)

    return enroll


@pytest.fixture
def extracted(monkeypatch):
    """By the package itself. Its own reading of files needs a program that is not there, so it is given the samples."""

    def embedding(checkpoint, content):
        samples = torch.from_numpy(decode(content).samples[None] * np.float32(2**15))
        monkeypatch.setattr(wespeaker.cli.speaker.torchaudio, "load", lambda path, normalize: (samples, 16_000))
        found = wespeaker.load_model(str(checkpoint)).extract_embedding("recording.wav").numpy()
        return found / np.linalg.norm(found)

    return embedding


@pytest.mark.parametrize("architecture", ["CAMPPlus", "ResNet34"])
@pytest.mark.django_db(transaction=True)
def test_what_is_stored_of_an_enrollment_over_http_is_what_the_toolkit_extracts(
    models, checkpoint, stored_embedding, extracted, architecture
):
    models("import", checkpoint(architecture), "--name", "ours")
    models("default", "ours")
    recordings = [recording("klaus", 3), shared("speech", "ls1998", "1998-15444-0001.flac").read_bytes()]

    ours = [stored_embedding(content) for content in recordings]
    theirs = [extracted(checkpoint(architecture), content) for content in recordings]

    for one, other in zip(ours, theirs, strict=True):
        assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
        assert one @ other >= 0.999
    assert ours[0] @ ours[1] < 0.9


def test_a_smaller_form_is_installed_beside_its_original(models, tmp_path):
    obtaining.add(write_network(tmp_path / "small.onnx"), licence="CC0")

    printed = models("quantize", "small", "--to", "float16")

    card = installed.store().find("small-fp16")
    assert "lowest cosine" in printed
    assert (card.source, card.licence, card.dimension) == ("small in float16", "CC0", 32)
    assert card.details["original_sha256"] == installed.store().find("small").sha256


def test_the_bundled_model_is_not_made_smaller(models):
    assert "only those can be made smaller" in refusal(models, "quantize", "ge2e", "--to", "int8")
