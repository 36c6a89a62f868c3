"""Failed lines of an import: downloaded, mended, imported again."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.files.base import ContentFile
from django.utils.translation import override

from tenants.context import acting_as
from tenants.models import Role
from tests.api.native.client import Native
from tests.archives import csv_manifest, jsonl_manifest, voices, zipped
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio, wav
from tests.console.people import member, signed_in
from tests.servers import through_the_queue
from tests.threads import making_a_backup
from voiceprints import bulk, erasure, failed_lines, mentions, opting_out, services, work
from voiceprints.errors import SpeakersExhausted
from voiceprints.failures import to_wire
from voiceprints.manifests import COLUMNS, KNOWN, LONGEST, LONGEST_KEPT, REPORTED, read_rows
from voiceprints.models import Job, JobRow
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)

TOO_LONG = "k" * (LONGEST["external_id"] + 40)
HEADER = "external_id,audio,info"
SOUNDS = {**voices("susan/1.opus", "ken/1.opus", "wei/1.opus"), "short.wav": wav(bytes(320))}


def imported(tenant, manifest: bytes, name="people.csv", **files: bytes) -> Job:
    archive = zipped(SOUNDS | files)
    job = bulk.begin_import(tenant, archive=archive, manifest=ContentFile(manifest), manifest_name=name, key=LIBRARY)
    return bulk.find_job(tenant, job.pk)


def downloaded(tenant, job) -> bytes:
    return failed_lines.response(tenant, job).getvalue()


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def mended(content: bytes, *corrections: dict[str, str]) -> bytes:
    """As a spreadsheet would write it."""
    lines = [line | correction for line, correction in zip(table(content), corrections, strict=True)]
    written = io.StringIO()
    writer = csv.DictWriter(written, lines[0])
    writer.writeheader()
    writer.writerows(lines)
    return written.getvalue().encode("utf-8-sig")


def kept_fields(tenant) -> list[dict | None]:
    with acting_as(tenant):
        return list(tenant.job_rows.order_by("number").values_list("fields", flat=True))


FAILING = csv_manifest(
    "susan,susan/1.opus,Susan",
    "=wei,nowhere.wav,'=Wei",
    "ken,short.wav,",
    f"{TOO_LONG},ken/1.opus,'t Hooft",
    f'mia,wei/1.opus,"{"i" * (LONGEST["info"] + 1)}"',
    "zoe,wei/1.opus,Reception, second floor",
    header=HEADER,
)
CORRECTIONS = (
    {"audio": "wei/1.opus"},
    {"audio": "ken/1.opus"},
    {"external_id": "kim"},
    {"info": "Mia"},
    {},
)


@pytest.mark.parametrize("through", ["console", "rest"])
def test_what_failed_is_mended_and_imported_again(through, acme, client):
    job = imported(acme, FAILING)
    assert job.result == {"enrolled": 1, "failed": 5}
    if through == "console":
        reply = signed_in(member(acme, Role.VIEWER).user).get(f"/console/jobs/acme/{job.pk}/failed.csv")
    else:
        reply = Native(client, acme, "read").get(f"jobs/{job.pk}/failed.csv")
    assert reply["Content-Type"] == "text/csv; charset=utf-8"
    assert reply["Content-Disposition"] == f'attachment; filename="job-{job.pk}-failed.csv"'
    content = reply.getvalue()
    lines = table(content)
    assert list(lines[0]) == [*(column.name for column in COLUMNS), "line", "problem"]
    assert [line["line"] for line in lines] == ["2", "3", "4", "5", "6"]
    assert all(line["problem"] for line in lines)
    assert lines[2]["external_id"] == TOO_LONG
    again = imported(acme, mended(content, *CORRECTIONS))
    assert again.result == {"enrolled": 5}
    listed = services.list_speakers(acme, acme.libraries.within(LIBRARY.org_id, LIBRARY.tag_id))
    assert {one.speaker.external_id: one.speaker.info for one in listed} == {
        "susan": "Susan",
        "=wei": "=Wei",
        "ken": "",
        "kim": "'t Hooft",
        "mia": "Mia",
        "zoe": "Reception, second floor",
    }


NASTY = [
    *("'", "''", "'=1", "''=1", "=1", "+1", "-", "@x", "＝1", "\t=", "\r", "\n=1", "a\r\nb", "a\nb\rc"),
    *(
        '"',
        '""',
        'a"b',
        "a,b",
        ",",
        "|",
        "a|b",
        ";",
        " lead",
        "trail ",
        "'t Hooft",
        "'quoted'",
        "\ufeffx",
        "汉字",
        "\\",
    ),
]


def test_nothing_that_a_line_said_changes_on_the_way(acme):
    said = [
        {"external_id": f"'=x{number}", "audio": ["a.wav", "'=b.wav"], "info": info}
        for number, info in enumerate(NASTY)
    ]
    job = imported(acme, jsonl_manifest(*said), "people.jsonl")
    read = read_rows(downloaded(acme, job), "failed.csv", default=LIBRARY, once=True)
    assert [(row.external_id, row.info, row.recordings) for row in read] == [
        (line["external_id"], line["info"], ("a.wav", "'=b.wav")) for line in said
    ]


def test_a_line_in_json_is_kept_as_far_as_a_list_can_say_it(acme):
    lines = [
        {"external_id": 4711, "audio": "a.wav", "voice": "loud"},
        {"external_id": "nul\0\ud800", "audio": [None, {"name": "x"}, "b.wav"], "info": None},
    ]
    job = imported(acme, jsonl_manifest(*lines) + b"{", "people.jsonl")
    assert kept_fields(acme) == [
        {"external_id": ["4711"], "audio": ["a.wav"]},
        {"external_id": ["nul??"], "audio": ["b.wav"], "info": []},
        {},
    ]
    assert [line["external_id"] for line in table(downloaded(acme, job))] == ["4711", "nul??", ""]


def test_a_line_that_names_no_library_is_given_with_that_of_its_job(acme):
    job = imported(acme, csv_manifest("ken,nowhere.wav,guests", header="external_id,audio,tag_id"))
    (line,) = table(downloaded(acme, job))
    assert (line["org_id"], line["tag_id"]) == (LIBRARY.org_id, "guests")


def test_lines_of_old_give_what_they_gave(acme):
    job = imported(acme, csv_manifest("ken,nowhere.wav"))
    with acting_as(acme):
        acme.job_rows.update(fields=None)
    (line,) = table(downloaded(acme, job))
    assert line == dict.fromkeys((column.name for column in COLUMNS), "") | {
        "external_id": "ken",
        "org_id": LIBRARY.org_id,
        "tag_id": LIBRARY.tag_id,
        "line": "1",
        "problem": "There is no file nowhere.wav.",
    }


@pytest.mark.parametrize("cells", ["ken", "ken,nowhere.wav,Ken,more"])
def test_a_line_with_a_wrong_number_of_cells_is_given_with_the_library_of_its_job(cells, acme):
    job = imported(acme, csv_manifest(cells, header=HEADER))
    (line,) = table(downloaded(acme, job))
    assert (line["org_id"], line["tag_id"]) == (LIBRARY.org_id, LIBRARY.tag_id)


def test_a_line_that_says_too_much_is_kept_by_its_name_alone(acme):
    lines = [
        {"external_id": "ken", "audio": "nowhere.wav", "info": "i" * (LONGEST_KEPT - len("kennowhere.wav"))},
        {"external_id": "mia", "audio": "nowhere.wav", "info": "i" * LONGEST_KEPT},
        {"external_id": "zoe", "audio": [""] * (LONGEST_KEPT + 1)},
    ]
    job = imported(acme, jsonl_manifest(*lines), "people.jsonl")
    assert [fields is not None for fields in kept_fields(acme)] == [True, False, False]
    told = table(downloaded(acme, job))
    assert [(line["external_id"], line["org_id"], line["audio"]) for line in told] == [
        ("ken", LIBRARY.org_id, "nowhere.wav"),
        ("mia", LIBRARY.org_id, ""),
        ("zoe", LIBRARY.org_id, ""),
    ]


def test_it_is_given_portion_by_portion_in_the_language_of_who_asked(acme, monkeypatch):
    monkeypatch.setattr(failed_lines, "ROWS_AT_ONCE", 2)
    job = imported(acme, csv_manifest(*(f"ken{number},nowhere.wav" for number in range(4))))
    with override("zh-hans"):
        portions = list(failed_lines.response(acme, job).streaming_content)
    assert [len(list(csv.reader(io.StringIO(portion.decode())))) for portion in portions] == [1, 2, 2]
    assert [line["line"] for line in table(b"".join(portions))] == ["1", "2", "3", "4"]


def test_what_lines_said_is_not_read_where_nobody_asks_for_it(acme):
    job = imported(acme, csv_manifest("ken,nowhere.wav"))
    (row,) = bulk.page_rows(acme, job.pk, where={}).rows
    assert row.get_deferred_fields() == {"fields"}


def test_what_a_list_reports_is_passed_over_in_json_too(acme):
    line = {"external_id": "ken", "audio": "ken/1.opus", **dict.fromkeys(REPORTED, "x")}
    assert imported(acme, jsonl_manifest(line), "people.jsonl").result == {"enrolled": 1}


def test_a_speaker_of_an_export_is_mended_with_its_archive(acme, globex):
    services.enroll(acme, LIBRARY, "ken", [audio(KEN)], info="'Ken")
    content = io.BytesIO()
    bulk.copy_file(acme, bulk.begin_export(acme, LIBRARY, recordings=True).pk, content)
    services.enroll(globex, LIBRARY, "ken", [audio(SUSAN)])
    job = bulk.begin_import(globex, archive=content)
    failed = mended(downloaded(globex, job), {"external_id": "another ken"})
    again = bulk.begin_import(globex, archive=content, manifest=ContentFile(failed), manifest_name="failed.csv")
    assert bulk.find_job(globex, again.pk).result == {"enrolled": 1}
    best = services.identify(globex, globex.libraries.all(), audio(KEN, 2)).best
    assert (best.speaker.external_id, best.speaker.info) == ("another ken", "'Ken")


# --- Whom nothing may name -------------------------------------------------------------------------------------------


def test_of_who_has_opted_out_nothing_is_kept(acme):
    opting_out.opt_out(acme, "wei")
    job = imported(acme, csv_manifest("wei,wei/1.opus,Wei", header=HEADER))
    assert kept_fields(acme) == [None]
    assert "wei" not in downloaded(acme, job).decode().lower()


@pytest.mark.parametrize(
    "lines",
    [
        ["wei,missing.wav,Wei Zhang"],
        [f"wei,wei/1.opus,{'i' * (LONGEST['info'] + 1)}"],
        ["ken,ken/1.opus,Ken", "wei,wei/1.opus,Wei Zhang", "wei,wei/1.opus,Wei Zhang"],
        ["wei,wei/1.opus,Zhang, Wei"],
    ],
    ids=["no file", "info too long", "a second line", "too many cells"],
)
def test_of_who_has_opted_out_nothing_is_kept_whatever_else_fails(lines, acme):
    opting_out.opt_out(acme, "wei", LIBRARY)
    job = imported(acme, csv_manifest(*lines, header=HEADER))
    with acting_as(acme):
        failed = list(job.failed_rows.values_list("external_id", "fields", "problem__kind"))
    assert set(failed) == {("", None, "OptedOut")}
    assert job.result["failed"] == len(failed)
    assert "wei" not in downloaded(acme, job).decode().lower()


def test_whom_an_opt_out_of_another_library_names_is_kept(acme):
    opting_out.opt_out(acme, "wei", LibraryKey("elsewhere"))
    imported(acme, csv_manifest("wei,missing.wav"))
    assert kept_fields(acme) == [{"external_id": ["wei"], "audio": ["missing.wav"]}]


def test_of_a_speaker_of_an_export_who_has_opted_out_nothing_is_kept(acme, globex):
    services.enroll(acme, LIBRARY, "wei", [audio(WEI)])
    content = io.BytesIO()
    bulk.copy_file(acme, bulk.begin_export(acme, LIBRARY).pk, content)
    opting_out.opt_out(globex, "wei")
    bulk.begin_import(globex, archive=content)
    assert kept_fields(globex) == [None]
    with acting_as(globex):
        assert globex.job_rows.get().external_id == ""


def test_what_was_kept_of_a_line_is_erased_where_it_names_them(acme):
    name = 'zo"é\\1'
    lines = [
        {"external_id": name, "audio": "a.wav"},
        {"external_id": f"{name}-{TOO_LONG}", "audio": "b.wav"},
        {"external_id": "ken", "audio": f"{name}/1.wav"},
        {"external_id": "mia", "audio": "c.wav", "info": "Mia"},
    ]
    job = imported(acme, jsonl_manifest(*lines), "people.jsonl")
    erasure.erase_person(acme, name)
    mia = {"external_id": ["mia"], "audio": ["c.wav"], "info": ["Mia"]}
    assert kept_fields(acme) == [None, None, mia]
    assert json.dumps(name, ensure_ascii=False)[1:-1] not in json.dumps(kept_fields(acme), ensure_ascii=False)
    assert [line["line"] for line in table(downloaded(acme, job))] == ["2", "3", "4"]


@pytest.mark.parametrize("enrolled", [True, False])
def test_why_a_line_failed_names_nobody_who_was_erased(enrolled, acme):
    if enrolled:
        services.enroll(acme, LIBRARY, "wei", [audio(WEI)])
    job = imported(acme, csv_manifest("ken,wei/1.wav", "mia,ken/weird.wav"))
    erasure.erase_person(acme, "wei")
    said = [line["problem"] for line in table(downloaded(acme, job))]
    assert said == ["There is no file ….", "There is no file ken/weird.wav."]
    assert kept_fields(acme) == [None, {"external_id": ["mia"], "audio": ["ken/weird.wav"]}]


MIA = {"external_id": "mia", "audio": "ken/weird.wav"}
MIA_KEPT = {name: [text] for name, text in MIA.items()}
MENTIONING_WEI = [
    {"external_id": "ken", "audio": "wei/1.wav"},
    {"external_id": "ken", "audio": ["wei/1.wav", *(LONGEST_KEPT // 1000 + 1) * ["a" * 1000]]},
    {"external_id": "ken", "audio": "a.wav", "wei": 1},
]


@pytest.mark.parametrize("line", MENTIONING_WEI, ids=["name of a file", "too long to be kept", "name of a field"])
@pytest.mark.parametrize("enrolled", [True, False])
def test_what_was_struck_of_a_line_stays_so_when_it_is_tried_again(enrolled, line, acme):
    if enrolled:
        services.enroll(acme, LIBRARY, "wei", [audio(WEI)])
    job = imported(acme, jsonl_manifest(line, MIA), "people.jsonl")
    erasure.erase_person(acme, "wei")
    struck = table(downloaded(acme, job))
    bulk.retry_job(acme, job.pk)
    assert kept_fields(acme) == [None, MIA_KEPT]
    assert table(downloaded(acme, job)) == struck
    assert "wei" not in downloaded(acme, job).decode().replace("weird", "")


@pytest.mark.parametrize("enrolled", [True, False])
def test_an_import_under_way_goes_on_and_says_nothing_of_who_was_erased(enrolled, acme):
    if enrolled:
        services.enroll(acme, LIBRARY, "wei", [audio(WEI)])
    with through_the_queue():
        job = imported(acme, jsonl_manifest(MENTIONING_WEI[0], MIA), "people.jsonl")
        assert erasure.go_on(acme, erasure.erase_person(acme, "wei").pk).is_done
        run = work.claimed(acme.pk, job.pk)
        assert bulk.RUNNERS[Job.Kind.IMPORT](run).result == {"failed": 2}
    assert kept_fields(acme) == [None, MIA_KEPT]
    assert [line["problem"] for line in table(downloaded(acme, job))] == [
        "There is no file ….",
        "There is no file ken/weird.wav.",
    ]


def test_a_line_of_a_list_that_is_not_imported_empties_none_of_the_other(acme):
    services.enroll(acme, LIBRARY, "wei", [audio(WEI)])
    beside = {"manifest.csv": csv_manifest("ken,wei/1.wav")}
    job = imported(acme, csv_manifest(",".join(MIA.values())), **beside)
    erasure.erase_person(acme, "wei")
    bulk.retry_job(acme, job.pk)
    assert kept_fields(acme) == [MIA_KEPT]


def test_an_unknown_id_disturbs_no_import_twice(acme):
    with through_the_queue():
        job = imported(acme, jsonl_manifest(MENTIONING_WEI[0]), "people.jsonl")
        erasure.go_on(acme, erasure.erase_person(acme, "wei").pk)
        run = work.claimed(acme.pk, job.pk)
        assert erasure.go_on(acme, erasure.erase_person(acme, "wei").pk).is_done
        run.progress(0)


def test_a_line_of_an_export_stays_emptied_when_it_is_tried_again(acme, globex):
    services.enroll(acme, LIBRARY, "ken", [audio(KEN)], info="speaks for Kim Lee")
    content = io.BytesIO()
    bulk.copy_file(acme, bulk.begin_export(acme, LIBRARY).pk, content)
    services.enroll(globex, LIBRARY, "ken", [audio(SUSAN)])
    job = bulk.begin_import(globex, archive=content)
    erasure.erase_person(globex, "Kim Lee")
    assert kept_fields(globex) == [None]
    bulk.retry_job(globex, job.pk)
    assert kept_fields(globex) == [None]


def test_a_name_that_was_taken_for_a_column_is_struck(acme):
    job = imported(acme, csv_manifest("ken,a.wav", header="Wei Zhang,wei/1.wav"))
    lines = imported(acme, jsonl_manifest({"external_id": "ken", "audio": "a.wav", "Wei Zhang": 1}), "people.jsonl")
    erasure.erase_person(acme, "Wei Zhang")
    with acting_as(acme):
        reasons = [one.problem["numbers"]["reason"] for one in (bulk.find_job(acme, job.pk), lines.failed_rows.get())]
    assert reasons == [f"unknown column '…'; known are {KNOWN}", f"no such field as '…'; known are {KNOWN}"]


def test_lines_are_emptied_while_a_backup_keeps_the_files(acme):
    services.enroll(acme, LIBRARY, "wei", [audio(WEI)])
    imported(acme, csv_manifest("ken,wei/1.wav"))
    with making_a_backup():
        erasure.erase_person(acme, "wei")
    assert not erasure.newest_of(acme).is_done
    assert kept_fields(acme) == [None]
    assert erasure.go_on(acme, erasure.newest_of(acme).pk).counts["job_lines_emptied"] == 1


@pytest.mark.parametrize(
    ("name", "emptied"),
    [
        *((name, []) for name in ("1", "a", "id", "info", "audio", "external_id", "0001", "e", "[", '"')),
        ("kim", [2]),
        ("ki", []),
        ("Kim Lee", [2]),
        ("8675309", [1]),
        ("867530", []),
        ("张伟", [3]),
        ("张", []),
        ("c++", [3]),
        ("mic", [2]),
        ("Ana", []),
        ("100", []),
        ("12345", []),
        ("missing", []),
    ],
)
def test_lines_about_others_are_emptied_only_where_they_name_the_person(name, emptied, acme):
    lines = [
        {"external_id": "susan", "audio": ["susan/1.wav", "recordings/000001/0001.flac"], "info": "calls 8675309"},
        {"external_id": "ken", "audio": ["a/1.wav", "kim/2.wav", "mic3.wav"], "info": "for Kim Lee, of old"},
        {"external_id": "mia", "audio": "张伟1.wav", "info": "speaks c++ like Anaïs"},
        {"external_id": "eve", "info": "none of it"},
    ]
    imported(acme, jsonl_manifest(*lines), "people.jsonl")
    with acting_as(acme):
        acme.job_rows.filter(number=4).update(problem=to_wire(SpeakersExhausted(limit=100)))
        assert mentions.keeps(acme, name) is bool(emptied)
        assert mentions.forget(acme, name) == {"job_lines_emptied": len(emptied), "job_problems": 0}
        assert acme.job_rows.filter(fields__isnull=True).count() == len(emptied)
    assert [number for number, fields in enumerate(kept_fields(acme), 1) if fields is None] == emptied


def test_a_short_name_is_erased_where_it_stands_alone(acme):
    imported(acme, csv_manifest("7,nowhere.wav,7,7", header=HEADER))
    erasure.erase_person(acme, "7")
    assert kept_fields(acme) == [None]


def test_somebody_is_known_of_whom_only_what_was_kept_of_a_line_tells(acme):
    imported(acme, csv_manifest("ken,wei,a,b", header=HEADER))
    with acting_as(acme):
        acme.job_rows.update(fields={"external_id": [WEI]}, external_id="")
        acme.jobs.update(inputs=[])
    erasure.erase_person(acme, WEI)
    assert kept_fields(acme) == [None]
    with acting_as(acme):
        assert acme.job_rows.filter(outcome=JobRow.Outcome.FAILED).count() == 1
