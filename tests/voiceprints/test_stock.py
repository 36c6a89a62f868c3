"""What tenants have is counted whatever comes and goes, and nobody comes to have more than they may."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import connection
from django.db.models import Sum

from tenants.context import acting_as, acting_as_platform
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio
from tests.threads import all_at_once
from tests.voiceprints.test_crashes import killed_at
from voiceprints import services, stock
from voiceprints.errors import SpeakersExhausted, StorageExhausted, VoiceprintError
from voiceprints.models import Speaker, StockChange, Utterance
from voiceprints.refusals import in_words
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


# --- Adding up -------------------------------------------------------------------------------------------------------


def changes(tenant, count, **columns):
    """As if so many had come."""
    values = {"speakers": 1, "stored_bytes": 100, "recordings": 1, "audio_milliseconds": 3000} | columns
    with acting_as(tenant):
        StockChange.all_tenants.bulk_create(StockChange(tenant_id=tenant.pk, **values) for _ in range(count))


def sums(tenant):
    """What its changes come to, and how many they are."""
    columns = ("speakers", "stored_bytes", "recordings", "audio_milliseconds")
    with acting_as(tenant):
        said = StockChange.all_tenants.values_list(*columns)
        return tuple(map(sum, zip(*said, strict=True))), len(said)


class Deletions:
    """How many changes each transaction deletes."""

    def __init__(self):
        self.of_transaction = Counter()

    def __call__(self, execute, *arguments):
        before, _ = self._ask()
        result = execute(*arguments)
        deleted, transaction = self._ask()
        self.of_transaction[transaction] += deleted - before
        return result

    @staticmethod
    def _ask():
        # Beneath Django, which would call us again.
        asked = "pg_stat_get_xact_tuples_deleted('voiceprints_stockchange'::regclass), pg_current_xact_id_if_assigned()"
        return connection.connection.execute(f"SELECT {asked}").fetchone()


@pytest.mark.parametrize(("count", "batches"), [(1, []), (2, [2]), (3, [3, 1]), (7, [3, 3, 3, 1]), (8, [3, 3, 3, 2])])
def test_no_transaction_adds_up_more_than_a_few(acme, globex, monkeypatch, count, batches):
    monkeypatch.setattr(stock, "ROWS_AT_ONCE", 3)
    for tenant in (acme, globex):
        changes(tenant, count)
    deletions = Deletions()
    with connection.execute_wrapper(deletions):
        assert stock.fold() == (2 if batches else 0)
    assert [deleted for deleted in deletions.of_transaction.values() if deleted] == 2 * batches
    for tenant in (acme, globex):
        assert sums(tenant) == ((count, 100 * count, count, 3000 * count), 1)


def test_what_comes_to_nobody_and_no_byte_is_added_up_with_its_seconds(acme):
    changes(acme, 1, speakers=0)
    changes(acme, 1, speakers=0, stored_bytes=-100, recordings=-1, audio_milliseconds=-5000)
    stock.fold()
    changes(acme, 1, audio_milliseconds=5000)
    stock.fold()
    assert sums(acme) == ((1, 100, 1, 3000), 1)


def test_killed_at_any_step_the_sums_are_right_and_the_next_goes_on(acme, monkeypatch):
    monkeypatch.setattr(stock, "ROWS_AT_ONCE", 3)
    left = set()
    for step in range(100):
        with acting_as(acme):
            StockChange.all_tenants.all().delete()
        changes(acme, 7)
        died = killed_at(step, stock.fold)
        changes(acme, 1)
        total, rows = sums(acme)
        assert total == (8, 800, 8, 24_000), f"wrong after {step} steps"
        left.add(rows - 1)
        stock.fold()
        assert sums(acme) == (total, 1)
        if not died:
            assert left == {7, 5, 3, 1}
            return
    pytest.fail("it never ended")


def test_what_comes_while_it_is_added_up_is_counted_once(acme, monkeypatch):
    monkeypatch.setattr(stock, "ROWS_AT_ONCE", 5)

    def coming():
        for _ in range(40):
            changes(acme, 3)

    def adding_up():
        for _ in range(20):
            stock.fold()

    all_at_once(coming, coming, adding_up, adding_up)
    assert sums(acme)[0] == (240, 24_000, 240, 720_000)


def test_what_is_not_committed_yet_is_left_to_the_next(acme):
    changes(acme, 2)
    stored, added_up = threading.Event(), threading.Event()

    def coming():
        with acting_as(acme):
            changes(acme, 2)
            stored.set()
            added_up.wait(30)

    def adding_up():
        stored.wait(30)
        try:
            stock.fold()
            return sums(acme)
        finally:
            added_up.set()

    assert all_at_once(coming, adding_up)[1] == ((2, 200, 2, 6000), 1)
    assert sums(acme) == ((4, 400, 4, 12_000), 3)


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


def test_whoever_has_no_room_is_told_how_much_there_is(acme):
    assert "50.0\xa0MB of them" in in_words(StorageExhausted(limit_bytes=50 * 2**20))


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
