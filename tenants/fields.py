"""A text column that the database only ever sees encrypted."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


@cache
def cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


if TYPE_CHECKING:
    TextField = models.TextField[str, str]
else:
    TextField = models.TextField


class EncryptedTextField(TextField):
    """Encrypts with the first of settings.FIELD_KEYS, reads with any of them, so that keys can be rotated."""

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else cipher(tuple(settings.FIELD_KEYS)).encrypt(value.encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return None if value is None else cipher(tuple(settings.FIELD_KEYS)).decrypt(value.encode()).decode()
