"""What clients send, in every spelling that is seen in the field."""

import pytest

from api.abcpen import conf
from tests.api.abcpen.client import ILLEGAL, INVALID, fetched, part
from tests.cast import KEN, SUSAN, recording
from tests.shared_data import shared

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(abcpen):
    """susan under tag t1, ken under the empty tag."""
    abcpen.register(recording(SUSAN), SUSAN, tag_id="t1")
    abcpen.register(recording(KEN), KEN, tag_id="")
    return abcpen


def names(reply):
    return [entry["spk_name"] for entry in reply["data"]]


def test_app_id_stands_in_for_an_absent_organisation(two):
    assert two.get("count", app_id="acme")["data"] == {"count": 2}


def test_app_id_stands_in_for_an_empty_organisation(two):
    assert two.get("count", org_id="", app_id="acme")["data"] == {"count": 2}


def test_the_organisation_counts_before_app_id(two):
    assert two.get("count", org_id="acme", app_id="other")["data"] == {"count": 2}


@pytest.mark.parametrize("fields", [{}, {"org_id": ""}, {"org_id": "", "app_id": ""}])
@pytest.mark.parametrize("operation", ["count", "list", "delete-all", "delete-speakers", "voice-url", "del-spk-name"])
def test_some_organisation_is_required(abcpen, operation, fields):
    assert abcpen.get(operation, spk_name="susan", **fields)["code"] == INVALID


def test_without_a_tag_every_tag_is_meant(two):
    assert names(two.get("list", org_id="acme")) == [SUSAN, KEN]


def test_an_empty_tag_means_the_empty_tag(two):
    assert names(two.get("list", org_id="acme", tag_id="")) == [KEN]


def test_without_a_tag_register_uses_the_empty_one(abcpen):
    abcpen.post("register", spk_name="susan", org_id="acme", audio=part(recording(SUSAN)))
    assert abcpen.get("count", org_id="acme", tag_id="")["data"] == {"count": 1}


@pytest.mark.parametrize("operation", ["register", "update"])
@pytest.mark.parametrize("missing", ["spk_name", "audio"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_name_and_audio_are_required(abcpen, operation, missing, how):
    fields = {"spk_name": "susan", "org_id": "acme", "tag_id": "t1", "audio": part(recording(SUSAN))}
    fields |= {missing: ""} if how == "empty" else {}
    sent = {name: value for name, value in fields.items() if name != missing or how == "empty"}
    reply = abcpen.post(operation, **sent)
    assert (reply["code"], reply["msg"]) == (INVALID, f"invalid parameter: {missing}")


def test_an_empty_file_is_no_audio(abcpen):
    assert abcpen.register(b"")["code"] == INVALID


@pytest.mark.parametrize("operation", ["voice-url", "del-spk-name"])
def test_a_name_is_required(abcpen, operation):
    assert abcpen.get(operation, org_id="acme", tag_id="t1", spk_name="")["code"] == INVALID


@pytest.mark.parametrize("spelling", ["spk_name", "spk-name"])
def test_voice_url_takes_both_spellings(two, spelling):
    assert two.get("voice-url", org_id="acme", tag_id="t1", **{spelling: SUSAN})["code"] == "0"


@pytest.mark.parametrize(
    "name",
    ["sunny", "张明", "178fe352-0383-43aa-8a5c-37eb3c51f1c0", "file name.1", "a", "名" * 128, "O'Neil; --", "𝄞"],
)
def test_names_of_all_kinds_are_taken(abcpen, name):
    assert abcpen.register(recording(SUSAN), name)["code"] == "0"
    assert names(abcpen.get("list", org_id="acme")) == [name]


@pytest.mark.parametrize(
    "fields",
    [
        {"spk_name": "a" * 129},
        {"spk_name": "a\nb"},
        {"spk_name": "a\x00b"},
        {"org_id": "a" * 65},
        {"org_id": "a/b"},
        {"org_id": "a\x00"},
        {"tag_id": "t" * 65},
        {"tag_id": "t\x7f"},
    ],
    ids=str,
)
def test_names_out_of_bounds_are_illegal(abcpen, fields):
    assert abcpen.register(recording(SUSAN), **fields)["code"] == ILLEGAL


def test_the_longest_names_are_taken(abcpen):
    assert abcpen.register(recording(SUSAN), "n" * 128, org_id="o" * 64, tag_id="t" * 64)["code"] == "0"


@pytest.mark.parametrize("org_id", ["..", ".", "a\\b", "50%", "名 字", "?#&", "a+b"])
def test_organisations_with_odd_characters_have_recordings_that_can_be_fetched(abcpen, org_id):
    address = abcpen.register(recording(SUSAN), org_id=org_id)["data"]["audio_url"]
    assert fetched(abcpen.client, address).body.startswith(b"fLaC")


@pytest.mark.parametrize("text", ["0", "1", "true", "FALSE", "True", ""])
@pytest.mark.parametrize(
    "field", ["denoise_audio", "denoise_enable", "audio_preprocess", "convert_format", "vad_splits"]
)
def test_switches_are_taken_as_text(abcpen, field, text):
    assert abcpen.recognize(recording(SUSAN), **{field: text})["code"] == "0"


@pytest.mark.parametrize(
    "field", ["denoise_audio", "denoise_enable", "audio_preprocess", "convert_format", "vad_splits"]
)
def test_a_switch_is_no_other_word(abcpen, field):
    assert abcpen.recognize(recording(SUSAN), **{field: "maybe"})["code"] == INVALID


@pytest.mark.parametrize("field", ["offset", "limit"])
@pytest.mark.parametrize("text", ["", "ten", "1.5", "１０", "0x1"])
def test_offset_and_limit_are_integers(abcpen, field, text):
    assert abcpen.get("list", org_id="acme", tag_id="t1", **{field: text})["code"] == INVALID


@pytest.mark.parametrize("fields", [{"offset": -1}, {"limit": 0}, {"limit": -5}, {"offset": 10**40}], ids=str)
def test_offset_and_limit_have_bounds(abcpen, fields):
    assert abcpen.get("list", org_id="acme", tag_id="t1", **fields)["code"] == ILLEGAL


def test_a_limit_above_the_largest_is_lowered(two):
    assert len(two.get("list", org_id="acme", limit=10**20)["data"]) == 2


def test_unknown_fields_are_ignored(two):
    assert two.get("count", org_id="acme", colour="blue")["data"] == {"count": 2}


def test_a_json_content_type_on_a_get_is_ignored(two):
    headers = two.headers() | {"Content-Type": "application/json"}
    assert two.client.get("/voiceid/count?org_id=acme", headers=headers).json()["data"] == {"count": 2}


def test_a_query_that_is_not_encoded_is_read_as_utf8(abcpen):
    abcpen.register(recording(SUSAN), "张 明")
    raw = "org_id=acme&spk_name=张 明".encode().decode("latin-1")
    reply = abcpen.client.get("/voiceid/voice-url", headers=abcpen.headers(), QUERY_STRING=raw)
    assert reply.json()["code"] == "0"


def test_a_text_that_is_not_utf8_is_invalid(abcpen):
    reply = abcpen.client.get("/voiceid/count?org_id=%D5%C5", headers=abcpen.headers())
    assert reply.json()["code"] == INVALID


@pytest.mark.parametrize("content_type", ["audio/*", "application/octet-stream", "text/plain", "image/png"])
def test_the_content_type_of_the_recording_is_not_trusted(abcpen, content_type):
    audio = part(recording(SUSAN), "recording.mp3", content_type)
    assert abcpen.recognize(b"", audio=audio)["code"] == "0"


def test_a_recording_without_a_content_type_is_taken(abcpen):
    form = b'--x\r\nContent-Disposition: form-data; name="org_id"\r\n\r\nacme\r\n'
    form += b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n' + recording(SUSAN)
    reply = abcpen.client.post(
        "/voiceid/recognize",
        form + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
        headers=abcpen.headers(),
    )
    assert reply.json() == {"code": "0", "msg": "success", "data": []}


@pytest.mark.parametrize("name", ["pcm_16k_s16le.pcm"])
def test_headerless_pcm_is_known_by_its_file_name(abcpen, name):
    assert abcpen.recognize(b"", audio=part(shared("formats", name).read_bytes(), name))["code"] == "0"


def test_headerless_pcm_under_another_name_cannot_be_decoded(abcpen):
    content = shared("formats", "pcm_16k_s16le.pcm").read_bytes()
    assert abcpen.recognize(b"", audio=part(content, "sound.wav"))["code"] == "10701"


@pytest.mark.parametrize(
    "name",
    [
        "wav_16k_s16.wav",
        "aiff.aiff",
        "flac_16k.flac",
        "vorbis.ogg",
        "mp3_44k1_128k.mp3",
        "aac_lc.aac",
        "aac_lc.m4a",
        "opus_24k.opus",
    ],
)
def test_every_format_the_vendor_names_is_converted(abcpen, name):
    assert abcpen.recognize(shared("formats", name).read_bytes())["code"] == "0"


def test_the_score_is_the_cosine_times_the_factor(two, monkeypatch):
    hundred = two.recognize(recording(SUSAN, 2))["data"][0]["score"]
    monkeypatch.setattr(conf, "SCORE_FACTOR", 1.0)
    plain = two.recognize(recording(SUSAN, 2))["data"][0]["score"]
    assert hundred == plain * 100
    assert 0.7 < plain < 1.0


def test_a_speaker_recognises_itself_with_the_highest_score(two):
    score = two.recognize(recording(SUSAN))["data"][0]["score"]
    assert score == pytest.approx(100, abs=0.01)


def test_the_score_is_not_rounded(two):
    score = two.recognize(recording(SUSAN, 2))["data"][0]["score"]
    assert score != round(score, 6)


@pytest.mark.parametrize(
    ("query", "deleted"),
    [
        ("speaker=a&speaker=b", 2),
        ("speakers=a&speakers=b", 2),
        ("speaker=a&speakers=b", 2),
        ("speakers=a,b", 2),
        ("speakers=a, b ,", 2),
        ('speakers=["a","b"]', 2),
        ('speaker=["a","b"]', 2),
        ("speaker=a&speaker=a", 1),
        ("speaker=a&speaker=nobody", 1),
        ("speaker=nobody", 0),
        ("speaker=a,b", 0),
        ("speakers=[]", 0),
        ("", 3),
    ],
)
def test_speakers_to_delete_are_listed_in_many_ways(abcpen, query, deleted):
    for name in ["a", "b", "c"]:
        abcpen.register(recording(SUSAN), name)
    reply = abcpen.client.get(f"/voiceid/delete-speakers?org_id=acme&tag_id=t1&{query}", headers=abcpen.headers())
    assert reply.json()["data"] == deleted


@pytest.mark.parametrize("query", ["speaker=", "speakers=", "speakers=,", 'speakers=["a",""]'])
def test_an_empty_name_never_means_everybody(two, query):
    reply = two.client.get(f"/voiceid/delete-speakers?org_id=acme&{query}", headers=two.headers())
    assert reply.json()["code"] == INVALID
    assert two.get("count", org_id="acme")["data"] == {"count": 2}


def test_a_name_with_a_comma_is_deleted_by_its_own_field(abcpen):
    abcpen.register(recording(SUSAN), "Smith, John")
    assert abcpen.get("delete-speakers", org_id="acme", speaker="Smith, John")["data"] == 1
