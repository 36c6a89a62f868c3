"""The mail that brings an invitation, where the platform can send any. Its link works without the mail as well."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from tenants.models import Invitation

logger = logging.getLogger(__name__)


def send_invitation(invitation: Invitation, link: str) -> bool | None:
    """Whether it went out; None where nothing was to be sent."""
    if not (settings.SENDS_MAIL and invitation.email):
        return None
    subject = _("Invitation to %s on OpenVPR") % invitation.tenant.name
    lead = _("You are invited to %(tenant)s as %(role)s. This link works once, until %(until)s:") % {
        "tenant": invitation.tenant.name,
        "role": invitation.get_role_display(),
        "until": f"{invitation.expires:%Y-%m-%d %H:%M} UTC",
    }
    try:
        send_mail(subject, f"{lead}\n\n{link}\n", None, [invitation.email])
    except (SMTPException, OSError) as error:
        logger.warning("an invitation could not be mailed: %s", type(error).__name__)
        return False
    return True
