"""How a library is named in the console: so that people can see it, and tell it from the others."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Func, QuerySet, Value
from django.utils.translation import gettext_lazy as _

from tenants.console import TenantForm
from tenants.models import Tenant
from tenants.names import refuse_unseen
from voiceprints.models import Library

HELP = {
    "org_id": _("What clients name the library by, together with the tag. Both are fixed once it exists."),
    "tag_id": _("Tells libraries of one organisation apart. May be left empty."),
    "name": _("For people, in the console alone; it can be changed. May be left empty."),
}


class LibraryForm(TenantForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in HELP.keys() & self.fields.keys():
            self.fields[name].help_text = HELP[name]
            self.fields[name].validators.append(refuse_unseen)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        tenant = said.get("tenant") or self.settled_tenant
        if tenant and not self.errors and _named_alike(tenant, said).exists():
            raise ValidationError(
                _("A library of this name is there, written with other characters that look the same."), code="alike"
            )
        return said


def _named_alike(tenant: Tenant, said: dict[str, Any]) -> QuerySet[Library]:
    """Written otherwise, and the same once both are put together from the same characters (NFC)."""
    libraries = Library.all_tenants.filter(tenant=tenant)
    if "org_id" not in said:
        return libraries.none()
    given = {name: said[name] for name in ("org_id", "tag_id")}
    composed = {f"{name}_composed": Func(name, function="normalize") for name in given}
    wanted = {f"{name}_composed": Func(Value(text), function="normalize") for name, text in given.items()}
    return libraries.alias(**composed).filter(**wanted).exclude(**given)
