"""What is heard, and the rows of the vendor's error tables about recordings."""

import pytest

from tests.api.jdcloud.client import described
from tests.audio.recordings import converted
from tests.cast import KEN, SUSAN, pcm_of, recording, silence, wav, wav_of
from tests.shared_data import shared

pytestmark = pytest.mark.django_db

MP3 = ("mp3", "libmp3lame")
HEADER, LAYOUT, FORMAT, CODEC, LONG, SHORT = 61004, 61005, 61006, 62001, 61002, 63003
MESSAGES = {
    HEADER: "speech data file header error.",
    LAYOUT: "speech sample rate or channel error.",
    FORMAT: "speech format error.",
    CODEC: "codec error.",
    LONG: "speech data is too long.",
    SHORT: "vpr audio too short.",
}


def enroll(jdcloud, content, container="wav", **options):
    return jdcloud.enroll(content, Property=described(format=container), **options)


def assert_refused(result, status):
    assert (result["status"], result["message"], result["result"]) == (status, MESSAGES[status], [])


def sized(content, size):
    """A wav whose header tells this size, in both places."""
    return content[:4] + size + content[8:40] + size + content[44:]


@pytest.mark.parametrize(("container", "codec"), [("wav", "pcm_s16le"), MP3], ids=["wav", "mp3"])
def test_a_format_is_read(jdcloud, container, codec):
    results = [enroll(jdcloud, converted(recording(SUSAN, number), container, codec), container) for number in (1, 2)]
    assert [result["result"] for result in results] == [[{"text": "enrolling"}], [{"text": "enrlled"}]]
    assert jdcloud.test(wav_of(SUSAN, 3))["result"] == [{"text": "accept"}]
    assert jdcloud.test(wav_of(KEN, 3))["result"] == [{"text": "reject"}]


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("amr_wb.awb", "amr"),
        ("amr_wb_2385.awb", "amr"),
        ("amr_wb_named.amr", "amr"),
        ("mp3_16k_32k.mp3", "mp3"),
        ("mp3_named.wav", "mp3"),
        ("wav_16k_s16.wav", "wav"),
        ("wav_16k_f32.wav", "wav"),
        ("wav_16k_u8.wav", "wav"),
        ("wav_list_chunk_first.wav", "wav"),
        ("wav_streaming_sizes.wav", "wav"),
        ("wav_zero_sizes.wav", "wav"),
    ],
)
def test_formats_in_the_field_are_read(jdcloud, name, container):
    assert enroll(jdcloud, shared("formats", name).read_bytes(), container)["status"] == 0


@pytest.mark.parametrize("size", [b"\x00" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f"])
def test_a_header_need_not_know_its_length(jdcloud, size):
    assert enroll(jdcloud, sized(wav_of(SUSAN), size))["result"] == [{"text": "enrolling"}]


@pytest.mark.parametrize(
    ("name", "container", "status"),
    [
        ("amr_nb_122.amr", "amr", LAYOUT),
        ("mp3_44k1_128k.mp3", "mp3", LAYOUT),
        ("mp3_8k_16k.mp3", "mp3", LAYOUT),
        ("wav_8k_s16.wav", "wav", LAYOUT),
        ("wav_44k1_stereo_s16.wav", "wav", LAYOUT),
        ("mp3_named.wav", "wav", FORMAT),
        ("wav_16k_s16.wav", "mp3", FORMAT),
        ("wav_16k_s16.wav", "amr", FORMAT),
        ("flac_16k.flac", "wav", FORMAT),
        ("aac_lc.m4a", "mp3", FORMAT),
        ("opus_24k.opus", "wav", FORMAT),
    ],
)
def test_another_form_is_refused(jdcloud, name, container, status):
    assert_refused(enroll(jdcloud, shared("formats", name).read_bytes(), container), status)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"x", HEADER),
        (b"this is no recording at all", HEADER),
        (bytes(5000), HEADER),
        (b"RIFF\x00\x00\x00\x00WAVE", HEADER),
        (wav_of(SUSAN)[:20], HEADER),
        (pcm_of(SUSAN), HEADER),
        (converted(recording(SUSAN), rate=8000), LAYOUT),
        (converted(recording(SUSAN), rate=48_000), LAYOUT),
        (converted(recording(SUSAN), layout="stereo"), LAYOUT),
        (converted(recording(SUSAN), *MP3), FORMAT),
        (converted(recording(SUSAN), "flac", "flac"), FORMAT),
        (wav(b""), CODEC),
        (silence(0.1).read(), SHORT),
        (silence(5).read(), SHORT),
        (wav_of(SUSAN)[: 44 + 32 * 300], SHORT),
    ],
    ids=range(15),
)
def test_what_cannot_be_heard_is_refused(jdcloud, content, status):
    assert_refused(enroll(jdcloud, content), status)


def test_half_a_second_of_speech_is_enough(jdcloud):
    """Less than tenants ask for in other dialects."""
    speech = pcm_of(SUSAN)
    assert enroll(jdcloud, wav(speech[: 32 * 1000]))["status"] == 0


def test_a_minute_is_not_too_long_and_more_is(jdcloud):
    spoken = pcm_of(SUSAN)
    minute = spoken + bytes(60 * 32_000 - len(spoken))
    assert enroll(jdcloud, wav(minute))["status"] == 0
    assert_refused(enroll(jdcloud, wav(minute + bytes(320))), LONG)


@pytest.mark.parametrize("size", [b"\x00" * 4, b"\xff" * 4])
def test_a_minute_is_counted_although_the_header_tells_none(jdcloud, size):
    assert_refused(enroll(jdcloud, sized(silence(61).read(), size)), LONG)


def test_a_long_recording_is_refused_whatever_its_format(jdcloud):
    assert_refused(enroll(jdcloud, shared("hostile", "long_61s.mp3").read_bytes(), "mp3"), LONG)


def test_a_stream_that_becomes_too_long_is_refused(jdcloud):
    content = silence(61).read()
    request_id = "a stream of a minute and a second"
    assert enroll(jdcloud, content[:1_000_000], sequence=1, request_id=request_id)["status"] == 0
    assert_refused(jdcloud.send(content[1_000_000:], -2, request_id=request_id), LONG)


def test_a_stream_is_refused_when_its_header_tells_too_much(jdcloud):
    assert_refused(enroll(jdcloud, silence(61).read(), sequence=1), LONG)


@pytest.mark.parametrize("autoend", [True, False])
def test_silence_at_the_ends_does_not_blur_who_speaks(jdcloud, autoend):
    quiet = bytes(10 * 32_000)
    text = described("test", autoend=autoend)
    for number in (1, 2):
        jdcloud.enroll(wav_of(SUSAN, number))
    results = [jdcloud.test(wav(quiet + pcm_of(voice, 3) + quiet), Property=text)["result"] for voice in (SUSAN, KEN)]
    assert results == [[{"text": "accept"}], [{"text": "reject"}]]
