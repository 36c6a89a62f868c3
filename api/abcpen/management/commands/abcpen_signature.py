from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

from django.core.management.base import BaseCommand, CommandParser

from api.abcpen.signature import signature
from tenants.management.base import usable_credential


class Command(BaseCommand):
    help = "Print appid, ts and signa for the query of an ABCPen request. They hold for five minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug of the tenant whose newest credential signs")

    def handle(self, *args: Any, tenant: str, **options: Any) -> str:
        credential = usable_credential(tenant)
        ts = str(int(time.time()))
        signa = signature(credential.key_id, ts, credential.secret)
        return urlencode({"appid": credential.key_id, "ts": ts, "signa": signa})
