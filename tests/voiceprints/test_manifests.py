"""Lists of speakers, as people write them and as they should not."""

import csv
import io
import json
import re
from contextlib import nullcontext

import pytest
from django.conf import settings
from django.utils import translation

from tests.archives import csv_manifest
from voiceprints import manifests
from voiceprints.errors import ManifestRefused
from voiceprints.manifests import COLUMNS, EXAMPLE, KNOWN, BadRow, Row, read_rows
from voiceprints.refusals import in_words
from voiceprints.results import LibraryKey

DEFAULT = LibraryKey("org", "tag")


def rows(content, name="list.csv", *, once=True):
    return read_rows(content, name, default=DEFAULT, once=once)


def one(**fields):
    content = json.dumps({"external_id": "ken", "audio": "a.wav"} | fields).encode()
    return rows(content, "list.jsonl")[0]


def test_a_csv_names_its_columns_in_any_order():
    content = csv_manifest('a.wav|b/c.wav,"Ken, the ""first""",o,t,ken', header="audio,info,org_id,tag_id,external_id")
    assert rows(content) == [Row(1, LibraryKey("o", "t"), "ken", 'Ken, the "first"', ("a.wav", "b/c.wav"))]


def test_json_lines_hold_one_or_several_recordings():
    content = b'{"external_id":"ken","audio":"a.wav"}\r\n\n{"external_id":"wei","audio":["b.wav","c.wav"],"info":""}\n'
    assert rows(content, "list.jsonl") == [
        Row(1, DEFAULT, "ken", None, ("a.wav",)),
        Row(2, DEFAULT, "wei", "", ("b.wav", "c.wav")),
    ]


def test_an_empty_cell_stands_for_the_default():
    assert rows(csv_manifest(",ken,a.wav", header="org_id,external_id,audio"))[0].key == DEFAULT


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter():
    assert rows(b"\xef\xbb\xbf" + csv_manifest("ken,a.wav").replace(b"\n", b"\r\n"))[0].external_id == "ken"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_columns_may_stand_between_semicolons(line_end):
    content = csv_manifest('ken;a.wav|b.wav;"Ken; a, b"', header="external_id;audio;info").replace(
        b"\n", line_end.encode()
    )
    assert rows(content) == [Row(1, DEFAULT, "ken", "Ken; a, b", ("a.wav", "b.wav"))]


def test_a_semicolon_between_commas_is_text():
    assert rows(csv_manifest("k;en,a;b.wav"))[0] == Row(1, DEFAULT, "k;en", None, ("a;b.wav",))


def test_a_csv_in_another_encoding_is_refused_with_what_to_save_it_as():
    with pytest.raises(ManifestRefused) as refusal:
        rows("external_id,audio\nZoë,a.wav\n".encode("latin-1"))
    assert in_words(refusal.value) == "The list cannot be used: it is not UTF-8; save it as CSV UTF-8."
    with translation.override("zh-hans"):
        assert in_words(refusal.value) == "名单无法使用：不是 UTF-8 编码；请另存为“CSV UTF-8”格式。"


@pytest.mark.parametrize("field", ["external_id", "org_id", "tag_id"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [("\u200b", "it shows nothing"), ("a\u202eb", "it holds characters that turn others around")],
)
def test_names_that_nobody_could_see_are_refused_line_by_line(field, name, reason):
    bad = one(**{field: name})
    assert isinstance(bad, BadRow)
    assert (bad.problem.field, bad.problem.reason) == (field, reason)


def test_a_line_that_is_refused_is_told_under_its_own_library():
    assert one(org_id="other", tag_id="guests", audio="/etc/passwd").key == LibraryKey("other", "guests")
    assert one(audio="/etc/passwd").key == DEFAULT


def test_names_are_any_script():
    assert rows(csv_manifest("张明,录音.wav"))[0] == Row(1, DEFAULT, "张明", None, ("录音.wav",))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "a.csv"),
        (b"\n\n", "a.jsonl"),
        (b"external_id,audio\n", "a.csv"),
        (b"external_id\nken\n", "a.csv"),
        (b"external_id,audio,audio\n", "a.csv"),
        (b"external_id,audio,voice\n", "a.csv"),
        (b"external_id,audio\n\xff,a.wav\n", "a.csv"),
        (b'external_id,audio\n"ken,a.wav\n', "a.csv"),
        (b"external_id,audio\n" + b"x" * 200_000 + b",a.wav\n", "a.csv"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole(content, name):
    with pytest.raises(ManifestRefused):
        rows(content, name)


def test_a_list_of_more_lines_than_any_is_refused(monkeypatch):
    monkeypatch.setattr(manifests, "MOST_ROWS", 2)
    with pytest.raises(ManifestRefused, match="more than 2 lines"):
        rows(csv_manifest("a,a", "b,b", "c,c"))


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{",
        "NaN",
        "1" * 5000,
        "[" * 100_000,
        '{"external_id":"a","external_id":"b","audio":"c"}',
        '{"external_id":"a","audio":"c","info":NaN}',
    ],
    ids=range(7),
)
def test_what_is_no_json_object_spoils_its_own_line_alone(line):
    bad, good = rows(line.encode() + b'\n{"external_id":"ken","audio":"a.wav"}', "list.jsonl")
    assert (bad.number, bad.problem.field) == (1, "line")
    assert good.external_id == "ken"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"external_id": ""}, "external_id"),
        ({"external_id": "  "}, "external_id"),
        ({"external_id": None}, "external_id"),
        ({"external_id": True}, "external_id"),
        ({"external_id": 7}, "external_id"),
        ({"external_id": "x" * 129}, "external_id"),
        ({"external_id": "a\x00b"}, "external_id"),
        ({"external_id": "\ud800"}, "external_id"),
        ({"org_id": "x" * 65}, "org_id"),
        ({"org_id": ["org"]}, "org_id"),
        ({"tag_id": "\n"}, "tag_id"),
        ({"info": "x" * 4097}, "info"),
        ({"info": "\x00"}, "info"),
        ({"audio": ""}, "audio"),
        ({"audio": []}, "audio"),
        ({"audio": [1]}, "audio"),
        ({"audio": ["a.wav"] * 21}, "audio"),
        ({"audio": "../a.wav"}, "audio"),
        ({"audio": "/a.wav"}, "audio"),
        ({"audio": "a\x00.wav"}, "audio"),
        ({"voice": "a"}, "line"),
        ({"\ud800": "a"}, "line"),
    ],
)
def test_a_field_that_cannot_be_meant_spoils_its_line(fields, field):
    bad = one(**fields)
    assert isinstance(bad, BadRow)
    assert bad.problem.field == field


def test_info_may_have_several_lines():
    assert one(info="a\n\tb\r\n").info == "a\n\tb\r\n"


def test_a_line_of_other_columns_than_the_header_spoils_itself():
    assert [type(row) for row in rows(csv_manifest("ken", "wei,a.wav", "a,b,c"))] == [BadRow, Row, BadRow]


def test_a_second_line_about_a_speaker_is_refused_unless_it_adds():
    content = csv_manifest("ken,a.wav", "ken,b.wav", "wei,c.wav")
    assert [type(row) for row in rows(content)] == [Row, BadRow, Row]
    assert [type(row) for row in rows(content, once=False)] == [Row, Row, Row]


def test_the_same_name_in_another_library_is_somebody_else():
    content = csv_manifest("o,ken,a.wav", "p,ken,b.wav", header="org_id,external_id,audio")
    assert [type(row) for row in rows(content)] == [Row, Row]


@pytest.mark.parametrize(
    ("column", "quoted"), [("file", "'file'"), ("it's 7", '"it\'s 7"'), ("7'\"", "'7\\'\"'"), ("2nd\\", "'2nd\\\\'")]
)
def test_an_unknown_column_is_refused_with_those_that_are_known(column, quoted):
    known = f"unknown column {quoted}; known are {KNOWN}"
    header = io.StringIO()
    csv.writer(header).writerow(["external_id", column])
    with pytest.raises(ManifestRefused, match=re.escape(known)) as refusal:
        rows(csv_manifest("susan,a.wav", header=header.getvalue().strip()))
    with translation.override("zh-hans"):
        said = in_words(refusal.value)
    assert said == f"名单无法使用：没有名为 {quoted} 的列；可用的列有 {'，'.join(column.name for column in COLUMNS)}。"


def test_an_unknown_field_is_refused_with_those_that_are_known():
    problem = one(file="a.wav").problem
    assert f"known are {KNOWN}" in str(problem)
    with translation.override("zh-hans"):
        assert "可用的字段有 external_id，audio，org_id，tag_id，info" in in_words(problem)


def test_the_example_is_a_list_that_can_be_read():
    found = rows(EXAMPLE.encode())
    assert [type(row) for row in found] == [Row, Row]
    assert EXAMPLE.splitlines()[0].split(",") == [column.name for column in COLUMNS]


def test_what_is_said_to_be_required_is():
    for column in COLUMNS:
        others = [other.name for other in COLUMNS if other is not column]
        content = csv_manifest(",".join("x" for _ in others), header=",".join(others))
        with pytest.raises(ManifestRefused) if column.required else nullcontext():
            rows(content)


def test_the_documents_name_the_same_columns():
    said = (settings.BASE_DIR / "docs" / "bulk.md").read_text().split("### The list")[1].split("```")[0]
    told = re.findall(r"`(\w+_id|audio|info|consent_[a-z]+)`(?=[^|]*\|)", said)
    assert sorted(told) == sorted(column.name for column in COLUMNS)


@pytest.mark.parametrize("line", ["ken,ken.wav,acme", "ken"])
def test_a_line_that_could_not_be_read_is_of_the_library_of_those_that_name_none(line):
    (bad,) = rows(csv_manifest(line))
    assert bad.key == DEFAULT
