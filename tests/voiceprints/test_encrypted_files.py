"""Only the holder of the key reads a file, and whatever was done to it is noticed."""

import io
import os

import pytest

from voiceprints.encrypted_files import (
    MAC_BYTES,
    PIECE_BYTES,
    TAG_BYTES,
    Damaged,
    DecryptingReader,
    EncryptingWriter,
    NoBackup,
    OtherKindOfKey,
    Truncated,
    UnfitKey,
    Unreadable,
    WrongKey,
    key_of_passphrase,
    key_of_text,
    new_key,
)

KEY = key_of_text(new_key())
SEALED_BYTES = PIECE_BYTES + TAG_BYTES
CONTENT = os.urandom(2 * PIECE_BYTES + 1000)


def encrypted(content, key=KEY):
    target = io.BytesIO()
    writer = EncryptingWriter(target, key)
    writer.write(content)
    writer.finish()
    return target.getvalue()


def decrypted(sealed, key=KEY):
    return io.BufferedReader(DecryptingReader(io.BytesIO(sealed), key)).read()


def pieces_of(sealed):
    """The beginning, and each piece."""
    start = sealed.index(b"\n") + 1 + MAC_BYTES
    return [sealed[:start], *(sealed[at : at + SEALED_BYTES] for at in range(start, len(sealed), SEALED_BYTES))]


SEALED = encrypted(CONTENT)


@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
def test_what_was_written_is_read(length):
    assert decrypted(encrypted(CONTENT[:length])) == CONTENT[:length]


def test_a_passphrase_opens_what_it_closed():
    sealed = encrypted(b"voices", key_of_passphrase("correct horse battery"))
    assert decrypted(sealed, key_of_passphrase("correct horse battery")) == b"voices"
    with pytest.raises(WrongKey):
        decrypted(sealed, key_of_passphrase("correct horse batterx"))
    with pytest.raises(OtherKindOfKey):
        decrypted(sealed)


def test_the_same_content_looks_different_each_time_and_nothing_of_it_shows():
    one, another = encrypted(b"voices" * 1000), encrypted(b"voices" * 1000)
    assert b"voices" not in one
    assert pieces_of(one)[1] != pieces_of(another)[1]


def test_another_key_is_refused_before_anything_is_read():
    with pytest.raises(WrongKey):
        DecryptingReader(io.BytesIO(SEALED), key_of_text(new_key()))


@pytest.mark.parametrize("at", [0, 30, 140, 200, len(SEALED) // 2, len(SEALED) - 1])
def test_a_byte_that_was_changed_is_noticed(at):
    spoiled = bytearray(SEALED)
    spoiled[at] ^= 1
    with pytest.raises(Unreadable):
        decrypted(bytes(spoiled))


@pytest.mark.parametrize("length", [0, 10, 150, 200, len(SEALED) // 2, len(SEALED) - 1])
def test_a_file_that_was_cut_off_is_refused(length):
    with pytest.raises(Unreadable):
        decrypted(SEALED[:length])


def test_one_cut_off_between_two_pieces_is_known_to_end_too_early():
    with pytest.raises(Truncated) as caught:
        decrypted(b"".join(pieces_of(SEALED)[:-1]))
    assert caught.value.after_bytes == PIECE_BYTES


def test_pieces_stay_in_their_order_and_their_file():
    beginning, first, second, last = pieces_of(SEALED)
    other = pieces_of(encrypted(CONTENT))
    for spoiled in (
        [beginning, second, first, last],
        [beginning, first, first, second, last],
        [beginning, second, last],
        [beginning, first, other[2], last],
        [beginning, first, second, last, last],
    ):
        with pytest.raises((Damaged, Truncated)):
            decrypted(b"".join(spoiled))


def test_nothing_of_a_piece_is_handed_out_before_it_is_known_to_be_genuine():
    spoiled = bytearray(SEALED)
    spoiled[-1] ^= 1
    reader = DecryptingReader(io.BytesIO(bytes(spoiled)), KEY)
    assert io.BufferedReader(reader).read(2 * PIECE_BYTES) == CONTENT[: 2 * PIECE_BYTES]
    with pytest.raises(Unreadable):
        reader.read(1)


def test_a_pipe_gives_it_in_bits():
    class Pipe(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 1000))

    assert io.BufferedReader(DecryptingReader(Pipe(SEALED), KEY)).read() == CONTENT


def test_what_is_no_backup_is_said_to_be_none():
    for content in (
        b"",
        b"PK\x03\x04",
        b"openvpr-backup-2 {}\n",
        b"openvpr-backup-1 nonsense\n",
        b"openvpr-backup-1 []\n",
    ):
        with pytest.raises(NoBackup):
            decrypted(content)


def test_a_file_cannot_ask_for_years_of_work():
    asked = SEALED.replace(b"{", b'{"scrypt": {"n": 1073741824, "r": 8, "p": 64}, ', 1)
    with pytest.raises(NoBackup):
        decrypted(asked, key_of_passphrase("correct horse battery"))


@pytest.mark.parametrize("text", ["", "short", "A" * 40, "A" * 88, "*" * 44])
def test_a_key_file_that_holds_no_key_is_refused(text):
    with pytest.raises(UnfitKey):
        key_of_text(text)


def test_a_short_passphrase_is_refused():
    with pytest.raises(UnfitKey):
        key_of_passphrase("password")


def test_a_key_does_not_show_itself():
    assert repr(KEY) == "Key(…)"
