"""The vendor's paths, verbatim."""

from django.urls import path, re_path

from api.abcpen.views import LinkedRecordingViewSet, NothingHereViewSet, RecordingViewSet, VoiceidViewSet

RECORDING = r"(?P<path>[^/\x00-\x1f\x7f]+/[0-9]{8}/[0-9a-f-]{36}\.flac)"

register = VoiceidViewSet.as_view({"post": "register"})
recognize = VoiceidViewSet.as_view({"post": "recognize"})

urlpatterns = [
    path("voiceid/register", register),
    path("voiceid/register/v2", register),
    path("voiceid/recognize", recognize),
    path("voiceid/recognize/v2", recognize),
    path("voiceid/update", VoiceidViewSet.as_view({"post": "update"})),
    path("voiceid/count", VoiceidViewSet.as_view({"get": "count"})),
    path("voiceid/list", VoiceidViewSet.as_view({"get": "list"})),
    path("voiceid/voice-url", VoiceidViewSet.as_view({"get": "voice_url"})),
    path("voiceid/del-spk-name", VoiceidViewSet.as_view({"get": "delete_one"})),
    path("voiceid/delete-all", VoiceidViewSet.as_view({"get": "delete_all"})),
    path("voiceid/delete-speakers", VoiceidViewSet.as_view({"get": "delete_some"})),
    re_path(rf"^voiceid/{RECORDING}\Z", RecordingViewSet.as_view({"get": "play"})),
    re_path(rf"^r/(?P<token>[^/]+)/voiceid/{RECORDING}\Z", LinkedRecordingViewSet.as_view({"get": "play_linked"})),
    re_path(r"^(?:r/[^/]+/)?voiceid(?:/|\Z)", NothingHereViewSet.as_refusal()),
]
