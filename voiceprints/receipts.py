"""Receipts of erasures: what was removed, signed with a key of the installation, so that anybody can check it later.

A receipt names nobody. It holds a salt and a slow digest of the external id: whoever knows the id can show that it is
the one, and whoever does not has to try ids one by one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from django.conf import settings

FORMAT: Final = "openvpr-erasure-receipt"
VERSION: Final = 1
ALGORITHM: Final = "Ed25519"
KEY_BYTES: Final = 32
KEY_ID_DIGITS: Final = 16
SALT_BYTES: Final = 16
# About 50 ms and 16 MiB for each id that somebody tries.
DIGEST: Final = "scrypt-16384-8-1"
SCRYPT: Final[dict[str, int]] = {"n": 16384, "r": 8, "p": 1, "dklen": 32}
LARGEST_RECEIPT_BYTES: Final = 64 * 1024


class ReceiptRefused(Exception):
    """No receipt that can be read, not one of ours, or not as it was when it was signed."""


@dataclass(frozen=True)
class PublicKey:
    """`current`: receipts are signed with its private half; those of the others were signed earlier."""

    id: str
    raw: bytes
    current: bool

    @property
    def algorithm(self) -> str:
        return ALGORITHM

    @property
    def pem(self) -> str:
        return _pem(Ed25519PublicKey.from_public_bytes(self.raw))


def new_salt() -> str:
    return secrets.token_hex(SALT_BYTES)


def new_key() -> str:
    """As OPENVPR_RECEIPT_KEYS holds it."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def digest_of(external_id: str, salt: str) -> str:
    return hashlib.scrypt(external_id.encode(), salt=bytes.fromhex(salt), **SCRYPT).hex()


def signed(said: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt that says this, with its signature."""
    receipt = {"format": FORMAT, "version": VERSION, **said}
    key = _private_keys()[0]
    signature = base64.b64encode(key.sign(canonical(receipt))).decode()
    return {"receipt": receipt, "key": _id_of(key.public_key()), "algorithm": ALGORITHM, "signature": signature}


def public_keys() -> list[PublicKey]:
    """The one that signs first."""
    halves = [key.public_key() for key in _private_keys()]
    return [PublicKey(_id_of(half), half.public_bytes_raw(), number == 0) for number, half in enumerate(halves)]


def key_in(pem: bytes) -> PublicKey:
    """A public key that somebody kept. Raises ReceiptRefused."""
    try:
        half = load_pem_public_key(pem)
    except ValueError:
        raise ReceiptRefused("no public key in PEM") from None
    if not isinstance(half, Ed25519PublicKey):
        raise ReceiptRefused(f"no key of {ALGORITHM}")
    return PublicKey(_id_of(half), half.public_bytes_raw(), current=False)


def read(text: bytes) -> dict[str, Any]:
    """Raises ReceiptRefused."""
    try:
        document = json.loads(text[: LARGEST_RECEIPT_BYTES + 1])
    except ValueError:
        raise ReceiptRefused("no JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("receipt"), dict):
        raise ReceiptRefused("no receipt")
    if document["receipt"].get("format") != FORMAT:
        raise ReceiptRefused("no receipt of an erasure")
    return document


def verify(document: Mapping[str, Any], keys: Iterable[PublicKey]) -> PublicKey:
    """By which of the keys it was signed. Raises ReceiptRefused."""
    named = next((key for key in keys if key.id == document.get("key")), None)
    if named is None:
        raise ReceiptRefused(f"signed with the key {document.get('key')!r}, which is not known here")
    try:
        signature = base64.b64decode(str(document.get("signature")), validate=True)
        Ed25519PublicKey.from_public_bytes(named.raw).verify(signature, canonical(document["receipt"]))
    except (binascii.Error, InvalidSignature):
        raise ReceiptRefused("the signature is not of this text") from None
    return named


def is_about(document: Mapping[str, Any], external_id: str) -> bool:
    """Whether it is the receipt of that id."""
    subject = document["receipt"].get("subject") or {}
    if subject.get("digest_with") != DIGEST:
        return False
    return hmac.compare_digest(digest_of(external_id, subject["salt"]), subject["digest"])


def canonical(receipt: Mapping[str, Any]) -> bytes:
    """What is signed: names in order, no spaces, UTF-8."""
    return json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _private_keys() -> list[Ed25519PrivateKey]:
    return [Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(key)) for key in settings.RECEIPT_KEYS]


def _id_of(half: Ed25519PublicKey) -> str:
    return hashlib.sha256(half.public_bytes_raw()).hexdigest()[:KEY_ID_DIGITS]


def _pem(half: Ed25519PublicKey) -> str:
    return half.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
