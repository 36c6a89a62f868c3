"""The vendor's paths, verbatim: behind the secret of a tenant, and bare."""

from django.urls import re_path
from django.urls.resolvers import URLPattern

from api.dolphin.views import (
    DolphinViewSet,
    NothingHereViewSet,
    RootUnregistrationViewSet,
    RootViewSet,
    UnregistrationViewSet,
)

TOKEN = r"dolphin/(?P<token>[^/]+)/"  # noqa: S105


def operations(base: str, users: type[DolphinViewSet], removals: type[DolphinViewSet]) -> list[URLPattern]:
    return [
        re_path(rf"^{base}checkUser/?\Z", users.as_view({"post": "check_user"})),
        re_path(rf"^{base}getUsers/?\Z", users.as_view({"get": "get_users"})),
        re_path(rf"^{base}enroll/?\Z", users.as_view({"post": "enroll"})),
        re_path(rf"^{base}verify/?\Z", users.as_view({"post": "verify"})),
        re_path(rf"^{base}unregister/?\Z", removals.as_view({"post": "unregister"})),
    ]


urlpatterns = [
    *operations(TOKEN, DolphinViewSet, UnregistrationViewSet),
    *operations("", RootViewSet, RootUnregistrationViewSet),
    re_path(r"^dolphin(?:/|\Z)", NothingHereViewSet.as_refusal()),
]
