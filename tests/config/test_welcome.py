"""What a start prints about the speaker model."""

import pytest

from config.welcome import welcome
from tenants.services import Provisioned, set_default_model
from voiceprints.models import EmbeddingModel

pytestmark = pytest.mark.django_db


def test_the_bundled_model_is_shown_with_its_error_rate_and_the_way_to_a_better_one():
    said = welcome(Provisioned())

    assert "model      ge2e, equal error rate 3" in said
    assert "docs/models.md says how to move to one of WeSpeaker's" in said


def test_a_model_that_nobody_measured_says_so():
    EmbeddingModel.objects.create(name="ours", dimension=192)
    set_default_model("ours")

    said = welcome(Provisioned())

    assert "model      ours, not measured yet" in said
    assert "ge2e" not in said
