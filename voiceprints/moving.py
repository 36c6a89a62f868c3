"""Moving the speakers somebody picked out in the console to another library, after asking to which."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tenants.console import number_in, own_rows, page, selection
from tenants.deletions import NAMES_SHOWN
from voiceprints import services
from voiceprints.confirmation import is_confirmed
from voiceprints.errors import VoiceprintError
from voiceprints.library_choice import Among, LibraryChoice
from voiceprints.models import Library, Speaker
from voiceprints.refusals import in_words
from voiceprints.results import LibraryKey


def moved_or_asked(request: HttpRequest, speakers: QuerySet[Speaker], back: str) -> HttpResponse | None:
    """On to the library where they are now; None where they could not move: a message says why."""
    tenants = set(speakers.order_by().values_list("tenant", flat=True).distinct()[:2])
    if len(tenants) != 1:
        messages.error(request, _("Choose speakers of one tenant."))
        return None
    others = Among(tenant=tenants.pop(), but=_only_library_of(speakers))
    target = _target(request, others) if is_confirmed(request) else None
    if target is None:
        return _question(request, speakers, others, back)
    return _moved(request, speakers, target)


def _only_library_of(speakers: QuerySet[Speaker]) -> int | None:
    """In which all of them are already; None where they are in several."""
    found = list(speakers.order_by().values_list("library", flat=True).distinct()[:2])
    return found[0] if len(found) == 1 else None


def _moved(request: HttpRequest, speakers: QuerySet[Speaker], target: Library) -> HttpResponse | None:
    chosen = list(speakers.order_by().values_list("pk", flat=True))
    try:
        count = services.move_speakers(target.tenant, chosen, LibraryKey(target.org_id, target.tag_id))
    except VoiceprintError as error:
        messages.error(request, in_words(error))
        return None
    words = ngettext("%(count)d speaker is in %(library)s now.", "%(count)d speakers are in %(library)s now.", count)
    messages.success(request, words % {"count": count, "library": target})
    return redirect("admin:voiceprints_library_change", target.pk)


def _target(request: HttpRequest, others: Among) -> Library | None:
    libraries = others.of(own_rows(request, Library.all_tenants.select_related("tenant")))
    return libraries.filter(pk=number_in(request.POST.get("library", "")) or 0).first()


def _question(request: HttpRequest, speakers: QuerySet[Speaker], others: Among, back: str) -> HttpResponse:
    count = speakers.count()
    question = ngettext(
        "Move this speaker to another library?", "Move these %(count)d speakers to another library?", count
    )
    context = {
        "title": _("Move to another library"),
        "question": question % {"count": count},
        "names": [str(one) for one in speakers.prefetch_related(None)[:NAMES_SHOWN]],
        "more": max(0, count - NAMES_SHOWN),
        "choice": LibraryChoice(request, "", others),
        "unchosen": is_confirmed(request),
        "repeated": selection(request),
        "back": back,
    }
    return page(request, "move", context)
