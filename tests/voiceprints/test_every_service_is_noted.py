"""Every service that changes something tells the audit trail so, once. A new one must take its place in a table."""

from __future__ import annotations

import inspect
import io
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from tenants import guessing, invitations, members, second_factors, signed_in
from tenants import services as access
from tenants.actions import Action
from tenants.context import acting_as, acting_as_platform
from tenants.models import AuditEvent, Guesses, Role, Scope, SecondFactor
from tests.cast import KEN, LIBRARY, SUSAN, WEI, audio
from tests.second_model import TINY
from voiceprints import (
    bulk,
    consents,
    curation,
    decisions,
    erasure,
    generations,
    installed,
    leaving,
    opting_out,
    recordings,
    retention,
    services,
)
from voiceprints.calibration import provisional
from voiceprints.models import Job
from voiceprints.results import LibraryKey, Turn
from voiceprints.retention import OwnPeriod

pytestmark = pytest.mark.django_db

MODULES = (
    access,
    members,
    invitations,
    second_factors,
    guessing,
    signed_in,
    services,
    curation,
    bulk,
    generations,
    installed,
    decisions,
    retention,
    erasure,
    leaving,
    opting_out,
    consents,
)
CHANGES_NOTHING = {
    access: "default_model known_credential find_token",
    members: "is_last_owner is_last_platform_staff belongs_somewhere members_without_second_factor closed_tenants_of",
    invitations: "find_invitation sweep digest_of",
    second_factors: "has_second_factor begin begun recovery_codes_left passes",
    guessing: "attempt attempt_at_names forget sweep",
    signed_in: "sessions_of",
    services: "verify identify near_duplicates compare compare_speakers list_speakers count_speakers find_speaker "
    "find_library hear neighbours",
    curation: "browse_libraries find_library browse_speakers find_speaker browse_utterances find_utterance",
    bulk: "answers_enrollments find_job page_jobs page_rows file_of",
    generations: "all_coverages coverage longest_request",
    installed: "store refuse_disagreement most_used most_answering refuse_other_vectors registered usage_of",
    decisions: "decision_for calibration_of calibrations_of has_own_calibration calibration_in_force "
    "forget_calibrations shipped_calibration",
    retention: "periods_of own_periods look look_at_library foresee foresee_library keeps_recordings",
    erasure: "find_erasure newest_of receipt_of page_erasures page_gone receipt_of_gone tell_what_keeps tend dispatch",
    leaving: "closed_since has_begun",
    opting_out: "find_opt_out page_opt_outs",
    consents: "refuse_missing refuse_impossible is_asked_for is_kept may_be_when consent_of given_by interface seen",
}
# Parts of others, which tell; when a key was last used; a first start, which is two deeds; and the end of an erasure,
# which is several transactions (test_erasure.py).
TOLD_BY_OTHERS = {
    bulk.run_enrollment,
    generations.forget_leftovers,
    access.note_use,
    access.provision,
    signed_in.end_other_sessions,
    erasure.go_on,
    leaving.begin_due,
    consents.record,
    leaving.erase,
}

TABLE = {}


def changes(service, action):
    """The function prepares a world and returns the deed."""

    def entered(prepare):
        TABLE[service] = action, prepare
        return prepare

    return entered


@pytest.fixture
def world(acme, acme_credential, tiny):
    enrollment = services.enroll(acme, LIBRARY, SUSAN, [audio(SUSAN)])
    return SimpleNamespace(
        acme=acme,
        credential=acme_credential,
        library=enrollment.speaker.library,
        libraries=acme.libraries.within(LIBRARY.org_id, LIBRARY.tag_id),
        speaker=enrollment.speaker,
        utterance=enrollment.utterances[0],
    )


@changes(access.create_tenant, Action.TENANT_OPENED)
def _(world):
    return lambda: access.create_tenant("initech")


@changes(access.change_tenant, Action.TENANT_CHANGED)
def _(world):
    world.acme.false_accept_rate = 0.001
    return lambda: access.change_tenant(world.acme, ["false_accept_rate", "name"])


@changes(access.set_policy, Action.TENANT_CHANGED)
def _(world):
    return lambda: access.set_policy(world.acme, false_accept_rate=0.001, consistency="refuse")


@changes(access.allow_dialect, Action.TENANT_CHANGED)
def _(world):
    world.acme.dialects = ["abcpen"]
    return lambda: access.allow_dialect(world.acme, "dolphin")


@changes(access.choose_dialects, Action.TENANT_CHANGED)
def _(world):
    return lambda: access.choose_dialects(world.acme, ["abcpen"])


@changes(access.set_default_model, Action.DEFAULT_MODEL_CHOSEN)
def _(world):
    return lambda: access.set_default_model(TINY)


@changes(access.issue_credential, Action.CREDENTIAL_ISSUED)
def _(world):
    return lambda: access.issue_credential(world.acme)


@changes(access.rotate_credential, Action.CREDENTIAL_ROTATED)
def _(world):
    return lambda: access.rotate_credential(world.credential, overlap=timedelta(hours=1))


@changes(access.label_credential, Action.CREDENTIAL_LABELLED)
def _(world):
    return lambda: access.label_credential(world.credential, "payroll")


@changes(access.set_credential_enabled, Action.CREDENTIAL_DISABLED)
def _(world):
    return lambda: access.set_credential_enabled(world.credential, False)


@changes(access.delete_credential, Action.CREDENTIAL_DELETED)
def _(world):
    return lambda: access.delete_credential(world.credential)


@changes(access.issue_token, Action.TOKEN_ISSUED)
def _(world):
    return lambda: access.issue_token(world.acme, scopes=["read"])


@changes(access.change_token, Action.TOKEN_CHANGED)
def _(world):
    token, _ = access.issue_token(world.acme, scopes=["read"])
    return lambda: access.change_token(token, label="x", enabled=False)


@changes(access.delete_token, Action.TOKEN_DELETED)
def _(world):
    token, _ = access.issue_token(world.acme, scopes=["read"])
    return lambda: access.delete_token(token)


@changes(access.delete_tokens, Action.TOKEN_DELETED)
def _(world):
    access.issue_token(world.acme, scopes=["path"])
    return lambda: access.delete_tokens(world.acme, Scope.PATH)


def victor():
    return get_user_model().objects.create_user("victor")


def joined(world):
    return members.add_member(world.acme, victor(), Role.VIEWER)


@changes(members.add_member, Action.MEMBER_ADDED)
def _(world):
    user = victor()
    return lambda: members.add_member(world.acme, user, Role.VIEWER)


@changes(members.change_role, Action.MEMBER_CHANGED)
def _(world):
    member = joined(world)
    return lambda: members.change_role(member, Role.OWNER)


@changes(members.remove_member, Action.MEMBER_REMOVED)
def _(world):
    member = joined(world)
    return lambda: members.remove_member(member)


@changes(members.require_two_factors, Action.TENANT_CHANGED)
def _(world):
    return lambda: members.require_two_factors(world.acme, True)


@changes(invitations.invite, Action.INVITATION_MADE)
def _(world):
    return lambda: invitations.invite(world.acme, role=Role.VIEWER)


@changes(invitations.accept, Action.MEMBER_ADDED)
def _(world):
    invitation, _ = invitations.invite(world.acme, role=Role.VIEWER)
    user = victor()
    return lambda: invitations.accept(invitation, user)


@changes(invitations.revoke, Action.INVITATION_REVOKED)
def _(world):
    invitation, _ = invitations.invite(world.acme, role=Role.VIEWER)
    return lambda: invitations.revoke(invitation)


def with_a_code(user):
    """What an app would show for the seed that was just made."""
    second_factors.begin(user)
    factor = SecondFactor.objects.get(user=user)
    return second_factors._totp(factor).generate(int(time.time())).decode()


@changes(second_factors.turn_on, Action.SECOND_FACTOR_ON)
def _(world):
    user = joined(world).user
    code = with_a_code(user)
    return lambda: second_factors.turn_on(user, code, session_key=None)


@changes(second_factors.turn_off, Action.SECOND_FACTOR_OFF)
def _(world):
    user = joined(world).user
    return lambda: second_factors.turn_off(user)


@changes(second_factors.new_recovery_codes, Action.RECOVERY_CODES_MADE)
def _(world):
    user = joined(world).user
    return lambda: second_factors.new_recovery_codes(user)


@changes(guessing.lift_of, Action.LOCK_OUT_LIFTED)
def _(world):
    user = victor()
    return lambda: guessing.lift_of(user)


@changes(guessing.lift, Action.LOCK_OUT_LIFTED)
def _(world):
    guessing.attempt(victor().get_username(), "")
    return lambda: guessing.lift(Guesses.objects.get())


def with_a_session(world):
    user = joined(world).user
    Client().force_login(user)
    return user


@changes(signed_in.end_session, Action.SESSIONS_ENDED)
def _(world):
    user = with_a_session(world)
    (session,) = signed_in.sessions_of(user, None)
    return lambda: signed_in.end_session(user, session.name)


@changes(signed_in.sign_out_elsewhere, Action.SESSIONS_ENDED)
def _(world):
    user = with_a_session(world)
    return lambda: signed_in.sign_out_elsewhere(user, None)


@changes(services.enroll, Action.ENROLLED)
def _(world):
    return lambda: services.enroll(world.acme, LIBRARY, WEI, [audio(WEI)])


@changes(services.enroll_turn, Action.ENROLLED)
def _(world):
    turn = Turn(1, 3)
    return lambda: services.enroll_turn(world.acme, LIBRARY, WEI, audio(WEI), turn=turn, within=world.libraries)


@changes(services.update, Action.UTTERANCES_REPLACED)
def _(world):
    return lambda: services.update(world.acme, LIBRARY, SUSAN, [audio(SUSAN, 2)])


@changes(services.replace_utterance, Action.UTTERANCES_REPLACED)
def _(world):
    return lambda: services.replace_utterance(world.acme, world.utterance.pk, audio(SUSAN, 2))


@changes(services.move_speakers, Action.SPEAKER_MOVED)
def _(world):
    services.save_library(world.acme, LibraryKey("new"))
    return lambda: services.move_speakers(world.acme, [world.speaker.pk], LibraryKey("new"))


@changes(services.save_library, Action.LIBRARY_MADE)
def _(world):
    return lambda: services.save_library(world.acme, LibraryKey("new"))


@changes(services.delete_speaker, Action.SPEAKER_DELETED)
def _(world):
    return lambda: services.delete_speaker(world.acme, world.libraries, SUSAN)


@changes(services.delete_speakers, Action.SPEAKER_DELETED)
def _(world):
    return lambda: services.delete_speakers(world.acme, world.libraries, [SUSAN, "nobody"])


@changes(services.delete_probes, Action.PROBES_DELETED)
def _(world):
    services.enroll(world.acme, LIBRARY, KEN, [audio(KEN)], probe=True)
    return lambda: services.delete_probes(world.acme, world.libraries, before=timezone.now())


@changes(services.empty_libraries, Action.LIBRARY_EMPTIED)
def _(world):
    return lambda: services.empty_libraries(world.acme, world.libraries)


@changes(services.delete_libraries, Action.LIBRARY_DELETED)
def _(world):
    return lambda: services.delete_libraries(world.acme, world.libraries)


@changes(services.delete_library, Action.LIBRARY_DELETED)
def _(world):
    return lambda: services.delete_library(world.acme, LIBRARY)


@changes(services.delete_utterance, Action.UTTERANCE_DELETED)
def _(world):
    return lambda: services.delete_utterance(world.acme, world.utterance.pk)


@changes(curation.make_library, Action.LIBRARY_MADE)
def _(world):
    return lambda: curation.make_library(world.acme, LibraryKey("new"))


@changes(curation.change_library, Action.LIBRARY_CHANGED)
def _(world):
    return lambda: curation.change_library(world.acme, world.library.pk, {"name": "x"}, versions=None)


@changes(curation.remove_library, Action.LIBRARY_DELETED)
def _(world):
    return lambda: curation.remove_library(world.acme, world.library.pk, versions=None)


@changes(curation.empty_library, Action.LIBRARY_EMPTIED)
def _(world):
    return lambda: curation.empty_library(world.acme, world.library.pk, versions=None)


@changes(curation.change_speaker, Action.SPEAKER_CHANGED)
def _(world):
    return lambda: curation.change_speaker(world.acme, world.speaker.pk, {"info": "x"}, versions=None)


@changes(curation.remove_speaker, Action.SPEAKER_DELETED)
def _(world):
    return lambda: curation.remove_speaker(world.acme, world.speaker.pk, versions=None)


@changes(bulk.begin_enrollment, Action.JOB_BEGUN)
def _(world):
    return lambda: bulk.begin_enrollment(world.acme, LIBRARY, WEI, [audio(WEI)], answer="native")


@changes(bulk.begin_import, Action.JOB_BEGUN)
def _(world):
    return lambda: bulk.begin_import(world.acme, archive=io.BytesIO(b"x"))


@changes(bulk.begin_export, Action.JOB_BEGUN)
def _(world):
    return lambda: bulk.begin_export(world.acme, LIBRARY)


@changes(bulk.cancel_job, Action.JOB_CANCELLED)
def _(world):
    job = bulk.begin_export(world.acme, LIBRARY)
    return lambda: bulk.cancel_job(world.acme, job.pk)


@changes(bulk.pause_job, Action.JOB_PAUSED)
def _(world):
    job = bulk.begin_export(world.acme, LIBRARY)
    return lambda: bulk.pause_job(world.acme, job.pk)


@changes(bulk.resume_job, Action.JOB_RESUMED)
def _(world):
    job = bulk.begin_export(world.acme, LIBRARY)
    bulk.pause_job(world.acme, job.pk)
    return lambda: bulk.resume_job(world.acme, job.pk)


@changes(bulk.retry_job, Action.JOB_RETRIED)
def _(world):
    job = bulk.begin_export(world.acme, LIBRARY)
    ended = {"state": Job.State.FAILED, "finished": timezone.now()}
    with acting_as(world.acme):
        world.acme.jobs.filter(pk=job.pk).update(**ended)
    return lambda: bulk.retry_job(world.acme, job.pk)


@changes(bulk.copy_file, Action.EXPORT_FETCHED)
def _(world):
    job = bulk.begin_export(world.acme, LIBRARY)
    recordings.write(["jobs/export.zip"], [b"zip"])
    with acting_as(world.acme):
        world.acme.jobs.filter(pk=job.pk).update(output="jobs/export.zip")
    return lambda: bulk.copy_file(world.acme, job.pk, io.BytesIO())


@changes(bulk.delete_file, Action.EXPORT_DELETED)
def _(world):
    job = bulk.begin_export(world.acme, LIBRARY)
    with acting_as(world.acme):
        world.acme.jobs.filter(pk=job.pk).update(output="jobs/export.zip")
    return lambda: bulk.delete_file(world.acme, job.pk)


@changes(generations.begin, Action.JOB_BEGUN)
def _(world):
    return lambda: generations.begin(world.acme, TINY)


def known_to_tiny(world):
    """As far as can be: nothing that was recorded is missing."""
    world.acme.other_models = [TINY]
    world.acme.save()
    with acting_as(world.acme):
        world.acme.utterances.update(recording="")


@changes(generations.switch, Action.MODEL_SWITCHED)
def _(world):
    known_to_tiny(world)
    return lambda: generations.switch(world.acme, TINY)


@changes(generations.roll_back, Action.MODEL_ROLLED_BACK)
def _(world):
    known_to_tiny(world)
    generations.switch(world.acme, TINY)
    return lambda: generations.roll_back(world.acme)


@changes(generations.drop, Action.MODEL_DROPPED)
def _(world):
    known_to_tiny(world)
    return lambda: generations.drop(world.acme, TINY)


@changes(generations.give_up, Action.MODEL_DROPPED)
def _(world):
    known_to_tiny(world)
    return lambda: generations.give_up(world.acme, TINY)


def of_other_weights():
    card = installed.store().find(TINY)
    return card.__class__(**vars(card) | {"sha256": "0" * 64})


@changes(installed.register, Action.MODEL_INSTALLED)
def _(world):
    return lambda: installed.register(of_other_weights())


@changes(installed.install, Action.MODEL_INSTALLED)
def _(world):
    weights = installed.store().weights_of(TINY)
    card = installed.store().find(TINY)
    return lambda: installed.install(weights, card.__class__(**vars(card) | {"name": "tiny-too"}))


@changes(installed.make_default, Action.DEFAULT_MODEL_CHOSEN)
def _(world):
    return lambda: installed.make_default(TINY)


@changes(installed.remove, Action.MODEL_REMOVED)
def _(world):
    return lambda: installed.remove(TINY)


@changes(erasure.erase_speaker, Action.ERASURE_BEGUN)
def _(world):
    return lambda: erasure.erase_speaker(world.acme, world.libraries, SUSAN)


@changes(erasure.erase_person, Action.ERASURE_BEGUN)
def _(world):
    return lambda: erasure.erase_person(world.acme, SUSAN)


@changes(erasure.erase_known_person, Action.ERASURE_BEGUN)
def _(world):
    return lambda: erasure.erase_known_person(world.acme, SUSAN)


@changes(leaving.close, Action.TENANT_LEAVING)
def _(world):
    return lambda: leaving.close(world.acme)


@changes(leaving.restore, Action.TENANT_RESTORED)
def _(world):
    leaving.close(world.acme)
    return lambda: leaving.restore(world.acme)


@changes(consents.set_rules, Action.TENANT_CHANGED)
def _(world):
    return lambda: consents.set_rules(world.acme, required=True, elsewhere=["abcpen"])


@changes(opting_out.opt_out, Action.OPTED_OUT)
def _(world):
    return lambda: opting_out.opt_out(world.acme, KEN)


@changes(opting_out.lift, Action.OPT_OUT_LIFTED)
def _(world):
    added = opting_out.opt_out(world.acme, KEN).opt_out
    return lambda: opting_out.lift(world.acme, added.pk)


@changes(decisions.store_calibration, Action.MODEL_CALIBRATED)
def _(world):
    return lambda: decisions.store_calibration(provisional(TINY))


@changes(retention.change, Action.RETENTION_CHANGED)
def _(world):
    return lambda: retention.change(world.acme, recordings=30)


@changes(retention.change_library, Action.RETENTION_CHANGED)
def _(world):
    return lambda: retention.change_library(world.acme, world.library.pk, OwnPeriod(0))


@changes(decisions.store_own_calibration, Action.MODEL_CALIBRATED)
def _(world):
    return lambda: decisions.store_own_calibration(world.acme, provisional(TINY))


@changes(decisions.drop_own_calibrations, Action.CALIBRATION_DROPPED)
def _(world):
    decisions.store_own_calibration(world.acme, provisional(TINY))
    return lambda: decisions.drop_own_calibrations(world.acme, TINY)


def services_of(module):
    found = inspect.getmembers(module, inspect.isfunction)
    return {one for name, one in found if one.__module__ == module.__name__ and not name.startswith("_")}


def noted():
    with acting_as_platform():
        return list(AuditEvent.all_tenants.order_by("pk").values_list("action", flat=True))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_service_has_its_place_in_the_tables(module):
    reading = {getattr(module, name) for name in CHANGES_NOTHING[module].split()}
    assert services_of(module) - reading - TABLE.keys() - TOLD_BY_OTHERS == set()


@pytest.mark.parametrize("service", TABLE, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_a_service_tells_of_what_it_changes_once(service, world):
    action, prepare = TABLE[service]
    deed = prepare(world)
    before = len(noted())
    deed()
    # The first credential of a tenant is issued by a service of its own, in the tenant's chain.
    told = [one for one in noted()[before:] if (service, one) != (access.create_tenant, Action.CREDENTIAL_ISSUED)]
    assert told == [action]


@pytest.mark.parametrize("service", TABLE, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_a_service_that_is_undone_told_nothing(service, world):
    _, prepare = TABLE[service]
    deed = prepare(world)
    before = noted()
    with pytest.raises(ZeroDivisionError), acting_as_platform():
        deed()
        1 / 0
    assert noted() == before
