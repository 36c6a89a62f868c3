"""Where a tenant wants it, nobody is enrolled without a reference to their consent, which is kept beside them."""

from __future__ import annotations

import json
from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tenants.actions import Action
from tenants.context import acting_as
from tenants.models import AuditEvent, Tenant
from tests.api.native.client import Native, problem
from tests.archives import zipped
from tests.cast import KEN, LIBRARY, SUSAN, audio, recording
from tests.console.people import client_for, enrolled
from tests.voiceprints.test_exchange import exported, failures, members, restored
from voiceprints import bulk, consents, services
from voiceprints.consents import Given
from voiceprints.errors import ConsentMissing
from voiceprints.failures import from_wire
from voiceprints.refusals import in_words
from voiceprints.results import Turn, WhenEnrolled

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/console/opt-outs/acme/consent/"
TO_COME = {"reference": "form 17", "given": "2999-01-01T00:00:00+00:00"}
TOO_OLD = {"reference": "form 17", "given": "0002-01-01T00:00:00+08:00"}
IMPOSSIBLE = ["0002-01-01T00:00:00+08:00", "1899-12-31T00:00:00+08:00", "2999-01-01T00:00:00+08:00"]


@pytest.fixture
def strict(acme):
    consents.set_rules(acme, required=True, elsewhere=[])
    return acme


@pytest.fixture
def native(client, acme):
    return Native(client, acme)


def consent_of(tenant, name=SUSAN):
    with acting_as(tenant):
        return tenant.consents.filter(speaker__external_id=name).first()


def test_nobody_is_enrolled_without_a_reference(strict, recordings_folder):
    with pytest.raises(ConsentMissing):
        services.enroll(strict, LIBRARY, SUSAN, [audio(SUSAN)])
    with pytest.raises(ConsentMissing):
        turn = {"turn": Turn(1, 3), "within": strict.libraries.all()}
        services.enroll_turn(strict, LIBRARY, SUSAN, audio(SUSAN), **turn)
    with acting_as(strict):
        assert not strict.speakers.exists()
    assert not [path for path in recordings_folder.rglob("*") if path.is_file()]


def test_a_reference_is_kept_with_who_told_and_when(strict, native):
    sent = {"consent_reference": "form 17", "consent_version": "2", "consent_source": "paper"}
    sent["consent_given"] = "2026-01-02T03:04:05Z"
    assert native.enroll(SUSAN, recording(SUSAN), **sent).status_code == 201
    kept = consent_of(strict)
    assert (kept.reference, kept.version, kept.source, kept.given.year) == ("form 17", "2", "paper", 2026)
    assert (kept.interface, kept.by_kind) == ("native", "token")


def test_a_program_without_one_is_told_so(strict, native):
    assert problem(native.enroll(SUSAN, recording(SUSAN))) == (403, "consent-missing")


@pytest.mark.parametrize("unseen", ["  ", "\u3000", "\u200b", "\u3164\u2800"], ids=ascii)
def test_a_reference_that_shows_nothing_is_none(acme, native, unseen):
    consents.set_rules(acme, required=True, elsewhere=[])
    assert problem(native.enroll(SUSAN, recording(SUSAN), consent_reference=unseen)) == (403, "consent-missing")
    consents.set_rules(acme, required=False, elsewhere=[])
    assert native.enroll(SUSAN, recording(SUSAN), consent_reference=unseen).status_code == 201
    assert consent_of(acme) is None


def test_an_export_brings_no_reference_that_shows_nothing(acme, globex):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    files = members(exported(acme, embeddings=True))
    speaker = json.loads(files["speakers.jsonl"]) | {"consent": {"reference": "\u200b"}}
    consents.set_rules(globex, required=True, elsewhere=[])
    brought = restored(globex, zipped(files | {"speakers.jsonl": json.dumps(speaker).encode()}))
    assert failures(globex, brought) == ["ConsentMissing"]


def test_a_reference_that_shows_nothing_and_was_taken_once_does_not_keep_anybody_from_moving(acme, globex):
    speaker = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], consent=Given("form 17")).speaker
    with acting_as(acme):
        acme.consents.filter(speaker=speaker).update(reference="\u3000")
    assert restored(globex, exported(acme, embeddings=True)).result == {"enrolled": 1}


def test_more_utterances_need_no_second_reference(strict):
    given = Given("form 17")
    services.enroll(strict, LIBRARY, SUSAN, [audio(SUSAN)], required_utterances=2, consent=given)
    services.enroll(strict, LIBRARY, SUSAN, [audio(SUSAN, 2)], required_utterances=2)
    services.update(strict, LIBRARY, SUSAN, [audio(SUSAN, 3)], merge=True)
    assert consent_of(strict).reference == "form 17"


def test_where_it_is_taken_elsewhere_the_interface_stands_for_it(acme, native):
    consents.set_rules(acme, required=True, elsewhere=["native"])
    assert native.enroll(SUSAN, recording(SUSAN)).status_code == 201
    kept = consent_of(acme)
    assert (kept.reference, kept.interface) == ("", "native")
    with pytest.raises(ConsentMissing):
        services.enroll(Tenant.objects.get(pk=acme.pk), LIBRARY, KEN, [audio(KEN)])


def test_an_enrollment_nobody_waits_for_keeps_the_reference(strict):
    bulk.begin_enrollment(strict, LIBRARY, SUSAN, [audio(SUSAN)], answer="native", consent=Given("form 17"))
    assert consent_of(strict).reference == "form 17"


@pytest.mark.parametrize("what", [{"embeddings": True}, {"recordings": True}])
def test_a_reference_comes_along_with_an_export(acme, globex, what):
    given = Given("form 17", "2", "paper", datetime(2026, 1, 2, tzinfo=UTC))
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], consent=given)
    services.enroll(acme, LIBRARY, KEN, [audio(KEN)])
    consents.set_rules(globex, required=True, elsewhere=[])
    brought = restored(globex, exported(acme, **what))
    assert brought.result == {"enrolled": 1, "failed": 1}
    kept = consent_of(globex)
    assert (kept.reference, kept.version, kept.source, kept.given) == astuple(given)


@pytest.mark.parametrize(
    "consent", ["form 17", {"reference": ""}, {"reference": "a", "given": "yesterday"}, TOO_OLD, TO_COME]
)
def test_a_consent_that_cannot_be_read_is_refused_with_its_speaker(acme, globex, consent):
    services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    files = members(exported(acme, embeddings=True))
    speaker = json.loads(files["speakers.jsonl"]) | {"consent": consent}
    brought = restored(globex, zipped(files | {"speakers.jsonl": json.dumps(speaker).encode()}))
    assert failures(globex, brought) == ["RowRefused"]
    with acting_as(globex):
        assert not globex.speakers.exists()


HEADER = "external_id,audio,consent_reference,consent_version,consent_source,consent_given"


def told_of(tenant, line: str, **options):
    """How the line fared, and what is kept of susan's consent then."""
    archive = zipped({"susan.wav": recording(SUSAN), "manifest.csv": f"{HEADER}\n{line}\n".encode()})
    job = bulk.begin_import(tenant, archive=archive, key=LIBRARY, **options)
    with acting_as(tenant):
        row = tenant.job_rows.get(job=job)
        kept = tenant.consents.filter(speaker__external_id=SUSAN).first()
    return row.outcome, kept and (kept.reference, kept.version, kept.source, kept.given)


def test_a_line_of_a_list_tells_of_a_consent(strict):
    day = datetime(2026, 3, 31, tzinfo=UTC)
    assert told_of(strict, "susan,susan.wav,,,,") == ("failed", None)
    assert told_of(strict, "susan,susan.wav,form 17,2,paper,2026-03-31") == ("enrolled", ("form 17", "2", "paper", day))
    assert told_of(strict, "susan,susan.wav,form 17,2,paper,2026-03-31")[0] == "unchanged"
    in_a_while = (timezone.now() + timedelta(hours=3)).isoformat()
    ahead = f"susan,susan.wav,form 17,2,paper,{in_a_while}"
    assert told_of(strict, ahead, when_enrolled=WhenEnrolled.REPLACE)[0] == "replaced"
    assert told_of(strict, ahead)[0] == "unchanged"
    line = "susan,susan.wav,form 18,,,2026-03-31T08:00:00+08:00"
    assert told_of(strict, line, when_enrolled=WhenEnrolled.REPLACE) == ("replaced", ("form 18", "", "", day))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (",2,paper,", "The line has no consent_reference."),
        ("form 17,,,31.3.2026", "consent_given: no day as 2026-03-31, nor a time with its offset."),
        ("form 17,,,1899-12-31", "consent_given: a date after 1900, and none to come."),
        ("form 17,,,2999-01-01", "consent_given: a date after 1900, and none to come."),
        ("\u200b,2,,", "consent_reference: it shows nothing."),
        (f"{'1' * 201},,,", "consent_reference: longer than 200 characters."),
    ],
)
def test_a_consent_in_a_list_that_says_nothing_sensible_is_refused_with_its_line(told, reason, strict):
    assert told_of(strict, f"susan,susan.wav,{told}") == ("failed", None)
    with acting_as(strict):
        assert in_words(from_wire(strict.job_rows.get().problem)) == reason


def test_the_page_of_imports_says_whether_a_consent_is_to_be_told(acme, globex):
    said = "<code>consent_reference</code></dt><dd><strong>required"
    page = client_for("operator", acme, globex)
    assert said not in page.get("/console/jobs/acme/import/").content.decode()
    consents.set_rules(acme, required=True, elsewhere=[])
    assert said in page.get("/console/jobs/acme/import/").content.decode()
    consents.set_rules(acme, required=True, elsewhere=[consents.CONSOLE])
    assert said not in page.get("/console/jobs/acme/import/").content.decode()


def test_a_tenant_that_asks_for_none_enrolls_as_before(acme, globex, strict):
    services.enroll(globex, LIBRARY, SUSAN, [audio(SUSAN)])
    assert consent_of(globex) is None


def test_a_consent_goes_with_its_speaker(strict):
    services.enroll(strict, LIBRARY, SUSAN, [audio(SUSAN)], consent=Given("form 17"))
    services.delete_speaker(strict, strict.libraries.all(), SUSAN)
    with acting_as(strict):
        assert not strict.consents.exists()


def test_the_console_sets_the_rules_and_shows_what_was_told(acme, globex):
    owner = client_for("owner", acme, globex)
    owner.post(PAGE, {"required": "on", "elsewhere": ["abcpen"]})
    changed = Tenant.objects.get(pk=acme.pk)
    assert (changed.consent_required, changed.consent_elsewhere) == (True, ["abcpen"])
    enrollment = services.enroll(changed, LIBRARY, SUSAN, [audio(SUSAN)], consent=Given("form 17"))
    page = owner.get(f"/console/voiceprints/speaker/{enrollment.speaker.pk}/change/").content.decode()
    assert "form 17" in page
    assert f"/console/opt-outs/acme/?speaker={enrollment.speaker.pk}" in page
    form = owner.get(f"/console/opt-outs/acme/?speaker={enrollment.speaker.pk}").context["form"]
    assert form["external_id"].value() == SUSAN


def test_a_reference_is_told_later_in_the_place_of_what_was_told(acme, native):
    speaker = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], consent=Given("form 17", "1", "paper")).speaker
    sent = {"consent_reference": "form 18", "consent_given": "2026-01-02T03:04:05Z"}
    assert native.patch(f"speakers/{speaker.pk}", sent).status_code == 200
    kept = consent_of(acme)
    assert (kept.reference, kept.version, kept.source, kept.given.year) == ("form 18", "", "", 2026)
    assert (kept.interface, kept.by_kind) == ("native", "token")
    assert fields_changed(acme) == [["consent"]]


@pytest.mark.parametrize("sent", [{}, {"consent_reference": "\u200b"}, {"consent_version": "2"}], ids=ascii)
def test_a_reference_that_shows_nothing_leaves_what_was_told(acme, native, sent):
    speaker = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)], consent=Given("form 17")).speaker
    assert native.patch(f"speakers/{speaker.pk}", sent | {"info": "Reception"}).json()["info"] == "Reception"
    assert consent_of(acme).reference == "form 17"
    assert fields_changed(acme) == [["info"]]


def fields_changed(tenant):
    with acting_as(tenant):
        events = AuditEvent.all_tenants.filter(tenant_id=tenant.pk, action=Action.SPEAKER_CHANGED).order_by("pk")
        return [event.details["fields"] for event in events]


def test_the_console_takes_a_reference_after_the_enrollment(acme, globex):
    speaker, _ = enrolled(acme, SUSAN)
    operator = client_for("operator", acme, globex)
    address, page = f"/console/speakers/{speaker.pk}/consent/", f"/console/voiceprints/speaker/{speaker.pk}/change/"
    assert address in operator.get(page).content.decode()
    sent = {"reference": "form 17", "version": "2", "source": "paper", "given": "2026-01-02T03:04"}
    assert "form 17 · 2 · paper" in operator.post(address, sent, follow=True).content.decode()
    kept = consent_of(acme)
    assert (kept.reference, kept.interface, kept.by_kind) == ("form 17", "console", "user")
    form = operator.get(address).context["form"]
    operator.post(address, {name: form[name].value() for name in form.fields} | {"reference": "form 18"})
    assert (consent_of(acme).reference, consent_of(acme).given) == ("form 18", kept.given)
    assert fields_changed(acme) == [["consent"], ["consent"]]


@pytest.mark.parametrize("reference", ["", " ", "\u200b", 201 * "c"], ids=["empty", "space", "unseen", "long"])
def test_the_console_takes_no_reference_that_shows_nothing_or_is_too_long(reference, acme, globex):
    speaker, _ = enrolled(acme, SUSAN)
    operator = client_for("operator", acme, globex)
    page = operator.post(f"/console/speakers/{speaker.pk}/consent/", {"reference": reference})
    assert page.context["form"].errors["reference"]
    assert consent_of(acme) is None


@pytest.mark.parametrize("given", IMPOSSIBLE)
def test_no_consent_was_given_before_anybody_lived_or_in_the_future(given, acme, globex, native):
    speaker, _ = enrolled(acme, "alice")
    sent = {"consent_reference": "form 17", "consent_given": given}
    for answer in (native.enroll(KEN, recording(KEN), **sent), native.patch(f"speakers/{speaker.pk}", sent)):
        assert problem(answer) == (422, "invalid-request")
    address = f"/console/speakers/{speaker.pk}/consent/"
    typed = {"reference": "form 17", "given": given.removesuffix(":00+08:00")}
    with timezone.override("Asia/Shanghai"):
        page = client_for("operator", acme, globex).post(address, typed)
    assert page.context["form"].errors["given"]
    with acting_as(acme):
        assert not acme.consents.exists()


def test_the_form_begins_with_now_and_says_what_it_replaces(acme, globex):
    speaker, _ = enrolled(acme, "alice")
    operator, address = client_for("operator", acme, globex), f"/console/speakers/{speaker.pk}/consent/"
    form = operator.get(address)
    assert "takes the place" not in form.content.decode()
    operator.post(address, {"reference": "form 17", "given": form.context["form"]["given"].value()})
    assert timezone.now() - consent_of(acme, "alice").given < timedelta(minutes=30)
    assert "takes the place" in operator.get(address).content.decode()


def test_another_tenant_sets_no_rules_of_acme_and_sees_no_consent(acme, globex):
    speaker, _ = enrolled(acme, "alice")
    client = client_for("globex", acme, globex)
    assert client.post(PAGE, {"required": "on"}).status_code == 404
    assert not Tenant.objects.get(pk=acme.pk).consent_required
    with acting_as(acme):
        consents.record(acme, speaker, Given("form 17"))
    with acting_as(globex):
        assert not globex.consents.exists()
        assert not type(consent_of(acme, "alice")).all_tenants.exists()
