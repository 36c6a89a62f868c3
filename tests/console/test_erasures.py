"""Erasing somebody in the console: the id is typed twice, and the receipt is there to be fetched."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.console_pages import MOST_QUERIES, TRANSACTION_CONTROL
from tenants.context import acting_as, acting_as_platform
from tenants.models import Tenant
from tests.cast import LIBRARY, SUSAN, audio
from tests.console.people import enrolled
from tests.servers import through_the_queue
from tests.threads import making_a_backup
from voiceprints import bulk, erasure, leaving, opting_out, receipts, services, work
from voiceprints.consents import Given
from voiceprints.erasure_views import SHOWN
from voiceprints.errors import OptOutNotFound
from voiceprints.models import Erasure, Job
from voiceprints.results import LibraryKey

pytestmark = pytest.mark.django_db(transaction=True)

LIST, BEGIN = "/console/erasures/acme/", "/console/erasures/acme/begin/"
LEAVE = "/console/erasures/acme/tenant/"


@pytest.fixture
def people(acme):
    enrolled(acme, "alice", utterances=2)
    services.enroll(acme, LibraryKey("acme", "guests"), "alice", [audio(SUSAN)], consent=Given("form 1"))
    return enrolled(acme, "bob", "ken")[0]


def left(tenant):
    with acting_as(tenant):
        return sorted(tenant.speakers.values_list("external_id", "library__tag_id"))


def test_somebody_is_erased_everywhere_and_the_receipt_fetched(client_of, acme, people):
    owner = client_of("owner")
    page = owner.post(BEGIN, {"external_id": "alice", "library": "", "typed": "alice"}, follow=True)
    assert left(acme) == [("bob", "staff")]
    (one,) = page.context["erasures"]
    document = owner.get(f"{LIST}{one.pk}/receipt.json")
    assert "attachment" in document["Content-Disposition"]
    assert receipts.verify(document.json(), receipts.public_keys())
    assert receipts.is_about(document.json(), "alice")
    assert document.json()["receipt"]["by"]["interface"] == "console"


@pytest.mark.parametrize(("language", "said"), [("en", "No. {} · person in all"), ("zh-hans", "第 {} 号 · 所有声纹库")])
def test_the_number_of_an_erasure_is_not_taken_for_one_of_libraries(language, said, client_of, acme, people):
    number, owner = erasure.erase_person(acme, "alice").pk, client_of("owner")
    for page in (LIST, "/console/audit/"):
        assert said.format(number) in owner.get(page, headers={"accept-language": language}).content.decode()


@pytest.mark.parametrize("address", [BEGIN, "/console/opt-outs/acme/"])
def test_whoever_comes_from_a_page_of_a_speaker_is_offered_to_erase_them_everywhere(address, client_of, acme, people):
    with acting_as(acme):
        alice = acme.speakers.get(external_id="alice", library__tag_id="guests")
    owner = client_of("owner")
    page = owner.get(f"/console/voiceprints/speaker/{alice.pk}/change/").content.decode()
    assert f"{address}?speaker={alice.pk}" in page
    form = owner.get(f"{address}?speaker={alice.pk}").context["form"]
    owner.post(address, {name: form[name].value() or "" for name in form.fields} | {"typed": "alice"})
    assert left(acme) == [("bob", "staff")]


def test_it_is_said_that_an_erasure_waits_for_a_backup(client_of, acme, people, recordings_folder):
    acme_owner, said = client_of("owner"), 'id="held"'
    with making_a_backup():
        erasure.erase_person(acme, "alice")
        assert said in acme_owner.get(LIST).content.decode()
    erasure.go_on(acme, erasure.newest_of(acme).pk)
    with making_a_backup():
        assert said not in acme_owner.get(LIST).content.decode(), "nothing waits"


@pytest.mark.parametrize(("address", "offer"), [(LIST, "/restore/"), (LEAVE, "Close and erase")])
def test_a_tenant_that_is_being_erased_is_offered_no_way_back_and_no_end_again(address, offer, client_of, acme, people):
    leaving.close(acme, grace=timedelta(0))
    staff = client_of("staff")
    assert offer in staff.get(address).content.decode()
    leaving.begin_due()
    page = staff.get(address).content.decode()
    assert "is being erased: there is no way back" in page
    assert offer not in page


def test_it_is_said_until_when_an_erasure_waits_for_a_file(client_of, acme, people):
    acme_owner, said = client_of("owner"), 'id="awaited"'
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY, recordings=True).pk)
        product = bulk.RUNNERS[Job.Kind.EXPORT](run)
        begun = erasure.erase_person(acme, "alice")
        page = acme_owner.get(LIST)
        assert said in page.content.decode()
        with acting_as(acme):
            assert page.context["awaited"] == acme.doomed_recordings.get(planned=True).not_before
        with pytest.raises(work.JobLost):
            run.succeed(product)
        erasure.go_on(acme, begun.pk)
    assert said not in acme_owner.get(LIST).content.decode()


def test_it_is_said_since_when_an_erasure_waits_for_an_export(client_of, acme, people):
    acme_owner, said = client_of("owner"), 'id="exporting"'
    with through_the_queue():
        run = work.claimed(acme.pk, bulk.begin_export(acme, LIBRARY).pk)
        erasure.erase_person(acme, "nobody-known")
        page = acme_owner.get(LIST)
        assert said in page.content.decode()
        assert page.context["exporting"] == bulk.find_job(acme, run.job.pk).started
        run.succeed(bulk.RUNNERS[Job.Kind.EXPORT](run))
    assert said not in acme_owner.get(LIST).content.decode()


@pytest.mark.parametrize("typed", ["", "Alice", "bob"])
def test_nobody_is_erased_unless_the_id_is_typed_again(typed, client_of, acme, people):
    page = client_of("owner").post(BEGIN, {"external_id": "alice", "typed": typed})
    assert page.context["form"].errors["typed"]
    assert len(left(acme)) == 3


def test_an_id_that_is_too_long_is_refused_in_words(client_of, acme, people):
    page = client_of("owner").post(BEGIN, {"external_id": 129 * "a", "typed": 129 * "a"})
    assert page.context["form"].errors["external_id"] == ["The id has 129 characters, and at most 128 are taken."]


def test_nobody_of_that_name_is_said_in_words(client_of, acme, people):
    page = client_of("owner").post(BEGIN, {"external_id": "nobody", "typed": "nobody"})
    assert "There is no such speaker here." in page.content.decode()


@pytest.mark.parametrize("who", ["operator", "auditor", "viewer"])
def test_others_erase_nobody_and_see_no_way_to(who, client_of, acme, people):
    client = client_of(who)
    assert client.post(BEGIN, {"external_id": "alice", "typed": "alice"}).status_code == 403
    assert BEGIN not in client.get(f"/console/voiceprints/speaker/{people.pk}/change/").content.decode()
    assert len(left(acme)) == 3


def test_another_tenant_erases_nobody_of_acme(client_of, acme, people):
    client = client_of("globex")
    own = "/console/erasures/globex/begin/"
    assert client.post(BEGIN, {"external_id": "alice", "typed": "alice"}).status_code == 404
    page = client.post(own, {"external_id": "alice", "typed": "alice"})
    assert page.context["form"].errors["external_id"]
    chosen = {"external_id": "bob", "typed": "bob", "library": people.library_id}
    assert client.post(own, chosen).context["form"].errors["library"]
    assert client.get(f"{own}?speaker={people.pk}").context["form"]["external_id"].value() is None
    assert len(left(acme)) == 3


# --- A whole tenant --------------------------------------------------------------------------------------------------


def leaves(tenant):
    return Tenant.objects.get(pk=tenant.pk).erased_from is not None


def test_an_owner_closes_the_tenant_and_is_out(client_of, acme, people):
    owner = client_of("owner")
    owner.post(LEAVE, {"typed": "acme", "grace_days": "30"})
    assert leaves(acme)
    assert owner.get(LEAVE).status_code in {302, 404}
    assert len(left(acme)) == 3


def test_it_is_said_that_accounts_stay_when_the_tenant_goes(client_of, acme, people):
    owner = client_of("owner")
    assert "The account of 1 member stays, with its e-mail address" in owner.get(LEAVE).content.decode()
    client_of("viewer")
    assert "The accounts of 2 members stay, with their e-mail addresses" in owner.get(LEAVE).content.decode()


def test_the_staff_restores_it(client_of, acme, people):
    staff = client_of("staff")
    staff.post(LEAVE, {"typed": "acme", "grace_days": "30"})
    assert f"{LEAVE}restore/" in staff.get(LEAVE).content.decode()
    staff.post(f"{LEAVE}restore/")
    assert not leaves(acme)
    assert Tenant.objects.get(pk=acme.pk).active


def test_the_staff_sees_at_once_that_a_tenant_is_closed_and_restores_it_there(client_of, acme, people):
    staff, restore, leave = client_of("staff"), f'action="{LEAVE}restore/"', f'href="{LEAVE}"'
    before = staff.get("/console/erasures/acme/").content.decode()
    assert (leave in before, restore in before) == (True, False)
    staff.post(LEAVE, {"typed": "acme", "grace_days": "30"})
    page = staff.get("/console/erasures/acme/").content.decode()
    assert (leave in page, restore in page) == (False, True)
    assert "Acme is closed. It can be restored until " in page
    assert "Closed since " in page
    tenants = staff.get("/console/tenants/tenant/").content.decode()
    assert "closed, to be erased from " in tenants
    assert 'href="/console/erasures/acme/"' in tenants
    assert "The tenant is restored." in staff.post(f"{LEAVE}restore/", follow=True).content.decode()


def test_a_tenant_that_leaves_is_not_opened_on_its_own_page(client_of, acme):
    leaving.close(acme)
    staff, address = client_of("staff"), f"/console/tenants/tenant/{acme.pk}/change/"
    page = staff.get(address)
    assert "The page Erasures says whether it can still be restored." in page.content.decode()
    sent = {name: value for name, value in page.context["adminform"].form.initial.items() if value is not None}
    staff.post(address, sent | {"active": "on", "name": "Anew"})
    stored = Tenant.objects.get(pk=acme.pk)
    assert (stored.name, stored.active, stored.erased_from is None) == ("Anew", False, False)


def test_the_shortest_time_to_think_it_over_is_said(client_of, acme):
    owner = client_of("owner")
    page = owner.post(LEAVE, {"typed": "acme", "grace_days": "0"})
    assert page.context["form"].errors["grace_days"]
    assert "At least one day." in owner.get(LEAVE).content.decode()


def test_who_is_overtaken_by_the_erasure_is_told_so(client_of, acme):
    leaving.close(acme, grace=timedelta(0))
    leaving.begin_due()
    page = client_of("staff").post(LEAVE, {"typed": "acme", "grace_days": "30"}).content.decode()
    assert "The tenant is being erased or gone: there is no way back." in page


@pytest.mark.parametrize("said", [{"typed": "Acme"}, {"typed": "globex"}, {"typed": "acme", "grace_days": "0"}])
def test_no_tenant_is_closed_by_mistake(said, client_of, acme, people):
    client_of("owner").post(LEAVE, {"grace_days": "30"} | said)
    assert not leaves(acme)


def test_another_tenant_closes_its_own_and_no_other(client_of, acme, people):
    client = client_of("globex")
    assert client.post(LEAVE, {"typed": "acme", "grace_days": "30"}).status_code == 404
    assert client.post(f"{LEAVE}restore/").status_code == 403
    assert not leaves(acme)


GONE = "/console/erased-tenants/"


def erased(tenant):
    """With no time to think it over."""
    leaving.close(tenant, grace=timedelta(0))
    (begun,) = leaving.begin_due()
    return erasure.go_on(tenant, begun.pk)


def test_platform_staff_fetch_the_receipt_of_a_tenant_that_is_gone(client_of, acme, people):
    staff = client_of("staff")
    gone = erased(acme)
    for page in ("/console/erasures/", "/console/erasures/globex/"):
        assert f'href="{GONE}"' in staff.get(page, follow=True).content.decode()
    (one,) = (page := staff.get(GONE)).context["erasures"]
    assert (one.slug, one.pk) == ("acme", gone.pk)
    address = f"{GONE}{gone.pk}/receipt.json"
    assert address in page.content.decode()
    document = staff.get(address).json()
    assert receipts.verify(document, receipts.public_keys())
    assert receipts.is_about(document, "acme")
    assert staff.get("/console/erasures/acme/").status_code == 404


def test_of_a_tenant_that_is_just_being_erased_the_slug_is_told_and_no_receipt(client_of, acme):
    leaving.close(acme, grace=timedelta(0))
    (begun,) = leaving.begin_due()
    staff = client_of("staff")
    page = staff.get(GONE).content.decode()
    assert "acme" in page
    assert "receipt.json" not in page
    assert staff.get(f"{GONE}{begun.pk}/receipt.json").status_code == 404


def test_members_find_nothing_of_tenants_that_are_gone(client_of, acme):
    number, member = erased(acme).pk, client_of("globex")
    for page in (GONE, f"{GONE}{number}/receipt.json"):
        assert member.get(page).status_code == 404
    assert GONE not in member.get("/console/erasures/globex/").content.decode()


def test_the_receipt_of_a_person_is_none_of_a_tenant(client_of, acme, people):
    person = erasure.go_on(acme, erasure.erase_person(acme, "alice").pk)
    staff = client_of("staff")
    assert staff.get(GONE).context["erasures"] == ()
    assert staff.get(f"{GONE}{person.pk}/receipt.json").status_code == 404


def test_whoever_was_erased_in_a_tenant_that_is_gone_is_listed_with_it(client_of, acme, people):
    person = erasure.go_on(acme, erasure.erase_person(acme, "alice").pk)
    gone = erased(acme)
    staff = client_of("staff")
    page = staff.get(GONE)
    assert [(one.pk, one.slug) for one in page.context["erasures"]] == [(gone.pk, "acme"), (person.pk, "acme")]
    assert "acme · person in all libraries" in " ".join(page.content.decode().split())
    assert "alice" not in page.content.decode()
    document = staff.get(f"{GONE}{person.pk}/receipt.json").json()
    assert receipts.is_about(document, "alice")


def test_no_tenant_stands_in_the_way_of_that_list(client_of):
    Tenant.objects.create(slug="erased-tenants", name="Ltd", app_id="ltd")
    staff = client_of("staff")
    assert staff.get("/console/erasures/erased-tenants/").context["tenant"].name == "Ltd"
    assert "No tenant was erased yet." in staff.get(GONE).content.decode()


def test_the_list_of_erased_tenants_asks_for_little_and_goes_on(client_of):
    staff = client_of("staff")
    with acting_as_platform():
        for number in range(SHOWN + 1):
            about = {"tenant_id": 10**6 + number, "kind": Erasure.Kind.TENANT, "subject": f"t{number}"}
            Erasure.all_tenants.create(**about)
    with CaptureQueriesContext(connection) as asked:
        page = staff.get(GONE)
    assert len([one for one in asked if not one["sql"].startswith(TRANSACTION_CONTROL)]) <= MOST_QUERIES
    assert [one.slug for one in staff.get(f"{GONE}?before={page.context['more']}").context["erasures"]] == ["t0"]


def test_an_opt_out_is_lifted_once_somebody_has_said_so_twice(client_of, acme, acme_rows):
    lift, owner = f"/console/opt-outs/acme/{acme_rows.opt_out.pk}/lift/", client_of("owner")
    for ask in (owner.get, owner.post):
        assert "Lift this opt-out?" in ask(lift).content.decode()
    assert opting_out.find_opt_out(acme, acme_rows.opt_out.pk)
    owner.post(lift, {"confirmed": "yes"})
    with pytest.raises(OptOutNotFound):
        opting_out.find_opt_out(acme, acme_rows.opt_out.pk)
