"""The vendor's one path, verbatim."""

from django.urls import path, re_path

from api.jdcloud.views import NothingHereViewSet, PacketViewSet

urlpatterns = [
    path("jdai/vpr", PacketViewSet.as_view({"post": "take"})),
    re_path(r"^jdai(?:/|\Z)", NothingHereViewSet.as_refusal()),
]
