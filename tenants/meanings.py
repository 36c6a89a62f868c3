"""What each role and each scope is for, in a line, where somebody chooses one."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _

from tenants.models import Role, Scope

ROLES: Final = {
    Role.OWNER: _("owner: everything, with members, key pairs, tokens, models, thresholds, retention and erasing"),
    Role.OPERATOR: _("operator: enroll, try, hear, change and delete speakers and libraries; import and export"),
    Role.AUDITOR: _("auditor: look at what viewers see, and read the audit trail and the erasures; hear nothing"),
    Role.VIEWER: _("viewer: look at libraries, speakers and figures; hear and change nothing"),
}
SCOPES: Final = {
    Scope.READ: _("read: libraries, speakers, utterances with their figures, jobs and quotas; no recordings"),
    Scope.LISTEN: _("listen: fetch the recordings of speakers"),
    Scope.ENROLL: _(
        "enroll: make libraries; enroll, change, move and delete speakers and utterances; import, cancel jobs"
    ),
    Scope.RECOGNISE: _("recognise: verify, identify, compare and analyze recordings"),
    Scope.ADMIN: _(
        "administer: all of the above; change, empty, delete and export libraries; "
        "retention, erasures, opt-outs, usage and the audit trail"
    ),
    Scope.PATH: _(
        "secret path: for clients that cannot sign; whoever knows the address may do whatever their interface offers"
    ),
}
