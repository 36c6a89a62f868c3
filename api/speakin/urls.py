"""The vendor's paths, with and without a stage of its gateway in front."""

from django.urls import re_path

from api.speakin.views import NothingHereViewSet, NumViewSet, UnknownStageViewSet

STAGE = r"(?:release|test|prepub)"
NUM = rf"^(?:{STAGE}/)?num"

urlpatterns = [
    re_path(rf"{NUM}/vecforregister\Z", NumViewSet.as_view({"post": "register"})),
    re_path(rf"{NUM}/vecforcompare\Z", NumViewSet.as_view({"post": "probe"})),
    re_path(rf"{NUM}/compare\Z", NumViewSet.as_view({"post": "compare"}, accepts_chunks=True)),
    re_path(rf"^(?:{STAGE}|num)(?:/|\Z)", NothingHereViewSet.as_view({"post": "refuse"})),
    re_path(r"^(?P<stage>[^/]+)/num/", UnknownStageViewSet.as_view({"post": "refuse"})),
]
