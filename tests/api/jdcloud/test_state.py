"""What an utterance goes through, what is counted, and who sees it."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from api.jdcloud import utterances, views
from tenants import metering
from tenants.context import acting_as
from tenants.models import Tenant
from tests.api.failures import failing
from tests.api.jdcloud.client import Jdcloud, halves
from tests.cast import KEN, SUSAN, audio, wav_of
from tests.clock import NEW_YEAR, fixed
from voiceprints import jobs, services
from voiceprints.errors import EngineFailed, TooBusy
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db

DEFAULT = LibraryKey("default")
TAKEN, OVER = 63007, 63009


@pytest.fixture
def clock(monkeypatch):
    """Sets the time, in seconds after a new year."""

    def set_to(seconds):
        monkeypatch.setattr(timezone, "now", fixed(NEW_YEAR + seconds))

    set_to(0)
    return set_to


@pytest.fixture
def enrolled(jdcloud):
    """A client that has enrolled SUSAN as user-0001."""
    assert [enroll(jdcloud, number) for number in (1, 2)] == ["enrolling", "enrlled"]
    return jdcloud


def fresh():
    return str(uuid.uuid4())


def enroll(jdcloud, number, voice=SUSAN, **options):
    return text(jdcloud.enroll(wav_of(voice, number), **options))


def text(result):
    assert result["status"] == 0
    return result["result"][0]["text"]


def statuses(*results):
    return [result["status"] for result in results]


def count(jdcloud, key=DEFAULT, user="user-0001"):
    libraries = jdcloud.tenant.libraries.within(key.org_id, key.tag_id)
    return services.find_speaker(jdcloud.tenant, libraries, user).utterance_count


# --- The enrollment counter ------------------------------------------------------------------------------------------


def test_two_utterances_enroll(jdcloud):
    assert [enroll(jdcloud, number) for number in (1, 2, 3)] == ["enrolling", "enrlled", "enrlled"]
    assert count(jdcloud) == 3


def test_the_second_utterance_is_not_compared_with_the_first(jdcloud):
    assert [enroll(jdcloud, 1), enroll(jdcloud, 1, KEN)] == ["enrolling", "enrlled"]


def test_a_test_says_how_far_the_enrollment_is(jdcloud):
    never = jdcloud.test(wav_of(SUSAN, 3))
    assert (never["status"], never["result"]) == (63004, [{"text": "not_enrolled"}])
    enroll(jdcloud, 1)
    assert text(jdcloud.test(wav_of(SUSAN, 3))) == "enrolling"
    enroll(jdcloud, 2)
    assert text(jdcloud.test(wav_of(SUSAN, 3))) == "accept"
    assert text(jdcloud.test(wav_of(KEN, 3))) == "reject"


def test_a_later_utterance_belongs_to_the_print(enrolled):
    """Another voice's share of the print grows until it is accepted."""
    assert text(enrolled.test(wav_of(KEN, 3))) == "reject"
    for number in (1, 2, 4):
        enroll(enrolled, number, KEN)
    assert text(enrolled.test(wav_of(KEN, 3))) == "accept"


def test_a_failed_utterance_does_not_count(jdcloud, recordings_folder):
    enroll(jdcloud, 1)
    assert jdcloud.enroll(b"no recording")["status"] == 61004
    assert count(jdcloud) == 1
    assert enroll(jdcloud, 2) == "enrlled"
    assert len(list(recordings_folder.rglob("*.flac"))) == 2


def test_a_speaker_enrolled_elsewhere_with_one_utterance_is_enrolled(jdcloud):
    services.enroll(jdcloud.tenant, DEFAULT, "user-0001", [audio(SUSAN)])
    assert text(jdcloud.test(wav_of(SUSAN, 3))) == "accept"
    assert enroll(jdcloud, 2) == "enrlled"
    assert count(jdcloud) == 2


def test_a_speaker_whose_utterances_were_deleted_is_not_enrolled(enrolled):
    with acting_as(enrolled.tenant):
        for utterance in enrolled.tenant.utterances.all():
            services.delete_utterance(enrolled.tenant, utterance.pk)
    assert enrolled.test(wav_of(SUSAN, 3))["status"] == 63004
    assert enroll(enrolled, 1) == "enrolling"


def test_applications_are_libraries_of_their_own(jdcloud):
    enroll(jdcloud, 1, Application_Id="door")
    assert enroll(jdcloud, 2) == "enrolling"
    assert enroll(jdcloud, 2, Application_Id="door") == "enrlled"
    assert jdcloud.test(wav_of(SUSAN, 3), Application_Id="window")["status"] == 63004
    assert count(jdcloud, LibraryKey("door")) == 2


def test_users_do_not_block_each_other(jdcloud):
    assert jdcloud.enroll(wav_of(SUSAN), sequence=1)["status"] == 0
    assert jdcloud.enroll(wav_of(KEN), sequence=1, user="user-0002")["status"] == 0
    assert enroll(jdcloud, 1, KEN, user="user-0003") == "enrolling"


# --- Packets ---------------------------------------------------------------------------------------------------------


def stream(jdcloud, packets, request_id=None, **options):
    """Sends packets of one utterance, the last with a negative number; answers the results."""
    request_id = request_id or fresh()
    numbers = [*range(1, len(packets)), -len(packets)]
    return [
        jdcloud.send(packet, number, request_id=request_id, **options)
        for packet, number in zip(packets, numbers, strict=True)
    ]


def cut(content, *positions):
    ends = [*positions, len(content)]
    return [content[start:end] for start, end in zip([0, *positions], ends, strict=True)]


@pytest.mark.parametrize(
    "positions", [[1], [3, 20, 44], [1000, 1001, 30_001], [50, 50, 60], list(range(2000, 20_000, 2000))]
)
def test_packets_may_be_cut_anywhere(enrolled, positions):
    *earlier, last = stream(enrolled, cut(wav_of(SUSAN, 3), *positions), mode="test")
    assert [(result["status"], result["result"]) for result in earlier] == [(0, [])] * len(positions)
    assert [result["index"] for result in earlier] == list(range(1, len(positions) + 1))
    assert (last["index"], text(last)) == (-1 - len(positions), "accept")


def test_what_is_kept_is_the_joined_recording(jdcloud):
    stream(jdcloud, cut(wav_of(SUSAN, 1), 100, 40_000))
    with acting_as(jdcloud.tenant):
        utterance = jdcloud.tenant.utterances.get()
    assert utterance.duration_seconds == pytest.approx((len(wav_of(SUSAN, 1)) - 44) / 32_000, abs=0.01)


def test_the_last_packet_may_be_empty(jdcloud):
    assert text(stream(jdcloud, [wav_of(SUSAN), b"", b""])[-1]) == "enrolling"


def test_only_the_first_packet_describes(jdcloud):
    """What later ones say of mode, application and format is not looked at."""
    first, second = halves(wav_of(SUSAN))
    request_id = fresh()
    jdcloud.enroll(first, sequence=1, request_id=request_id, Application_Id="door")
    later = jdcloud.send(second, -2, request_id=request_id, Property="no description", Application_Id="w" * 65)
    assert text(later) == "enrolling"
    assert count(jdcloud, LibraryKey("door")) == 1


def test_an_utterance_is_counted_once_however_many_packets_it_came_in(jdcloud):
    first, second = halves(wav_of(SUSAN))
    request_id = fresh()
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    jdcloud.send(second, -2, request_id=request_id)
    jdcloud.test(second, sequence=5, request_id=fresh())
    taken = metering.METER.taken()
    assert {(use.operation, use.outcome): tally.count for use, tally in taken.items()} == {
        ("enroll", "ok"): 1,
        ("unknown", "refused"): 1,
    }


def test_a_packet_out_of_order_does_not_disturb(jdcloud):
    first, second = halves(wav_of(SUSAN))
    request_id = fresh()
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    for sequence in (1, -1, 3, -3, 100, -(10**30), 10**90):
        result = jdcloud.enroll(second, sequence=sequence, request_id=request_id)
        assert (result["status"], result["index"]) == (OVER, sequence)
    assert text(jdcloud.send(second, -2, request_id=request_id, Property=None)) == "enrolling"


@pytest.mark.parametrize("sequence", [2, -2, 3, 99])
def test_an_utterance_begins_with_its_first_packet(jdcloud, sequence):
    request_id = fresh()
    assert jdcloud.send(wav_of(SUSAN), sequence, request_id=request_id)["status"] == OVER
    assert text(jdcloud.send(wav_of(SUSAN), -1, request_id=request_id)) == "enrolling"


@pytest.mark.parametrize("sequence", [1, -1, 2, -2])
def test_a_finished_request_takes_no_more_packets(jdcloud, sequence):
    request_id = fresh()
    enroll(jdcloud, 1, request_id=request_id)
    assert jdcloud.enroll(wav_of(SUSAN), sequence=sequence, request_id=request_id)["status"] == OVER
    assert count(jdcloud) == 1


def test_a_finished_request_is_remembered_for_ten_minutes(jdcloud, clock):
    request_id = fresh()
    enroll(jdcloud, 1, request_id=request_id)
    record = record_of(jdcloud, request_id)
    assert jobs.connection().ttl(record) >= 600
    clock(599)
    assert jdcloud.enroll(wav_of(SUSAN), request_id=request_id)["status"] == OVER


def test_request_ids_belong_to_a_tenant(jdcloud, stranger):
    request_id = fresh()
    first, second = halves(wav_of(SUSAN))
    assert jdcloud.enroll(first, sequence=1, request_id=request_id)["status"] == 0
    assert stranger.enroll(second, sequence=-2, request_id=request_id)["status"] == OVER
    assert text(stranger.enroll(wav_of(SUSAN), request_id=request_id)) == "enrolling"
    assert text(jdcloud.send(second, -2, request_id=request_id)) == "enrolling"


def test_another_tenant_neither_finds_nor_blocks_a_speaker(enrolled, stranger):
    assert enrolled.test(wav_of(SUSAN), sequence=1)["status"] == 0
    assert stranger.test(wav_of(SUSAN, 3))["status"] == 63004
    assert enroll(stranger, 3, KEN) == "enrolling"
    assert count(enrolled) == 2


@pytest.mark.parametrize("sequence", [2, -2])
def test_another_user_ends_the_utterance(jdcloud, sequence):
    request_id = fresh()
    first, second = halves(wav_of(SUSAN))
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    results = [jdcloud.send(second, sequence, request_id=request_id, user=user) for user in ("another", "user-0001")]
    assert statuses(*results) == [61003, OVER]
    assert enroll(jdcloud, 1) == "enrolling"


@pytest.mark.parametrize("sequence", [1, -1, 3, -7])
def test_another_user_out_of_order_does_not_disturb(jdcloud, sequence):
    request_id = fresh()
    first, second = halves(wav_of(SUSAN))
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    assert jdcloud.send(second, sequence, request_id=request_id, user="another")["status"] == 61003
    assert text(jdcloud.send(second, -2, request_id=request_id)) == "enrolling"


@pytest.mark.parametrize(
    "fault",
    [{"user": None}, {"user": ""}, {"user": "u" * 65}, {"content_type": "multipart/form-data; boundary=x"}],
    ids=["no user", "empty user", "long user", "form"],
)
def test_an_unreadable_packet_ends_the_utterance_when_it_was_its_turn(jdcloud, fault):
    first, second = halves(wav_of(SUSAN))
    for sequence, then in [(2, OVER), (3, 0)]:
        request_id = fresh()
        jdcloud.enroll(first, sequence=1, request_id=request_id)
        assert jdcloud.send(second, sequence, request_id=request_id, **fault)["status"] in {61003, 63001}
        assert jdcloud.send(second, -2, request_id=request_id)["status"] == then


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"user": None}, 61003), ({"mode": "foo"}, 63002), ({"content": b""}, 61001), ({"content": b"x"}, 61004)],
    ids=["no user", "mode", "empty", "no recording"],
)
def test_an_error_closes_the_request(jdcloud, fault, status):
    request_id = fresh()
    assert jdcloud.send(**{"content": wav_of(SUSAN)} | fault, request_id=request_id)["status"] == status
    assert jdcloud.send(wav_of(SUSAN), request_id=request_id)["status"] == OVER
    assert enroll(jdcloud, 1) == "enrolling"


def test_a_test_of_somebody_unknown_ends_with_its_first_packet(jdcloud):
    request_id = fresh()
    results = [jdcloud.test(wav_of(SUSAN), sequence=sequence, request_id=request_id) for sequence in (1, -2)]
    assert statuses(*results) == [63004, OVER]
    assert results[0]["index"] == 1


def test_enrolling_is_told_with_the_last_packet(jdcloud):
    enroll(jdcloud, 1)
    first, last = stream(jdcloud, halves(wav_of(SUSAN, 3)), mode="test")
    assert (first["status"], first["result"]) == (0, [])
    assert text(last) == "enrolling"


# --- Time ------------------------------------------------------------------------------------------------------------


def test_a_packet_may_take_a_minute(jdcloud, clock):
    request_id = fresh()
    first, second, third = cut(wav_of(SUSAN), 1000, 2000)
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    clock(59)
    assert jdcloud.send(second, 2, request_id=request_id)["status"] == 0
    clock(118)
    assert text(jdcloud.send(third, -3, request_id=request_id)) == "enrolling"


def test_after_a_minute_without_a_packet_the_utterance_has_expired(jdcloud, clock):
    request_id = fresh()
    first, second = halves(wav_of(SUSAN))
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    clock(61)
    assert jdcloud.send(second, -2, request_id=request_id)["status"] == OVER
    assert not jobs.connection().exists(record_of(jdcloud, request_id).replace(":request:", ":content:"))
    clock(600)
    assert jdcloud.enroll(wav_of(SUSAN), request_id=request_id)["status"] == OVER


def test_an_expired_utterance_no_longer_blocks(jdcloud, clock):
    jdcloud.enroll(wav_of(SUSAN), sequence=1)
    clock(59)
    assert jdcloud.enroll(wav_of(SUSAN))["status"] == TAKEN
    clock(61)
    assert enroll(jdcloud, 1) == "enrolling"


def test_what_a_crash_leaves_expires_in_redis(jdcloud):
    request_id = fresh()
    jdcloud.enroll(wav_of(SUSAN), sequence=1, request_id=request_id)
    record = record_of(jdcloud, request_id)
    redis = jobs.connection()
    assert 600 < redis.ttl(record) <= 60 + 15 * 60
    assert 0 < redis.ttl(record.replace(":request:", ":content:")) <= 61
    assert 0 < redis.ttl(redis.hget(record, "speaker")) <= 61
    assert all(redis.ttl(key) > 0 for key in redis.scan_iter(f"{utterances.PREFIX}:*"))


def test_a_speaker_is_free_again_after_a_crash_while_measuring(jdcloud, clock, settings, monkeypatch):
    """The process that measured is gone, and nobody closed its request."""
    request_id = fresh()
    with monkeypatch.context() as crash:
        crash.setattr(utterances, "_quietly", lambda *_: None)
        crash.setattr(jobs, "analyze", failing(EngineFailed("died")))
        jdcloud.enroll(wav_of(SUSAN), request_id=request_id)
    clock(settings.ANALYSIS_DEADLINE_SECONDS)
    assert jdcloud.enroll(wav_of(SUSAN))["status"] == TAKEN
    clock(60)
    assert enroll(jdcloud, 1) == "enrolling"
    assert jdcloud.enroll(wav_of(SUSAN), request_id=request_id)["status"] == OVER


def record_of(jdcloud, request_id):
    return f"{utterances.PREFIX}:{jdcloud.tenant.pk}:request:{utterances._digest(request_id)}"


# --- One at a time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["enroll", "test"])
@pytest.mark.parametrize("sequence", [1, -1])
def test_an_open_utterance_blocks_others_of_its_speaker(enrolled, mode, sequence):
    first, second = halves(wav_of(SUSAN, 3))
    request_id, other = fresh(), fresh()
    enrolled.test(first, sequence=1, request_id=request_id)
    blocked = enrolled.send(wav_of(SUSAN), sequence, mode=mode, request_id=other)
    assert (blocked["status"], blocked["result"]) == (TAKEN, [])
    assert text(enrolled.send(second, -2, request_id=request_id)) == "accept"
    assert enrolled.send(wav_of(SUSAN), sequence, mode=mode, request_id=other)["status"] == 0


def test_a_speaker_is_free_after_an_error(jdcloud, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(jobs, "analyze", failing(EngineFailed("died")))
        assert jdcloud.enroll(wav_of(SUSAN))["status"] == 62002
    assert enroll(jdcloud, 1) == "enrolling"


@pytest.fixture
def threads(transactional_db, acme_credential):
    """Runs one function per argument at the same moment, each with a client of its own; answers in their order."""

    def run(send, arguments):
        barrier = Barrier(len(arguments))

        def one(argument):
            try:
                barrier.wait(10)
                return send(Jdcloud(Client(), acme_credential), argument)
            finally:
                database.close()

        with ThreadPoolExecutor(len(arguments)) as pool:
            return list(pool.map(one, arguments))

    return run


def test_of_simultaneous_requests_for_one_speaker_one_is_taken(threads):
    results = threads(lambda jdcloud, _: jdcloud.enroll(wav_of(SUSAN), sequence=1), range(8))
    assert sorted(statuses(*results)) == [0, *[TAKEN] * 7]


def test_of_simultaneous_first_packets_of_one_request_one_is_taken(threads):
    request_id = fresh()
    results = threads(
        lambda jdcloud, user: jdcloud.enroll(wav_of(SUSAN), sequence=1, request_id=request_id, user="same"), range(6)
    )
    assert sorted(statuses(*results)) == [0, *[OVER] * 5]


def test_of_simultaneous_next_packets_one_is_taken(threads, acme_credential):
    request_id = fresh()
    packets = cut(wav_of(SUSAN), 1000, 2000)
    Jdcloud(Client(), acme_credential).enroll(packets[0], sequence=1, request_id=request_id)
    results = threads(lambda jdcloud, _: jdcloud.send(packets[1], 2, request_id=request_id), range(6))
    assert sorted(statuses(*results)) == [0, *[OVER] * 5]
    assert text(Jdcloud(Client(), acme_credential).send(packets[2], -3, request_id=request_id)) == "enrolling"


def test_simultaneous_last_packets_make_one_utterance(threads, acme_credential):
    request_id = fresh()
    first, second = halves(wav_of(SUSAN))
    jdcloud = Jdcloud(Client(), acme_credential)
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    results = threads(lambda jdcloud, _: jdcloud.send(second, -2, request_id=request_id), range(6))
    assert sorted(statuses(*results)) == [0, *[OVER] * 5]
    assert count(jdcloud) == 1


def test_different_users_at_once_are_all_taken(threads):
    results = threads(lambda jdcloud, user: jdcloud.enroll(wav_of(SUSAN), user=user), [f"user-{n}" for n in range(4)])
    assert [text(result) for result in results] == ["enrolling"] * 4


def test_a_speaker_being_measured_blocks(transactional_db, acme_credential, monkeypatch):
    measuring, go_on = Event(), Event()
    real = views.services.enroll

    def slow(*args, **kwargs):
        measuring.set()
        assert go_on.wait(10)
        return real(*args, **kwargs)

    def send(user):
        try:
            return Jdcloud(Client(), acme_credential).enroll(wav_of(SUSAN), user=user)
        finally:
            database.close()

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(views.services, "enroll", slow)
        first = pool.submit(send, "one")
        assert measuring.wait(10)
        monkeypatch.setattr(views.services, "enroll", real)
        assert send("one")["status"] == TAKEN
        assert text(send("two")) == "enrolling"
        go_on.set()
        assert text(first.result()) == "enrolling"
    assert text(send("one")) == "enrlled"


# --- Bounds ----------------------------------------------------------------------------------------------------------


def test_a_tenant_has_so_many_streams_at_once(jdcloud, stranger, clock, monkeypatch):
    monkeypatch.setattr(utterances, "STREAMS_PER_TENANT", 3)
    request_ids = [fresh() for _ in range(4)]

    def open_streams(client):
        return [
            client.reply(wav_of(SUSAN), 1, request_id=request_id, user=f"user-{number}").json()["code"]
            for number, request_id in enumerate(request_ids)
        ]

    assert open_streams(jdcloud) == ["10000", "10000", "10000", "10020"]
    assert open_streams(stranger) == ["10000", "10000", "10000", "10020"]
    assert enroll(jdcloud, 1, user="whole file") == "enrolling"

    assert jdcloud.send(b"", -2, request_id=request_ids[0], user="user-0")["status"] == 0
    assert jdcloud.reply(wav_of(SUSAN), 1, request_id=request_ids[3], user="user-3").json()["code"] == "10000"
    clock(61)
    assert jdcloud.reply(wav_of(SUSAN), 1, user="user-5").json()["code"] == "10000"


def test_the_platform_holds_so_many_bytes_of_streams(jdcloud, stranger, clock, settings, monkeypatch):
    monkeypatch.setattr(utterances, "PREFIX", f"test:{fresh()}")
    monkeypatch.setattr(utterances, "TENANTS_SHARE", 1)
    settings.QUEUE_BYTES = 150_000
    request_id = fresh()
    half = bytes(70_000)
    assert jdcloud.reply(half, 1, request_id=request_id, user="a").json()["code"] == "10000"
    assert stranger.reply(half, 1, user="b").json()["code"] == "10000"
    assert stranger.reply(half, 1, user="c").json()["code"] == "10020"
    assert jdcloud.reply(half, 2, request_id=request_id, user="a").json()["code"] == "10020"
    assert jdcloud.send(b"", -3, request_id=request_id, user="a")["status"] == OVER
    assert stranger.reply(half, 1, user="c").json()["code"] == "10000"
    clock(61)
    assert stranger.reply(bytes(140_000), 1, user="d").json()["code"] == "10000"


def test_a_tenant_holds_no_more_than_its_share_of_them(jdcloud, stranger, clock, settings, monkeypatch):
    monkeypatch.setattr(utterances, "PREFIX", f"test:{fresh()}")
    monkeypatch.setattr(utterances, "LARGEST_BYTES", 100_000)
    settings.QUEUE_BYTES = 400_000
    assert jdcloud.reply(bytes(70_000), 1, user="a").json()["code"] == "10000"
    assert jdcloud.reply(bytes(70_000), 1, user="b").json()["code"] == "10020"
    assert stranger.reply(bytes(70_000), 1, user="c").json()["code"] == "10000"


def test_the_last_packet_takes_no_room(jdcloud, clock, settings, monkeypatch):
    monkeypatch.setattr(utterances, "PREFIX", f"test:{fresh()}")
    settings.QUEUE_BYTES = len(wav_of(SUSAN))
    monkeypatch.setattr(utterances, "TENANTS_SHARE", 1)
    request_id = fresh()
    whole = wav_of(SUSAN)
    assert jdcloud.reply(whole[:-10], 1, request_id=request_id, user="a").json()["code"] == "10000"
    assert jdcloud.send(whole[-10:] + bytes(4000), -2, request_id=request_id, user="a")["status"] == 0


def test_an_utterance_has_so_many_bytes(jdcloud, monkeypatch):
    monkeypatch.setattr(utterances, "LARGEST_BYTES", 1000)
    request_id = fresh()
    assert jdcloud.enroll(bytes(1001))["status"] == 61002
    results = [
        jdcloud.send(bytes(size), number, request_id=request_id)
        for number, size in [(1, 600), (2, 400), (3, 1), (-4, 1)]
    ]
    assert statuses(*results) == [0, 0, 61002, OVER]


def test_nothing_of_a_whole_file_is_put_into_redis(jdcloud, monkeypatch):
    monkeypatch.setattr(utterances, "PREFIX", prefix := f"test:{fresh()}")
    enroll(jdcloud, 1)
    redis = jobs.connection()
    assert sum(redis.memory_usage(key) for key in redis.scan_iter(f"{prefix}:*")) < 1000


def test_nothing_of_a_stream_stays_in_redis(jdcloud, monkeypatch):
    monkeypatch.setattr(utterances, "PREFIX", prefix := f"test:{fresh()}")
    request_id = fresh()
    stream(jdcloud, halves(wav_of(SUSAN)), request_id)
    assert [key.decode() for key in jobs.connection().scan_iter(f"{prefix}:*")] == [record_of(jdcloud, request_id)]


def test_overload_is_told_and_the_speaker_is_free_again(jdcloud, monkeypatch):
    with monkeypatch.context() as busy:
        busy.setattr(jobs, "analyze", failing(TooBusy(what="recordings", limit=1)))
        assert jdcloud.reply(wav_of(SUSAN)).json()["code"] == "10020"
    assert enroll(jdcloud, 1) == "enrolling"


def test_a_tenant_that_closes_midway_sends_no_more(jdcloud):
    request_id = fresh()
    first, second = halves(wav_of(SUSAN))
    jdcloud.enroll(first, sequence=1, request_id=request_id)
    Tenant.objects.filter(pk=jdcloud.tenant.pk).update(active=False)
    assert jdcloud.reply(second, -2, request_id=request_id).json()["code"] == "10050"
