"""What the jobs of this room are answered with in the end."""

from __future__ import annotations

import json
from typing import Any

from rest_framework.renderers import JSONRenderer

from api.native import serializers
from api.native.viewsets import NativeViewSet
from tenants.models import Tenant
from voiceprints import bulk, reports
from voiceprints.results import Enrollment


def register() -> None:
    bulk.answers_enrollments(NativeViewSet.dialect, enrollment_answer)


def enrollment_answer(tenant: Tenant, enrollment: Enrollment) -> dict[str, Any]:
    """What a request to enroll is answered, as plain values, for the job that does it instead."""
    report = serializers.EnrollmentReply(reports.enrollment_report(tenant, enrollment)).data
    answer: dict[str, Any] = json.loads(JSONRenderer().render(report))
    return answer
