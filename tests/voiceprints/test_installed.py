"""The models of an installation: what is on the disk, in the database, and in use."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from audio.errors import ModelMissing, WeightsChanged
from audio.onnx import sha256_of
from audio.store import ENCODERS_KEPT, ModelCard
from tenants.context import acting_as
from tenants.models import Tenant
from tenants.services import create_tenant, default_model
from tests.audio.networks import write_network
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import engines, installed, services
from voiceprints.errors import ModelInUse, ModelUnusable
from voiceprints.models import EmbeddingModel, Speaker, UtteranceEmbedding

pytestmark = pytest.mark.django_db


@pytest.fixture
def weights(tmp_path):
    return write_network(tmp_path / "small.onnx")


def card_of(weights, name="small", dimension=32):
    return ModelCard(name, "wespeaker", dimension, sha256_of(weights), weights.stat().st_size)


@pytest.fixture
def small(weights):
    installed.install(weights, card_of(weights))
    return "small"


@pytest.fixture
def initech(small):
    """A tenant that began when that model was what new tenants begin with."""
    installed.make_default(small)
    return create_tenant("initech").tenant


def enrolled(tenant):
    return services.enroll(tenant, LIBRARY, SUSAN, [audio(SUSAN)])


def test_a_tenants_recordings_are_embedded_with_its_model(initech, acme):
    enrolled(initech)

    with services.acting_as(initech):
        (row,) = UtteranceEmbedding.all_tenants.all()
    heard = services.hear(initech, audio(SUSAN))
    assert (row.model, row.dimension) == ("small", 32)
    np.testing.assert_allclose(heard.embeddings["small"], row.embedding, atol=1e-6)
    assert list(services.hear(acme, audio(SUSAN)).embeddings) == ["small"]


def test_an_encoder_is_loaded_once(small):
    assert engines.encoder(small) is engines.encoder(small)


def test_no_more_encoders_stay_loaded_than_are_needed(tmp_path):
    for number in range(ENCODERS_KEPT + 2):
        weights = write_network(tmp_path / "w.onnx", seed=number)
        installed.install(weights, card_of(weights, f"m{number}"))
        engines.encoder(f"m{number}")

    assert engines._loaded.cache_info().currsize == ENCODERS_KEPT


def test_weights_that_were_exchanged_are_loaded_anew(small, tmp_path):
    before = engines.encoder(small)
    installed.remove(small)
    other = write_network(tmp_path / "other.onnx", dimension=48)
    installed.install(other, card_of(other, dimension=48))

    assert (before.dimension, engines.encoder(small).dimension) == (32, 48)


def test_a_model_that_is_missing_here_fails_the_request_and_is_said_in_one_line(initech, caplog):
    installed.store().remove("small")

    with caplog.at_level(logging.ERROR), pytest.raises(ModelUnusable, match="is not installed on this machine"):
        services.hear(initech, audio(SUSAN))

    (line,) = caplog.messages
    assert "models/small/card.json is missing" in line
    assert "models fetch small" in line


def test_a_card_of_wrong_types_fails_the_request_and_is_named(initech, models_folder, caplog):
    path = models_folder / "small" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dimension": "32", "sha256": 5}))

    with caplog.at_level(logging.ERROR), pytest.raises(ModelUnusable):
        services.hear(initech, audio(SUSAN))

    (line,) = caplog.messages
    assert "small/card.json cannot be read" in line


def test_damaged_weights_fail_the_request_and_are_named(initech, models_folder, caplog):
    (models_folder / "small" / "model.onnx").write_bytes(b"damaged")

    with caplog.at_level(logging.ERROR), pytest.raises(ModelUnusable, match="sha256"):
        services.hear(initech, audio(SUSAN))

    assert "small/model.onnx is not the file with sha256" in caplog.text
    installed.store().install(models_folder.parent / "small.onnx", installed.store().find("small"))
    assert services.hear(initech, audio(SUSAN)).embedding.shape == (32,)


def test_other_weights_than_those_the_database_knows_embed_nothing(initech, tmp_path, caplog):
    installed.store().remove("small")
    other = write_network(tmp_path / "other.onnx", seed=2)
    installed.store().install(other, card_of(other))

    with caplog.at_level(logging.ERROR), pytest.raises(ModelUnusable):
        services.hear(initech, audio(SUSAN))

    assert "install the same file on every machine" in caplog.text


def test_the_same_weights_run_in_another_way_embed_nothing(initech, weights, caplog):
    installed.store().install(weights, replace(card_of(weights), engine="wespeaker-povey"))

    with caplog.at_level(logging.ERROR), pytest.raises(ModelUnusable):
        services.hear(initech, audio(SUSAN))

    assert "engine wespeaker-povey) is not what the database knows as 'small'" in caplog.text


def test_how_weights_are_run_may_be_noted_later(initech):
    EmbeddingModel.objects.update(engine="")
    services.hear(initech, audio(SUSAN))
    installed.register(installed.store().find("small"))

    assert EmbeddingModel.objects.get(pk="small").engine == "wespeaker"


def test_a_worker_notices_within_seconds_that_other_weights_were_registered(initech, monkeypatch):
    monkeypatch.setattr(installed, "FRESH_SECONDS", 0.0)
    services.hear(initech, audio(SUSAN))
    EmbeddingModel.objects.filter(pk="small").update(sha256=64 * "1")

    with pytest.raises(ModelUnusable, match="sha256"):
        services.hear(initech, audio(SUSAN))


def test_nor_is_another_way_to_run_them_written_down_for_vectors_that_are_there(initech, weights):
    enrolled(initech)

    with pytest.raises(WeightsChanged, match=r"2 vectors of 'small'.*under another name"):
        installed.install(weights, replace(card_of(weights), engine="wespeaker-povey"))


def test_other_weights_do_not_take_the_name_of_vectors_that_are_there(initech, tmp_path):
    enrolled(initech)
    installed.store().remove("small")
    other = write_network(tmp_path / "other.onnx", seed=2)

    with pytest.raises(WeightsChanged, match=r"2 vectors of 'small'.*under another name"):
        installed.install(other, card_of(other))

    assert not installed.store().has("small")


def test_a_default_must_be_installed():
    with pytest.raises(ModelMissing):
        installed.make_default("small")

    assert default_model() == "ge2e"


def test_the_bundled_model_can_be_the_default_again(initech):
    installed.make_default("ge2e")

    assert default_model() == "ge2e"


def test_a_model_in_use_is_not_removed(initech):
    enrolled(initech)

    with pytest.raises(ModelInUse) as refused:
        installed.remove("small")

    assert "1 tenant uses it, 2 vectors were made with it, new tenants begin with it" in str(refused.value)
    assert installed.store().has("small")


def test_not_even_by_force_while_there_are_vectors(initech):
    enrolled(initech)

    with pytest.raises(ModelInUse):
        installed.remove("small", force=True)


def test_by_force_its_tenants_go_over_to_another_model(initech):
    initech.other_models = ["ge2e"]
    initech.save()

    installed.remove("small", force=True)

    initech.refresh_from_db()
    assert (initech.models, default_model()) == (("ge2e",), "ge2e")
    assert not installed.store().has("small")
    assert not EmbeddingModel.objects.filter(pk="small").exists()


def test_whom_the_other_model_knows_is_found_after_a_removal_by_force(initech):
    Tenant.objects.filter(pk=initech.pk).update(model="ge2e")
    enrolled(Tenant.objects.get(pk=initech.pk))
    Tenant.objects.filter(pk=initech.pk).update(model="small", other_models=["ge2e"])
    with acting_as(initech):
        initech.speakers.update(status=Speaker.Status.ENROLLING)

    installed.remove("small", force=True)

    tenant = Tenant.objects.get(pk=initech.pk)
    identification = services.identify(tenant, tenant.libraries.all(), audio(SUSAN, 2))
    assert identification.best.speaker.external_id == SUSAN
    with acting_as(tenant):
        assert tenant.speakers.get().enrolled
    # Requests that began before may still want the model, and nothing is dropped under them.
    assert tenant.switched is not None


def test_a_model_that_only_other_machines_have_leaves_the_database_all_the_same(initech):
    installed.store().remove("small")

    installed.remove("small", force=True)

    assert not EmbeddingModel.objects.filter(pk="small").exists()
    with pytest.raises(ModelMissing, match="not installed"):
        installed.remove("small")


def test_the_bundled_model_is_never_removed():
    with pytest.raises(ModelMissing, match="comes with the platform"):
        installed.remove("ge2e", force=True)


def test_what_tenants_use_most_is_loaded_first(acme, initech, globex):
    assert installed.most_used(3) == ["small", "ge2e"]
    assert installed.most_used(1) == ["small"]
