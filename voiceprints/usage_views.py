"""What was used, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from tenants.console import membership_of, own_rows
from tenants.models import UsageDay
from tenants.usage import write_csv
from voiceprints.overview import period_of


@require_safe
def usage_csv(request: HttpRequest) -> HttpResponse:
    """Of a member's own tenant; for platform staff, of every tenant."""
    period, membership = period_of(request), membership_of(request)
    whose = membership.tenant.slug if membership else "openvpr"
    name = f"usage-{whose}-{period.first}-{period.last}.csv"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    write_csv(response, own_rows(request, UsageDay.all_tenants.all()), period)  # type: ignore[arg-type]
    return response
