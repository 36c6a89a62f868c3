"""The description as programs and people get it."""

from __future__ import annotations

import os
import shutil

import pytest
import yaml
from playwright.sync_api import expect, sync_playwright

from api.native.schema import description
from tests.api.native.client import problem

pytestmark = pytest.mark.django_db

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]


def test_the_description_is_served_in_both_notations(client):
    in_json, in_yaml = client.get("/api/v1/openapi.json"), client.get("/api/v1/openapi.yaml")
    assert (in_json["Content-Type"], in_yaml["Content-Type"]) == ("application/json", "application/yaml")
    assert in_json.json() == yaml.safe_load(in_yaml.content) == description()
    assert in_json.json()["openapi"] == "3.1.0"


def test_the_description_is_as_anybody_would_be_answered(client):
    assert client.get("/api/v1/openapi.json", headers={"Accept": "application/json"}).status_code == 200
    assert problem(client.get("/api/v1/docs", headers={"Accept": "image/png"})) == (406, "not-acceptable")
    assert problem(client.get("/api/v1/docs?x=1")) == (422, "invalid-request")


def test_every_operation_says_what_it_refuses(client):
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            with_token = {"401", "403", "429"} if operation.get("security") else set()
            assert {"406", "422", "500", "503"} | with_token <= set(operation["responses"]), (method, path)
            assert operation["summary"]
            assert operation["description"]


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_pages_load_nothing_from_elsewhere(page, client):
    reply = client.get(f"/api/v1/{page}")
    assert "script-src 'self';" in reply["Content-Security-Policy"]
    assert "://" not in reply.content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("page", "sign"), [("docs", "#operations-recognition-enroll_speaker"), ("redoc", "h2")])
def test_pages_work_in_a_browser(page, sign, live_server, monkeypatch):
    """With no complaint, above all not about the content security policy, and nothing fetched from elsewhere."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    complaints, fetched = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: fetched.append(request.url))
        tab.goto(f"{live_server.url}/api/v1/{page}")
        expect(tab.locator(sign).filter(has_text="Enroll a speaker").first).to_be_visible(timeout=30_000)
        if folder := os.environ.get("SCREENSHOTS"):
            tab.screenshot(path=f"{folder}/{page}.png")
        browser.close()
    assert complaints == []
    assert {url.split("/")[2] for url in fetched if url.startswith("http")} == {live_server.url.split("/")[2]}
