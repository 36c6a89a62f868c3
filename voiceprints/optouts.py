"""Who does not want to be enrolled: keyed digests of external ids, which keep a name out of a library or out of all.

The list names nobody: without the key, which the database does not have, an id cannot even be tried against it.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import QuerySet

from tenants.models import Tenant
from voiceprints.errors import OptedOut
from voiceprints.models import OptOut
from voiceprints.results import LibraryKey

LABEL: Final = b"openvpr opt-outs 1"
KEY_BYTES: Final = 32
EVERYWHERE: Final = LibraryKey("")


def refuse(tenant: Tenant, key: LibraryKey, *external_ids: str) -> None:
    """Inside acting_as. Raises OptedOut for any of a few."""
    unwilling = [digest for one in external_ids for digest in blocking(tenant, key, one)]
    if tenant.opt_outs.filter(digest__in=unwilling).exists():
        raise OptedOut


def refuse_any(tenant: Tenant, key: LibraryKey, external_ids: Iterable[str]) -> None:
    """As `refuse` does, of many. Inside acting_as. Raises OptedOut."""
    unwilling = set(tenant.opt_outs.values_list("digest", flat=True))
    if unwilling and any(not unwilling.isdisjoint(blocking(tenant, key, one)) for one in external_ids):
        raise OptedOut


def blocking(tenant: Tenant, key: LibraryKey, external_id: str) -> list[str]:
    """The digests by which somebody of that name would be kept out of the library."""
    return [*digests(tenant, EVERYWHERE, external_id), *digests(tenant, key, external_id)]


def about(tenant: Tenant, external_id: str) -> QuerySet[OptOut]:
    """Those of the name, whatever library they are of. Inside acting_as."""
    libraries = set(tenant.opt_outs.values_list("org_id", "tag_id"))
    known = [digest for names in libraries for digest in digests(tenant, LibraryKey(*names), external_id)]
    found: QuerySet[OptOut] = tenant.opt_outs.filter(digest__in=known)
    return found


def digests(tenant: Tenant, key: LibraryKey, external_id: str) -> list[str]:
    """By the first of the field keys, and by those that were in use before."""
    said = json.dumps([tenant.pk, key.org_id, key.tag_id, external_id]).encode()
    return [hmac.digest(secret, said, "sha256").hex() for secret in _derived(tuple(settings.FIELD_KEYS))]


@cache
def _derived(field_keys: tuple[str, ...]) -> list[bytes]:
    return [
        HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=LABEL).derive(urlsafe_b64decode(key))
        for key in field_keys
    ]
