"""Nothing is removed in the console before a page has said how much goes."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from tenants.console import page, selection, with_tenant
from tenants.deletions import NAMES_SHOWN
from tenants.sentences import listed
from voiceprints.job_page import Progress
from voiceprints.removals import Undertaking, in_words

CONFIRMED, TYPED = "confirmed", "typed"
EXPORTS_SHOWN = 3


def is_confirmed(request: HttpRequest) -> bool:
    return request.method == "POST" and CONFIRMED in request.POST


def is_meant(request: HttpRequest, undertaking: Undertaking, chosen: QuerySet[Any]) -> bool:
    """Confirmed, and what was to be typed was."""
    return is_confirmed(request) and request.POST.get(TYPED, "").strip() == undertaking.typed(chosen, chosen.count())


def carry_out(request: HttpRequest, undertaking: Undertaking, chosen: QuerySet[Any]) -> None:
    removal = undertaking.carry_out(chosen)
    messages.success(request, _("Removed: %s.") % listed(in_words(removal)))


def confirmation_page(request: HttpRequest, undertaking: Undertaking, chosen: QuerySet[Any], back: str) -> HttpResponse:
    rows = chosen.select_related("tenant").prefetch_related(None)
    names = [with_tenant(request, one, undertaking.named(one)) for one in rows[: NAMES_SHOWN + 1]]
    count = len(names) if len(names) <= NAMES_SHOWN else chosen.count()
    exports = undertaking.exports(chosen)
    context = {
        "title": _("Are you sure?"),
        "question": undertaking.question % {"count": count},
        "button": undertaking.button,
        "lead": _("This removes for good:"),
        "consequences": [*in_words(undertaking.foresee(chosen, count)), *undertaking.besides(chosen)],
        "names": names[:NAMES_SHOWN],
        "more": max(0, count - NAMES_SHOWN),
        "repeated": selection(request),
        "exports": [Progress(job) for job in exports[:EXPORTS_SHOWN]],
        "export_count": len(exports),
        "more_exports": max(0, len(exports) - EXPORTS_SHOWN),
        "typed": undertaking.typed(chosen, count),
        "is_number": count > 1,
        "mistyped": is_confirmed(request),
        "back": back,
    }
    return page(request, "confirm", context)
