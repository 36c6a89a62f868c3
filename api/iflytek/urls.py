"""The vendor's paths, verbatim."""

from django.urls import re_path

from api.iflytek.serializers import SERVICES
from api.iflytek.views import NothingHereViewSet, VoiceprintViewSet

urlpatterns = [
    re_path(rf"^v1/private/(?P<service>{'|'.join(SERVICES)})\Z", VoiceprintViewSet.as_view({"post": "call"})),
    re_path(r"^v1/private(?:/|\Z)", NothingHereViewSet.as_refusal()),
]
