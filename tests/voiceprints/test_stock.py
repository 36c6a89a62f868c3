"""What tenants have is counted whatever comes and goes, and nobody comes to have more than they may."""

from __future__ import annotations

import pytest
from django.db.models import Sum

from tenants.context import acting_as, acting_as_platform
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio
from tests.threads import all_at_once
from voiceprints import services, stock
from voiceprints.errors import SpeakersExhausted, StorageExhausted, VoiceprintError
from voiceprints.models import Speaker, StockChange, Utterance
from voiceprints.results import LibraryKey, Turn, WhenEnrolled
from voiceprints.stock import Stock, stock_of

pytestmark = pytest.mark.django_db(transaction=True)


def truly(tenant):
    with acting_as(tenant):
        stored = tenant.utterances.aggregate(total=Sum("size_bytes", default=0))["total"]
        return Stock(tenant.speakers.without_probes().count(), stored)


def enroll(tenant, name, *numbers, **options):
    return services.enroll(tenant, LIBRARY, name, [audio(name, number) for number in numbers or [1]], **options)


def limited(tenant, **limits):
    for field, limit in limits.items():
        setattr(tenant, field, limit)
    tenant.save()
    return tenant


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_whatever_comes_and_goes_is_counted(acme, globex):
    enroll(acme, SUSAN, 1, 2)
    enroll(acme, KEN)
    assert (stock_of(acme), stock_of(globex)) == (truly(acme), Stock(0, 0))
    assert stock_of(acme).speakers == 2
    enroll(acme, KEN, 3, when_enrolled=WhenEnrolled.REPLACE)
    enroll(acme, WEI, 1, required_utterances=3)
    enroll(acme, "susan", 4, when_enrolled=WhenEnrolled.ADD)
    services.enroll(acme, LIBRARY, "probe", [audio(SUSAN, 3)], probe=True)
    assert stock_of(acme) == truly(acme)
    services.delete_speaker(acme, acme.libraries.all(), KEN)
    with acting_as(acme):
        (said, *_) = acme.utterances.filter(speaker__external_id=SUSAN)
    services.delete_utterance(acme, said.pk)
    assert stock_of(acme) == truly(acme)
    services.delete_libraries(acme, acme.libraries.all())
    assert stock_of(acme) == truly(acme) == Stock(0, 0)


def test_a_size_that_is_noted_later_is_counted_then(acme):
    enroll(acme, SUSAN)
    before = stock_of(acme)
    with acting_as(acme):
        acme.utterances.update(size_bytes=None)
        assert stock_of(acme).stored_bytes == 0
        acme.utterances.update(size_bytes=before.stored_bytes)
    assert stock_of(acme) == before


def test_what_is_undone_was_never_there(acme):
    def undo(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        enroll(acme, SUSAN, also=undo)
    assert stock_of(acme) == Stock(0, 0)


def test_one_row_stays_of_many_changes_and_none_of_a_tenant_that_has_nothing(acme, globex):
    for name in (SUSAN, KEN):
        enroll(acme, name)
    enroll(globex, SUSAN)
    services.delete_libraries(globex, globex.libraries.all())
    before = stock_of(acme)
    stock.fold()
    with acting_as_platform():
        assert list(StockChange.all_tenants.values_list("tenant_id", flat=True)) == [acme.pk]
    assert stock_of(acme) == before
    assert stock.fold() == 0


def test_a_tenant_sees_nothing_of_what_another_has(acme, globex):
    enroll(acme, SUSAN)
    with acting_as(globex):
        assert not StockChange.all_tenants.exists()


def test_beyond_its_speakers_a_tenant_enrolls_nobody_else(acme, globex, recordings_folder):
    limited(acme, max_speakers=1)
    enroll(acme, SUSAN)
    kept = files(recordings_folder)
    with pytest.raises(SpeakersExhausted, match="1 speakers"):
        enroll(acme, KEN)
    assert files(recordings_folder) == kept
    assert enroll(globex, KEN)


def test_whoever_is_there_may_say_more_when_there_is_room_for_nobody_else(acme):
    limited(acme, max_speakers=1)
    enroll(acme, SUSAN)
    assert enroll(acme, SUSAN, 2, when_enrolled=WhenEnrolled.ADD)
    assert services.update(acme, LIBRARY, SUSAN, [audio(SUSAN, 3)])
    assert services.enroll(acme, LIBRARY, "probe", [audio(KEN)], probe=True)
    services.delete_speaker(acme, acme.libraries.all(), SUSAN)
    assert enroll(acme, KEN)


def test_nobody_takes_a_first_turn_when_there_is_no_room_and_everybody_the_next(acme):
    limited(acme, max_speakers=1)
    key, within = LibraryKey("0"), acme.libraries.all()
    services.enroll_turn(acme, key, SUSAN, audio(SUSAN, 1), turn=Turn(1, 3), within=within)
    assert services.enroll_turn(acme, key, SUSAN, audio(SUSAN, 2), turn=Turn(2, 3), within=within)
    with pytest.raises(SpeakersExhausted):
        services.enroll_turn(acme, key, KEN, audio(KEN, 1), turn=Turn(1, 3), within=within)


def test_a_recording_for_which_there_is_no_room_is_not_kept(acme, recordings_folder):
    enroll(acme, SUSAN)
    limited(acme, max_storage_bytes=stock_of(acme).stored_bytes + 100)
    with pytest.raises(StorageExhausted):
        enroll(acme, KEN)
    with pytest.raises(StorageExhausted):
        enroll(acme, SUSAN, 2, when_enrolled=WhenEnrolled.ADD)
    assert len(files(recordings_folder)) == 1
    assert stock_of(acme) == truly(acme)


def test_a_full_tenant_still_recognises_and_deletes(acme):
    enroll(acme, SUSAN)
    limited(acme, max_storage_bytes=1, max_speakers=0)
    assert services.verify(acme, acme.libraries.all(), SUSAN, audio(SUSAN, 2)).accepted
    services.delete_speaker(acme, acme.libraries.all(), SUSAN)
    assert stock_of(acme) == Stock(0, 0)


def test_nothing_is_measured_for_a_tenant_that_is_full(acme, monkeypatch):
    enroll(acme, SUSAN)
    limited(acme, max_storage_bytes=1)
    monkeypatch.setattr("voiceprints.tasks.measured", None)
    with pytest.raises(StorageExhausted):
        enroll(acme, KEN)


def test_of_many_at_once_exactly_as_many_are_enrolled_as_may(acme, monkeypatch):
    """What stands before the measuring lets all of them pass: only the transactions meet."""
    limited(acme, max_speakers=5)
    monkeypatch.setattr(stock, "refuse_full", lambda *_, **__: None)
    services.save_library(acme, LIBRARY)

    def enrolling(name):
        return lambda: services.enroll(acme, LIBRARY, name, [audio(SUSAN)]).speaker.external_id

    outcomes = all_at_once(*(enrolling(f"speaker {number}") for number in range(16)))
    assert outcomes.count(SpeakersExhausted) == 11
    assert stock_of(acme) == truly(acme)
    assert stock_of(acme).speakers == 5


def test_of_many_at_once_none_is_stored_beyond_the_room_there_is(acme, monkeypatch):
    size = enroll(acme, SUSAN).utterances[0].size_bytes
    limited(acme, max_storage_bytes=5 * size)
    monkeypatch.setattr(stock, "refuse_full", lambda *_, **__: None)

    def adding():
        services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], when_enrolled=WhenEnrolled.ADD)

    outcomes = all_at_once(*[adding] * 12)
    assert outcomes.count(StorageExhausted) == 8
    assert stock_of(acme) == truly(acme) == Stock(1, 5 * size)


def test_what_is_undone_for_want_of_room_makes_room_for_nobody(acme):
    limited(acme, max_speakers=1)
    enroll(acme, SUSAN)
    for _ in range(3):
        with pytest.raises(VoiceprintError):
            enroll(acme, KEN)
    with acting_as(acme):
        assert Speaker.all_tenants.count() == Utterance.all_tenants.count() == 1
    stock.fold()
    assert stock_of(acme).speakers == 1
