from api.toy.views import ToyViewSet
from django.urls import path

urlpatterns = [
    path("toy/speakers", ToyViewSet.as_view({"get": "list"})),
    path("toy/speakers/<str:name>", ToyViewSet.as_view({"post": "enroll", "delete": "delete"})),
    path("toy/speakers/<str:name>/verify", ToyViewSet.as_view({"post": "verify"})),
    path("toy/identify", ToyViewSet.as_view({"post": "identify"})),
]
