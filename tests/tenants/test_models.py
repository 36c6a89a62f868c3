"""Which speaker model a tenant uses."""

import pytest
from django.db import IntegrityError

from tenants.services import create_tenant, set_default_model
from voiceprints.models import EmbeddingModel

pytestmark = pytest.mark.django_db


@pytest.fixture
def another_model():
    return EmbeddingModel.objects.create(name="another", dimension=192)


def test_a_tenant_uses_the_bundled_model_unless_another_was_chosen(acme):
    assert acme.models == ("ge2e",)


def test_a_new_tenant_begins_with_the_default_and_the_others_keep_theirs(acme, another_model):
    set_default_model("another")

    newcomer = create_tenant("initech").tenant
    acme.refresh_from_db()
    assert (newcomer.model, acme.model) == ("another", "ge2e")


def test_a_model_that_nobody_knows_is_nobodys_default():
    with pytest.raises(IntegrityError):
        set_default_model("unheard-of")


def test_a_model_that_nobody_knows_is_no_tenants(acme):
    acme.model = "unheard-of"
    with pytest.raises(IntegrityError):
        acme.save()
