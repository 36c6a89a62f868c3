"""What an update makes of the rows that are there."""

import pytest
from django.core.management import call_command
from django.db.models import Sum

from tenants.context import acting_as
from tests.cast import LIBRARY, SUSAN, audio
from voiceprints import services

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def updated():
    """The tables as they were, and from the call on as they are."""
    call_command("migrate", "voiceprints", "0007_generations", verbosity=0)
    yield lambda: call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0)


def enrolled(tenant):
    services.enroll(tenant, LIBRARY, SUSAN, [audio(SUSAN), audio(SUSAN, 2)])
    return tenant


@pytest.fixture
def tenants(acme, globex):
    return [enrolled(acme), enrolled(globex)]


def test_every_tenants_voiceprints_learn_how_much_speech_they_are_made_of(tenants, updated):
    updated()
    for tenant in tenants:
        with acting_as(tenant):
            said = tenant.utterances.aggregate(seconds=Sum("speech_seconds"))["seconds"]
            assert said > 0
            assert tenant.voiceprints.get().speech_seconds == pytest.approx(said)
