"""What was used, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from tenants.models import UsageDay
from tenants.usage import write_csv
from voiceprints.overview import period_of
from voiceprints.shown import shown_to


@require_safe
def usage_csv(request: HttpRequest) -> HttpResponse:
    """Of what the home page shows."""
    period, shown = period_of(request), shown_to(request)
    whose = shown.tenant.slug if shown.tenant else "openvpr"
    name = f"usage-{whose}-{period.first}-{period.last}.csv"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    write_csv(response, shown.rows(UsageDay.all_tenants.all()), period)  # type: ignore[arg-type]
    return response
