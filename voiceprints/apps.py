from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from audio.catalogue import CATALOGUE


class VoiceprintsConfig(AppConfig):
    name = "voiceprints"
    verbose_name = _("Voiceprints")

    def ready(self) -> None:
        post_migrate.connect(write_down_models, sender=self)
        # A web process sends tasks by name and never loads the decoder and the model that their bodies need.
        if settings.CELERY_TASK_ALWAYS_EAGER:
            import_module("voiceprints.tasks")


def write_down_models(sender: AppConfig, using: str, **_: Any) -> None:
    """Rows may only carry a model that the database knows, with its dimension."""
    known = sender.get_model("EmbeddingModel")._default_manager.using(using)
    for model in CATALOGUE.values():
        row = {"dimension": model.dimension, "sha256": model.sha256, "engine": model.name}
        known.update_or_create(name=model.name, defaults=row)
