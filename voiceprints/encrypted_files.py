"""Files that only the holder of a key can read or could have written, however large, in pieces of a mebibyte.

    header   one line: the name of the format and, as JSON, how the key is made
    mac      32 bytes: HMAC-SHA256 of the header
    pieces   AES-256-GCM of a mebibyte each; the last may be shorter, and is the only one marked as the last

Every file has keys of its own, derived from the given one and a random salt, so nonces can be counted. Pieces that were
changed, moved, left out or added do not open, and a file that was cut off has no last piece. The construction is the
STREAM of Hoang, Reyhanitabar, Rogaway and Vizár (2015), which age and Tink use as well.
"""

from __future__ import annotations

import base64
import hmac
import io
import json
import os
from dataclasses import dataclass
from typing import IO, Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from voiceprints.errors import VoiceprintError

FORMAT: Final = "openvpr-backup-1"
PIECE_BYTES: Final = 1024 * 1024
TAG_BYTES: Final = 16
MAC_BYTES: Final = 32
KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
COUNTER_BYTES: Final = 11
LONGEST_HEADER_BYTES: Final = 1000
SHORTEST_PASSPHRASE: Final = 12
# 128 MiB and a good half second.
SCRYPT: Final = {"n": 2**17, "r": 8, "p": 1}


class Unreadable(VoiceprintError):
    """A file that cannot be opened with the key at hand, or not to its end."""


class NoBackup(Unreadable):
    def __init__(self) -> None:
        super().__init__("this is no backup of OpenVPR, or one in a form that this version does not know")


class OtherKindOfKey(Unreadable):
    def __init__(self, *, passphrase: bool) -> None:
        self.passphrase = passphrase
        super().__init__(f"this backup was made with a {'passphrase' if passphrase else 'key file'}")


class WrongKey(Unreadable):
    def __init__(self) -> None:
        super().__init__("the key does not fit this backup, or its beginning is damaged")


class Damaged(Unreadable):
    """`after_bytes`: how much of its content could be read."""

    def __init__(self, *, after_bytes: int) -> None:
        self.after_bytes = after_bytes
        super().__init__(f"the backup is damaged after {after_bytes} bytes of its content")


class Truncated(Unreadable):
    def __init__(self, *, after_bytes: int) -> None:
        self.after_bytes = after_bytes
        super().__init__(f"the backup ends too early, or its end is damaged, after {after_bytes} bytes of its content")


class UnfitKey(VoiceprintError):
    """What was given cannot serve as a key."""


@dataclass(frozen=True)
class Key:
    """32 random bytes, or a passphrase, which takes its time and memory to be tried."""

    material: bytes
    is_passphrase: bool = False

    def __repr__(self) -> str:
        return "Key(…)"


def new_key() -> str:
    """The text of a key file."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode() + "\n"


def key_of_text(text: str) -> Key:
    """Raises UnfitKey."""
    try:
        material = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        material = b""
    if len(material) != KEY_BYTES:
        raise UnfitKey("a key file holds 32 bytes in base64, as `backup new-key` writes it")
    return Key(material)


def key_of_passphrase(passphrase: str) -> Key:
    """Raises UnfitKey."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise UnfitKey(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
    return Key(passphrase.encode(), is_passphrase=True)


class Target(Protocol):
    """Where it is written to."""

    def write(self, content: bytes, /) -> object: ...


class EncryptingWriter(io.RawIOBase):
    """Encrypts what is written into `target`. Only a file that `finish` was called for is whole."""

    def __init__(self, target: Target, key: Key) -> None:
        super().__init__()
        salt = os.urandom(SALT_BYTES)
        said: dict[str, Any] = {"salt": base64.b64encode(salt).decode()}
        if key.is_passphrase:
            said["scrypt"] = SCRYPT
        header = f"{FORMAT} {json.dumps(said)}\n".encode()
        keys = _Keys.of(key, salt, SCRYPT)
        self._target, self._cipher, self._buffer, self._count = target, AESGCM(keys.pieces), bytearray(), 0
        target.write(header + keys.mac(header))

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._buffer += data
        # The last piece is known as such only at the end.
        while len(self._buffer) > PIECE_BYTES:
            self._put(self._buffer[:PIECE_BYTES], last=False)
            del self._buffer[:PIECE_BYTES]
        return len(data)

    def finish(self) -> None:
        self._put(self._buffer, last=True)
        self._buffer.clear()

    def _put(self, piece: bytearray, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._count, last=last), bytes(piece), None))
        self._count += 1


class DecryptingReader(io.RawIOBase):
    """What an EncryptingWriter was given, each piece once it is known to be genuine. Raises Unreadable."""

    def __init__(self, source: IO[bytes], key: Key) -> None:
        super().__init__()
        header = source.readline(LONGEST_HEADER_BYTES)
        salt, scrypt = _understood(header)
        if key.is_passphrase != bool(scrypt):
            raise OtherKindOfKey(passphrase=bool(scrypt))
        keys = _Keys.of(key, salt, scrypt)
        if not hmac.compare_digest(keys.mac(header), source.read(MAC_BYTES)):
            raise WrongKey
        self._source, self._cipher = source, AESGCM(keys.pieces)
        self._ahead, self._piece, self._count, self._read_bytes = self._sealed(), memoryview(b""), 0, 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._piece and not self._ended:
            self._piece = memoryview(self._next())
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _next(self) -> bytes:
        sealed, self._ahead = self._ahead, self._sealed()
        self._ended = not self._ahead
        piece = self._opened(sealed, last=self._ended)
        if piece is None:
            raise (Truncated if self._ended else Damaged)(after_bytes=self._read_bytes)
        self._count += 1
        self._read_bytes += len(piece)
        return piece

    def _opened(self, sealed: bytes, *, last: bool) -> bytes | None:
        try:
            return self._cipher.decrypt(_nonce(self._count, last=last), sealed, None)
        except (InvalidTag, ValueError):
            return None

    def _sealed(self) -> bytes:
        """Whole, whatever the source is: a pipe gives as much as it has."""
        read = bytearray()
        while len(read) < PIECE_BYTES + TAG_BYTES and (more := self._source.read(PIECE_BYTES + TAG_BYTES - len(read))):
            read += more
        return bytes(read)


@dataclass(frozen=True)
class _Keys:
    header: bytes
    pieces: bytes

    @classmethod
    def of(cls, key: Key, salt: bytes, scrypt: dict[str, int]) -> _Keys:
        master = (
            Scrypt(salt=salt, length=KEY_BYTES, **scrypt).derive(key.material) if key.is_passphrase else key.material
        )
        return cls(*(_derived(master, salt, purpose) for purpose in ("header", "pieces")))

    def mac(self, header: bytes) -> bytes:
        return hmac.digest(self.header, header, "sha256")


def _derived(master: bytes, salt: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=f"{FORMAT} {purpose}".encode()).derive(master)


def _understood(header: bytes) -> tuple[bytes, dict[str, int]]:
    """The salt, and the parameters of scrypt for a passphrase: our own, so that no file makes us work for days."""
    name, _, said = header.partition(b" ")
    if name != FORMAT.encode():
        raise NoBackup
    try:
        told = json.loads(said)
        salt, scrypt = base64.b64decode(told["salt"], validate=True), told.get("scrypt", {})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoBackup from None
    if scrypt not in ({}, SCRYPT):
        raise NoBackup
    return salt, scrypt


def _nonce(count: int, *, last: bool) -> bytes:
    return count.to_bytes(COUNTER_BYTES, "big") + bytes([last])
