"""The console's page on which a recording is tried: who is it, or is it this one? Nothing of it is stored."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audio.errors import AudioError
from tenants.console import (
    may_change,
    number_in,
    open_to_both,
    opens_own_transactions,
    own_rows,
    own_view,
    page,
    public_url,
    refuse_unless,
)
from tenants.models import Tenant
from voiceprints.errors import VoiceprintError
from voiceprints.library_choice import LibraryChoice
from voiceprints.models import Library
from voiceprints.pages import own_library, own_speaker
from voiceprints.refusals import in_words
from voiceprints.speaking_forms import Asked, TryoutForm
from voiceprints.tryouts import Tryout, claimable, tried


@opens_own_transactions
@open_to_both
def try_out(request: HttpRequest) -> HttpResponse:
    refuse_unless(may_change(request))
    found = _tried(request) if request.method == "POST" else {}
    with own_view(request):
        return page(request, "try", {"title": _("Try it")} | _offered(request) | found)


@require_safe
def enrolled(request: HttpRequest) -> HttpResponse:
    """The part of the page that follows the library and what is typed."""
    refuse_unless(may_change(request))
    library = own_library(request, number_in(request.GET.get("library", "")) or 0)
    found = claimable(library, request.GET.get("external_id", ""))
    return render(request, "console/claimable.html", {"claimable": found})


def _tried(request: HttpRequest) -> dict[str, Any]:
    """What came of it, or why nothing did."""
    form = TryoutForm(request.POST, request.FILES)
    if not form.is_valid():
        return {"refusal": form.refusal}
    said = form.cleaned_data
    with own_view(request):
        library = own_library(request, said["library"])
    try:
        tryout = _asked(library, said)
    except (AudioError, VoiceprintError) as error:
        return {"refusal": in_words(error)}
    site: Any = admin.site
    return {
        "tryout": tryout,
        "setups": site.tryout_setups(library.tenant, tryout.key, tryout.claimed, public_url(request)),
    }


def _asked(library: Library, said: dict[str, Any]) -> Tryout:
    claimed = said["external_id"] if said["asked"] == Asked.VERIFY else None
    return tried(library, claimed, said["audio"][0])


def _offered(request: HttpRequest) -> dict[str, Any]:
    """What is chosen beforehand: what was sent, or what a link names; no choice where there is no library."""
    speaker = _named(request.GET, "speaker", lambda key: own_speaker(request, key))
    library = speaker.library if speaker else _named(request.GET, "library", lambda key: own_library(request, key))
    library = library or own_rows(request, Library.all_tenants.select_related("tenant")).first()
    chosen = {
        "library": str(library.pk) if library else "",
        "asked": Asked.VERIFY if speaker else Asked.IDENTIFY,
        "external_id": speaker.external_id if speaker else "",
    }
    sent = {name: request.POST[name] for name in chosen if name in request.POST}
    chosen |= sent
    if library is None:
        return {"lacks_tenant": not Tenant.objects.exists()}
    about = {"choice": LibraryChoice(request, chosen["library"]), "questions": Asked.choices, "chosen": chosen}
    return about | {"claimable": claimable(_sent_library(request) or library, chosen["external_id"])}


def _sent_library(request: HttpRequest) -> Library | None:
    found: Library | None = _named(request.POST, "library", lambda key: own_library(request, key))
    return found


def _named(said: QueryDict, name: str, find: Any) -> Any:
    key = number_in(said.get(name, ""))
    return None if key is None else find(key)
