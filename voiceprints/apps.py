from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.apps.registry import Apps
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


def write_down_models(sender: AppConfig, using: str, apps: Apps = global_apps, **_: Any) -> None:
    """Rows may only carry a model that the database knows, with its dimension. `apps`: as far as was migrated."""
    kind = apps.get_model(sender.label, "EmbeddingModel")
    columns = {field.name for field in kind._meta.concrete_fields}
    for model in CATALOGUE.values():
        row = {"dimension": model.dimension, "sha256": model.sha256, "engine": model.name}
        known = {name: value for name, value in row.items() if name in columns}
        kind._default_manager.using(using).update_or_create(name=model.name, defaults=known)
