"""What is heard in the recordings: known by their content, at 16 kHz mono, with more than half a second of speech."""

import base64
import io
import json

import pytest

from api.iflytek.sniffing import is_container
from tests.api.iflytek.client import SERVICE, read, resource
from tests.audio.recordings import converted
from tests.cast import KEN, SUSAN, pcm_of, silence, wav, wav_of
from tests.shared_data import shared

pytestmark = pytest.mark.django_db

MP3 = ("mp3", "libmp3lame")
BYTES_PER_SECOND = 2 * 16_000
LONGEST_AUDIO = 4_194_304


@pytest.fixture
def heard(iflytek):
    """Of a recording in an encoding: the closest speaker of a group with susan and ken, or the code of the refusal."""
    iflytek.create_group()
    for voice in [SUSAN, KEN]:
        assert iflytek.create(voice, wav_of(voice, 2)).code == 0

    def heard(content, encoding="raw", **declared):
        body = iflytek.body("searchFea", b"", groupId="g1", topK=1)
        body["payload"]["resource"] = resource(content, encoding) | declared
        reply = iflytek.sent(body)
        return reply.result["scoreList"][0]["featureId"] if reply.code == 0 else reply.code

    return heard


@pytest.mark.parametrize("encoding", ["raw", "lame"])
def test_a_wav_file_is_heard_under_every_encoding(heard, encoding):
    assert heard(wav_of(SUSAN), encoding) == SUSAN


@pytest.mark.parametrize("encoding", ["raw", "lame"])
def test_headerless_pcm_is_heard_under_every_encoding(heard, encoding):
    assert heard(pcm_of(KEN), encoding) == KEN


def test_half_a_sample_at_the_end_does_no_harm(heard):
    assert heard(pcm_of(SUSAN) + b"\x00") == SUSAN


@pytest.mark.parametrize("mark", [b"\xff\xfb", b"\xff\xff", b"\xff\xf3"])
def test_headerless_pcm_that_begins_like_an_mp3_is_heard_as_pcm(heard, mark):
    assert heard(mark + pcm_of(SUSAN)[2:]) == SUSAN


def test_an_mp3_is_heard(heard):
    assert heard(converted(wav_of(SUSAN), *MP3), "lame") == SUSAN


def test_an_mp3_without_tags_is_heard(heard):
    content = converted(wav_of(SUSAN), *MP3)
    bare = content[content.index(b"\xff\xf3") :]
    assert not bare.startswith(b"ID3")
    assert heard(bare, "lame") == SUSAN


def test_an_mp3_with_tags_is_heard_although_it_is_called_raw(heard):
    content = converted(wav_of(SUSAN), *MP3)
    assert content.startswith(b"ID3")
    assert heard(content, "raw") == SUSAN


def test_an_mp3_in_a_wav_file_is_heard(heard):
    assert heard(converted(wav_of(SUSAN), "wav", "libmp3lame"), "lame") == SUSAN


@pytest.mark.parametrize(
    ("codec", "file_format"), [("flac", "flac"), ("libopus", "ogg"), ("aac", "mp4"), ("libopus", "webm")]
)
@pytest.mark.parametrize("encoding", ["raw", "lame"])
def test_other_containers_are_invalid_data(heard, file_format, codec, encoding):
    rate = 48_000 if codec == "libopus" else 16_000
    assert heard(converted(wav_of(SUSAN), file_format, codec, rate), encoding) == 10009


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize(("file_format", "codec"), [("wav", "pcm_s16le"), MP3])
def test_another_sample_rate_is_invalid_data(heard, file_format, codec, sample_rate):
    assert heard(converted(wav_of(SUSAN), file_format, codec, sample_rate), "lame") == 10009


@pytest.mark.parametrize(("file_format", "codec"), [("wav", "pcm_s16le"), MP3])
def test_two_channels_are_invalid_data(heard, file_format, codec):
    assert heard(converted(wav_of(SUSAN), file_format, codec, layout="stereo"), "lame") == 10009


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_mulaw"])
def test_a_wav_file_may_have_other_samples(heard, codec):
    assert heard(converted(wav_of(SUSAN), "wav", codec)) == SUSAN


@pytest.mark.parametrize(
    "declared", [{"sample_rate": 8000}, {"sample_rate": "8000"}, {"channels": 2}, {"bit_depth": 8}, {"sample_rate": 0}]
)
def test_headerless_pcm_of_another_layout_is_invalid_data(heard, declared):
    assert heard(pcm_of(SUSAN), **declared) == 10009


def test_what_a_wav_file_says_of_itself_counts_more_than_what_is_said_of_it(heard):
    assert heard(wav_of(SUSAN), sample_rate=8000, channels=2, bit_depth=8) == SUSAN


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.5])
def test_half_a_second_is_too_little(heard, seconds):
    assert heard(pcm_of(SUSAN)[: int(seconds * BYTES_PER_SECOND)]) == 10009


def test_one_second_of_speech_is_enough(heard):
    """A tenant may ask for more elsewhere; the clients of this vendor know of half a second."""
    second = pcm_of(SUSAN)[BYTES_PER_SECOND // 2 : 3 * BYTES_PER_SECOND // 2]
    assert heard(second) in {SUSAN, KEN}


@pytest.mark.parametrize("content", [silence().read(), bytes(3 * BYTES_PER_SECOND), b"\x00", b"RIFF", b"ID3\x03" * 99])
def test_what_nobody_says_is_invalid_data(heard, content):
    assert heard(content, "lame") == 10009


@pytest.mark.parametrize(
    "name",
    [
        "noise_white_5s.wav",
        "random_bytes.wav",
        "random_bytes.mp3",
        "html_named.mp3",
        "png_named.wav",
        "zip_named.wav",
        "text_named.wav",
        "header_only.wav",
        "truncated_header.wav",
        "sample_rate_4GHz.wav",
        "sample_rate_zero.wav",
        "channels_zero.wav",
        "channels_65535.wav",
        "bits_zero.wav",
        "concat_script.wav",
        "hls_playlist.wav",
        "hls_http.m3u8",
        "nan_float.wav",
        "unknown_codec.wav",
        "zero_length.wav",
    ],
)
@pytest.mark.parametrize("encoding", ["raw", "lame"])
def test_hostile_files_are_invalid_data(heard, name, encoding):
    content = shared("hostile", name).read_bytes()
    # Without a byte there is not even a text of Base64.
    assert heard(content, encoding) == (10009 if content else 10163)


def test_the_longest_audio_is_heard(heard, iflytek):
    seconds_of_silence = bytes(LONGEST_AUDIO // 4 * 3 - len(wav_of(SUSAN)) - 2)
    content = wav(pcm_of(SUSAN) + seconds_of_silence)
    text = base64.b64encode(content).decode()
    assert LONGEST_AUDIO - 8 < len(text) <= LONGEST_AUDIO
    assert heard(content) == SUSAN


def test_no_character_more_is_heard(heard, iflytek):
    body = iflytek.body("searchFea", b"", groupId="g1", topK=1)
    body["payload"]["resource"]["audio"] = "A" * LONGEST_AUDIO + "AAAA"
    reply = iflytek.sent(body)
    message = "param validate error:/payload/resource 'audio' param length must be 1 to 4194304"
    assert (reply.code, reply.message) == (10163, message)


@pytest.fixture
def in_chunks(iflytek):
    """The answer to a search whose body tells no length."""

    def in_chunks(audio):
        body = json.dumps(iflytek.body("searchFea", audio, groupId="g1", topK=1)).encode()
        path = f"/v1/private/{SERVICE}?{iflytek.query()}"
        environment = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
        return read(iflytek.client.post(path, content_type="application/json", **environment))

    return in_chunks


def test_a_body_in_chunks_is_heard(heard, in_chunks):
    assert in_chunks(wav_of(SUSAN)).result["scoreList"][0]["featureId"] == SUSAN


def test_a_body_in_chunks_has_the_limit_of_the_platform(heard, in_chunks, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    assert in_chunks(wav_of(SUSAN)).code == 10163


@pytest.mark.parametrize(
    ("content", "believed"),
    [
        (b"\xff\xfb\x90\x00", True),
        (b"\xff\xf3\x48\xc4", True),
        (b"\xff\xe2\x10\x00", True),
        (b"\xff\xff\xff\xff", False),
        (b"\xff\xfb\xf0\x00", False),
        (b"\xff\xf9\x50\x80", False),
        (b"\x00\x00\x00\x00", False),
        (b"\xff\xfb", False),
        (b"", False),
    ],
    ids=repr,
)
def test_an_mp3_frame_is_known_where_one_is_announced(content, believed):
    assert is_container(content, perhaps_mp3=True) is believed
    assert not is_container(content, perhaps_mp3=False)
