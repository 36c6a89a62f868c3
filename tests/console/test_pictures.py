"""Every page fits on a phone and is translated, and is pictured for the documents where SCREENSHOTS names a folder."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from tenants.context import acting_as
from tenants.models import Tenant
from tests.cast import VOICES
from tests.console.people import enrolled
from tests.console.pictures import PHONE, picture
from tests.console.test_accessibility import sign_in
from tests.console.test_browser import a_month_of, english_words
from voiceprints import generations, retention
from voiceprints.models import Speaker
from voiceprints.retention import OwnPeriod

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

OF_OWNER = {
    "home": "",
    "libraries": "voiceprints/library/",
    "library": "voiceprints/library/{library}/change/",
    "library-delete": "voiceprints/library/{library}/delete/",
    "speakers": "voiceprints/speaker/",
    "speaker": "voiceprints/speaker/{speaker}/change/",
    "enroll": "libraries/{library}/enroll/",
    "try-empty": "try/",
    "jobs": "jobs/acme/",
    "job": "jobs/acme/{job}/",
    "import": "jobs/acme/import/",
    "models": "models/acme/",
    "comparison": "models/acme/compare/?model=tiny",
    "thresholds": "thresholds/acme/",
    "retention": "retention/acme/",
    "retention-change": "retention/acme/recordings/",
    "quotas": "quotas/acme/",
    "credentials": "tenants/credential/",
    "clients": "tenants/credential/{credential}/clients/",
    "tokens": "tenants/accesstoken/",
    "members": "tenants/membership/",
    "invitation": "tenants/invitation/add/",
    "audit": "audit/",
    "erasures": "erasures/acme/",
    "erase": "erasures/acme/begin/",
    "opt-outs": "opt-outs/acme/",
    "account": "account/",
    "second-factor": "account/two-factor/",
}
OF_STAFF = {
    "platform": "",
    "tenants": "tenants/tenant/",
    "users": "auth/user/",
    "lock-outs": "tenants/guesses/",
    "schedule": "django_celery_beat/periodictask/",
    "clean-ups": "tenants/cleanuprun/",
    "storage": "voiceprints/storagefinding/",
}
# And a field of a manifest, and a format.
BACKUP = {"manage", "py", "backup", "make"}
NAMES = {*VOICES, *BACKUP, "again", "erased", "guest", "olga", "victor", "root", "globex", "Globex", "audio", "Lines"}
TOO_WIDE = """() => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const beyond = (one) => one.getBoundingClientRect().right > innerWidth + 1;
    const found = wide > 1 ? [...document.body.querySelectorAll("*")].filter(beyond).slice(-3) : [];
    return found.map((one) => `${wide}: ${one.outerHTML.slice(0, 200)}`);
}"""


@pytest.fixture
def busy(acme: Tenant, globex: Tenant, acme_rows: SimpleNamespace, tiny: str) -> SimpleNamespace:
    """A tenant with something to see on every page."""
    for voice in VOICES:
        enrolled(acme, voice, voice, utterances=3)
    enrolled(acme, "susan (again)", "susan", utterances=2)
    for voice in VOICES[:3]:
        enrolled(acme, f"guest {voice}", voice, tag_id="guests")
    with acting_as(acme):
        acme.speakers.filter(external_id="guest ken").update(
            status=Speaker.Status.ENROLLING, created=timezone.now() - timedelta(days=3)
        )
    Tenant.objects.filter(pk=acme.pk).update(max_speakers=15, requests_per_day=50_000)
    for number, tenant in enumerate([acme, globex], 1001):
        Tenant.objects.filter(pk=tenant.pk).update(app_id=str(number))
    retention.change(acme, recordings=365)
    retention.change_library(acme, acme_rows.library.pk, OwnPeriod(30))
    a_month_of(acme)
    generations.begin(acme, tiny)
    return acme_rows


@pytest.fixture(params=["owner", "staff"])
def reader(request, client_of, page, live_server) -> str:
    """Whose browser it is."""
    sign_in(client_of(request.param), page, live_server)
    return request.param


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_no_page_is_wider_than_a_phone_or_half_translated(language, reader, busy, page, live_server):
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    pages = OF_OWNER if reader == "owner" else OF_STAFF
    rows = {name: row.pk for name, row in vars(busy).items()}
    too_wide, untranslated = {}, {}
    for name, address in pages.items():
        page.set_viewport_size(PHONE)
        page.goto(f"/console/{address.format(**rows)}")
        page.wait_for_load_state("networkidle")
        if found := page.evaluate(TOO_WIDE):
            too_wide[name] = found
        picture(page, f"console-{name}" if language == "en" else f"console-{name}-zh")
        if language != "en":
            found = {word for words in english_words(page) for word in words.split()} - NAMES
            untranslated |= {name: found} if found else {}
    assert (too_wide, untranslated) == ({}, {})
