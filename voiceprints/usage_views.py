"""What was used, as a file."""

from __future__ import annotations

from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from tenants.console import is_platform_staff, opens_own_transactions, own_view, refuse_unless
from tenants.usage import as_csv
from voiceprints.overview import period_of
from voiceprints.shown import shown_to


@opens_own_transactions
@require_safe
def usage_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Of what the home page shows, streamed as it is read."""
    with own_view(request):
        period, tenant = period_of(request), shown_to(request).tenant
    refuse_unless(tenant is not None or is_platform_staff(request))
    name = f"usage-{tenant.slug if tenant else 'openvpr'}-{period.first}-{period.last}.csv"
    attached = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(as_csv(tenant, period), content_type="text/csv; charset=utf-8", headers=attached)
