"""Recordings can be fetched by whoever holds a fresh address, whole or in part."""

from dataclasses import fields

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.signals import request_finished
from django.db import close_old_connections
from django.utils.http import quote_etag

from audio.results import SpeechQuality
from tenants.context import acting_as
from voiceprints.errors import RecordingNotFound
from voiceprints.models import Library, Speaker, Utterance
from voiceprints.serving import (
    Span,
    link_token,
    recorded_at,
    recording_response,
    requested_span,
    tenant_of_link,
)

PATH = "acme/20250101/c41bc3cc-49e5-40ad-b5c6-ba9e0051fbe6.flac"
CONTENT = bytes(range(200)) * 1000
ETAG = quote_etag("c41bc3cc-49e5-40ad-b5c6-ba9e0051fbe6")


@pytest.fixture
def stored(recordings_folder):
    """Closing a response must not close the database connection that a test does not have."""
    request_finished.disconnect(close_old_connections)
    storages["recordings"].save(PATH, ContentFile(CONTENT))
    yield
    request_finished.connect(close_old_connections)


@pytest.fixture
def fetch(rf, stored):
    def fetch(method="get", path=PATH, **headers):
        named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        return recording_response(getattr(rf, method)("/", **named), path)

    return fetch


def body(response):
    content = response.getvalue()
    response.close()
    return content


def test_without_a_range_the_whole_recording_comes(fetch):
    response = fetch()
    assert (response.status_code, response["Content-Length"]) == (200, str(len(CONTENT)))
    assert body(response) == CONTENT


def test_it_is_flac_for_this_client_alone(fetch):
    response = fetch()
    response.close()
    assert (response["Content-Type"], response["Cache-Control"]) == ("audio/flac", "private")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100000-150000", 100_000, 150_000),
        ("bytes=199990-", 199_990, 199_999),
        ("bytes=-5", 199_995, 199_999),
        ("bytes=-999999", 0, 199_999),
        ("bytes=10-999999", 10, 199_999),
    ],
)
def test_a_range_gives_that_part(fetch, asked, first, last):
    response = fetch(range=asked)
    assert (response.status_code, response["Content-Range"]) == (206, f"bytes {first}-{last}/200000")
    assert body(response) == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=200000-", "bytes=999999-1000000", "bytes=-0"])
def test_a_range_outside_the_recording_is_refused(fetch, asked):
    response = fetch(range=asked)
    assert (response.status_code, response["Content-Range"]) == (416, "bytes */200000")


@pytest.mark.parametrize("asked", ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "seconds=0-1", "bytes=a-b"])
def test_what_is_no_plain_range_asks_for_everything(asked):
    assert requested_span(asked, 100) is None


def test_a_span_counts_both_ends():
    assert Span(3, 4).length == 2


def test_a_range_of_another_version_gives_everything(fetch):
    response = fetch(range="bytes=0-1", if_range='"another"')
    assert body(response) == CONTENT


def test_a_range_of_this_version_gives_the_part(fetch):
    assert body(fetch(range="bytes=0-1", if_range=ETAG)) == CONTENT[:2]


def test_a_client_that_has_it_gets_nothing_again(fetch):
    assert fetch(if_none_match=ETAG).status_code == 304


def test_head_tells_the_length_and_sends_nothing(fetch):
    response = fetch("head")
    assert (response["Content-Length"], response.content) == ("200000", b"")


def test_a_missing_file_is_not_found(fetch):
    with pytest.raises(RecordingNotFound):
        fetch(path="acme/20250101/gone.flac")


@pytest.fixture
def said(acme):
    figures = dict.fromkeys((field.name for field in fields(SpeechQuality)), 1.0)
    with acting_as(acme):
        library = Library.all_tenants.create(tenant=acme, org_id="acme")
        speaker = Speaker.all_tenants.create(tenant=acme, library=library, external_id="anna")
        Utterance.all_tenants.create(tenant=acme, speaker=speaker, recording=PATH, **figures)


def test_a_tenant_may_hear_its_own_recording(said, acme):
    recorded_at(acme, PATH)


def test_a_tenant_does_not_find_anothers_recording(said, globex):
    with pytest.raises(RecordingNotFound):
        recorded_at(globex, PATH)


def test_a_link_leads_back_to_its_tenant(acme):
    assert tenant_of_link(link_token(acme, PATH), PATH) == acme


def test_a_link_opens_no_other_recording(acme):
    with pytest.raises(RecordingNotFound):
        tenant_of_link(link_token(acme, PATH), PATH.replace("acme", "other"))


def test_a_link_cannot_be_given_to_another_tenant(acme, globex):
    token = link_token(acme, PATH).replace(f"{acme.pk}:", f"{globex.pk}:", 1)
    with pytest.raises(RecordingNotFound):
        tenant_of_link(token, PATH)


def test_a_link_expires(acme, settings):
    settings.RECORDING_LINK_SECONDS = -1
    with pytest.raises(RecordingNotFound):
        tenant_of_link(link_token(acme, PATH), PATH)


def test_the_links_of_a_closed_tenant_lead_nowhere(acme):
    token = link_token(acme, PATH)
    acme.active = False
    acme.save()
    with pytest.raises(RecordingNotFound):
        tenant_of_link(token, PATH)


@pytest.mark.parametrize("token", ["", ":", "x", "1:2:3", "1", "\x00", "é:a:b", "1:1tTgX:" + "A" * 43])
def test_a_made_up_link_leads_nowhere(acme, token):
    with pytest.raises(RecordingNotFound):
        tenant_of_link(token, PATH)
