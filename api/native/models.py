"""Answers kept for requests that may be repeated."""

from __future__ import annotations

from django.db import models

from tenants.models import AccessToken, Tenant


class KeptAnswer(models.Model):
    """What a request with an Idempotency-Key was answered; without a status it is not answered yet.

    Who is at work on it holds the advisory lock of its number, which the database takes from whoever is gone.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="kept_answers")
    token = models.ForeignKey(AccessToken, models.CASCADE, related_name="kept_answers")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, blank=True)
    """SHA-256, in hex, of what was asked."""
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    expires = models.DateTimeField()

    all_tenants = models.Manager["KeptAnswer"]()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="one_answer_per_token_and_key")]
        indexes = [models.Index(fields=["expires"], name="kept_answers_by_time")]

    def __str__(self) -> str:
        return f"answer {self.pk}"
