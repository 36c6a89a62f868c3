"""What a start prints."""

import pytest

from config.welcome import welcome
from tenants.services import Provisioned, provision, set_default_model
from voiceprints.models import EmbeddingModel

pytestmark = pytest.mark.django_db


def test_the_bundled_model_is_shown_with_its_error_rate_and_the_way_to_a_better_one():
    said = welcome(Provisioned())

    assert "model      ge2e: equal error rate 3.0%, 7.2% false rejects at 1% of false accepts\n" in said
    assert "on speechocean762, 50 adults" in said
    assert "manage.py models fetch resnet34-LM\n" in said


def test_a_model_that_nobody_measured_says_so():
    EmbeddingModel.objects.create(name="ours", dimension=192)
    set_default_model("ours")

    said = welcome(Provisioned())

    assert "model      ours: not measured here\n" in said
    assert "a provisional threshold decides: docs/models.md" in said
    assert "ge2e" not in said


def test_a_published_model_is_shown_with_what_its_publisher_measured():
    EmbeddingModel.objects.create(name="resnet34-LM", dimension=256)
    set_default_model("resnet34-LM")

    assert "not measured here; published equal error rates in percent: Vox1-O/E/H 0.797" in welcome(Provisioned())


def test_what_is_still_starting_is_named():
    assert "  starting   embed-bulk, cleanup: " in welcome(Provisioned(), ["embed-bulk", "cleanup"])
    assert "starting" not in welcome(Provisioned())


def test_the_lines_to_try_are_printed_while_nobody_is_enrolled_by_them():
    assert "curl" in welcome(provision())
    assert "curl" not in welcome(provision())
