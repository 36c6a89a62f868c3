"""What every dialect must do, said once in our own words. A dialect supplies a `Speaking` client and its words for no.

A test module of a dialect subclasses `Contract` and overrides `us` and `them`: clients of two tenants, both
talking about a library of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from tests.cast import KEN, SUSAN, recording, silence, wav

TOO_SHORT = wav(bytes(2 * 800))


@dataclass(frozen=True)
class Told:
    """An answer in our words: `outcome` is "done" or the reason, `value` what was asked for."""

    outcome: str
    value: Any = None

    @property
    def done(self) -> bool:
        return self.outcome == "done"


DONE, NOT_FOUND, UNUSABLE_AUDIO, REFUSED, EXISTS = "done", "not found", "unusable audio", "refused", "exists"


class Speaking(Protocol):
    """A dialect's client, in our words."""

    def enroll(self, name: str, *utterances: bytes) -> Told: ...

    def best(self, probe: bytes) -> Told:
        """value: the closest speaker, None when the library has none. By verification where a dialect has no 1:N."""
        ...

    def listed(self) -> Told:
        """value: the names, oldest first."""
        ...

    def counted(self) -> Told: ...

    def delete(self, name: str) -> Told: ...

    def badly_signed(self) -> Told:
        """Any operation, with a signature that is not the key's."""
        ...


class Contract:
    """Each test is one promise; a dialect marks with `skip` those whose operation its vendor does not have."""

    utterances_to_enroll = 1
    enrolling_twice = EXISTS

    @pytest.fixture
    def us(self) -> Speaking:
        raise NotImplementedError

    @pytest.fixture
    def them(self) -> Speaking:
        raise NotImplementedError

    @pytest.fixture
    def enrolled(self, us: Speaking) -> Speaking:
        for voice in [SUSAN, KEN]:
            assert us.enroll(voice, *self.utterances(voice)).done
        return us

    def utterances(self, voice: str) -> list[bytes]:
        return [recording(voice, 1 + number) for number in range(self.utterances_to_enroll)]

    @pytest.mark.parametrize("voice", [SUSAN, KEN])
    def test_an_enrolled_speaker_is_recognised(self, enrolled: Speaking, voice: str) -> None:
        assert enrolled.best(recording(voice, 4)) == Told(DONE, voice)

    def test_nobody_is_recognised_in_an_empty_library(self, us: Speaking) -> None:
        assert us.best(recording(SUSAN)).value is None

    def test_the_enrolled_are_listed(self, enrolled: Speaking) -> None:
        assert enrolled.listed() == Told(DONE, [SUSAN, KEN])

    def test_the_enrolled_are_counted(self, enrolled: Speaking) -> None:
        assert enrolled.counted() == Told(DONE, 2)

    def test_a_deleted_speaker_is_gone(self, enrolled: Speaking) -> None:
        assert enrolled.delete(SUSAN).done
        assert enrolled.listed() == Told(DONE, [KEN])
        assert enrolled.best(recording(SUSAN, 4)).value != SUSAN

    def test_an_unknown_speaker_cannot_be_deleted(self, enrolled: Speaking) -> None:
        assert enrolled.delete("nobody").outcome == NOT_FOUND

    def test_enrolling_twice(self, enrolled: Speaking) -> None:
        assert enrolled.enroll(SUSAN, *self.utterances(SUSAN)).outcome == self.enrolling_twice

    @pytest.mark.parametrize("content", [TOO_SHORT, silence().read(), b"text"], ids=["short", "silent", "no audio"])
    def test_unusable_audio_enrolls_nobody(self, us: Speaking, content: bytes) -> None:
        assert us.enroll(SUSAN, *[content] * self.utterances_to_enroll).outcome == UNUSABLE_AUDIO
        assert us.listed().value == []

    def test_unusable_audio_is_nobody(self, enrolled: Speaking) -> None:
        assert enrolled.best(TOO_SHORT).outcome == UNUSABLE_AUDIO

    def test_a_bad_signature_is_refused(self, enrolled: Speaking) -> None:
        assert enrolled.badly_signed().outcome == REFUSED

    @pytest.mark.usefixtures("enrolled")
    def test_another_tenant_finds_nobody_of_ours(self, them: Speaking) -> None:
        assert them.best(recording(SUSAN, 4)).value is None
        assert them.listed().value == []
        assert them.counted().value == 0

    def test_another_tenant_cannot_delete_ours(self, enrolled: Speaking, them: Speaking) -> None:
        assert them.delete(SUSAN).outcome == NOT_FOUND
        assert enrolled.counted() == Told(DONE, 2)
