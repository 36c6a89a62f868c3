"""What speaks against an enrollment that was just stored, in words: it is said where it is said to be stored."""

from __future__ import annotations

from collections.abc import Iterable

from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _

from tenants.models import Tenant
from tenants.sentences import labelled, listed
from voiceprints import wording
from voiceprints.reports import EnrollmentReport, enrollment_report
from voiceprints.results import Enrollment, Scored


def doubts_about(tenant: Tenant, enrollment: Enrollment) -> list[str]:
    """A sentence for each warning of the report."""
    report = enrollment_report(tenant, enrollment)
    said = {"inconsistent": _unlike_before, "near_duplicates": _like_others}
    return [said[name](report) for name in report.warnings]


def _unlike_before(report: EnrollmentReport) -> str:
    unlike = [one.agreement for one in report.utterances if one.agreement and not one.agreement.accepted]
    return _("%s.") % _with_figures(wording.agreement(len(unlike)), unlike)


def _like_others(report: EnrollmentReport) -> str:
    alike = (_with_figures(str(candidate.speaker), [candidate]) for candidate in report.near_duplicates)
    return _("%s.") % labelled(_("Near duplicates"), listed(alike))


def _with_figures(words: str, comparisons: Iterable[Scored]) -> str:
    figures = listed(
        _("cosine %(score)s, threshold %(threshold)s")
        % {"score": floatformat(one.score, 3), "threshold": floatformat(one.threshold, 3)}
        for one in comparisons
    )
    return _("%(words)s (%(figures)s)") % {"words": words, "figures": figures}
