"""What the console's ordinary pages say before they delete something, and what that means to somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

DELETE = _("Delete")


@dataclass(frozen=True)
class Deletion:
    """`question`: a lazy plural over `count`. `effect`: what it comes to."""

    question: Any
    effect: Any
    button: Any = DELETE


NAMES_SHOWN = 10
CLIENTS_ARE_REFUSED = _("Clients that still use what is deleted are refused from the next request on.")

OF_CREDENTIALS = Deletion(
    ngettext_lazy("Delete this credential?", "Delete these %(count)d credentials?", "count"), CLIENTS_ARE_REFUSED
)
OF_TOKENS = Deletion(
    ngettext_lazy("Delete this access token?", "Delete these %(count)d access tokens?", "count"),
    CLIENTS_ARE_REFUSED,
)
OF_MEMBERS = Deletion(
    ngettext_lazy("Remove this member?", "Remove these %(count)d members?", "count"),
    _("They see nothing of this tenant any more, from now on. Their account stays."),
    _("Remove"),
)
OF_INVITATIONS = Deletion(
    ngettext_lazy("Revoke this invitation?", "Revoke these %(count)d invitations?", "count"),
    _("Its link opens nothing any more."),
    _("Revoke"),
)
OF_USERS = Deletion(
    ngettext_lazy("Delete this account?", "Delete these %(count)d accounts?", "count"),
    _(
        "Nobody signs in with it any more, and its memberships of all tenants go with it. "
        "An account that is switched off can be switched on again."
    ),
)
OF_LOCK_OUTS = Deletion(
    ngettext_lazy("Lift this lock-out?", "Lift these %(count)d lock-outs?", "count"),
    _("The failed attempts are forgotten, and the next may be made at once."),
    _("Lift lock-out"),
)
