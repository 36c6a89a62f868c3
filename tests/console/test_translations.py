"""Everything the console says can be said in Simplified Chinese, and the compiled catalogue is the written one."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.translation.template import templatize

from tests.console.test_permissions import address

CATALOGUE = settings.BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES"
ENGLISH = settings.BASE_DIR / "locale" / "en" / "LC_MESSAGES"
CHINESE = {"accept-language": "zh-CN"}
ROOMS = ["tenants", "voiceprints", "api", "config"]
SINGULAR = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL = {"ngettext", "ngettext_lazy"}
CALL = re.compile(r"\b(_|gettext|ngettext)\((u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\")")


def said_in_python(path: Path) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in SINGULAR | PLURAL]
    return {ast.literal_eval(call.args[0]) for call in named}


def said_in_template(path: Path) -> set[str]:
    return {ast.literal_eval(text) for _, text in CALL.findall(templatize(path.read_text()))}


def said() -> set[str]:
    python = [path for room in ROOMS for path in (settings.BASE_DIR / room).rglob("*.py")]
    templates = (settings.BASE_DIR / "templates").rglob("*.html")
    return set().union(*map(said_in_python, python), *map(said_in_template, templates))


def written(catalogue: Path = CATALOGUE) -> dict[str, str]:
    """The .po file; each message stands on one line."""
    entries = (catalogue / "django.po").read_text().split("\n\n")[1:]
    keys = [re.search(r'^msgid (".*")$', entry, re.MULTILINE)[1] for entry in entries]
    texts = [re.search(r'^msgstr(?:\[0\])? (".*")$', entry, re.MULTILINE)[1] for entry in entries]
    return {ast.literal_eval(key): ast.literal_eval(text) for key, text in zip(keys, texts, strict=True)}


def compiled(catalogue: Path = CATALOGUE) -> dict[str, str]:
    with (catalogue / "django.mo").open("rb") as file:
        found = gettext.GNUTranslations(file)._catalog
    texts = {key[0] if isinstance(key, tuple) else key: text for key, text in found.items()}
    return {key: text for key, text in texts.items() if key}


def test_the_search_for_words_finds_some():
    assert {"Copy", "%d voiceprint", "speaker", "%(enrolling)s still enrolling"} <= said()


def test_everything_said_is_translated():
    catalogue = written()
    assert {text for text in said() if not catalogue.get(text)} == set()


def test_nothing_is_translated_that_nobody_says():
    assert set(written()) - said() == set()


def test_the_compiled_catalogue_is_the_written_one():
    assert compiled() == written()


def test_placeholders_survive_translation():
    def placeholders(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)\w|%[sd]|\{\}", text)) - {"%(count)d"}

    assert [key for key, text in written().items() if placeholders(key) != placeholders(text)] == []


@pytest.mark.django_db
def test_the_language_switch_is_remembered(client_of):
    client = client_of("owner")
    client.post("/console/language", {"language": "zh-hans", "next": "/console/"})
    page = client.get("/console/").content.decode()
    assert "声纹库" in page
    assert "Libraries" not in page


@pytest.mark.django_db
def test_model_names_are_translated(client_of):
    with translation.override("zh-hans"):
        page = client_of("owner").get("/console/voiceprints/speaker/", headers=CHINESE)
    assert "说话人" in page.content.decode()


def test_english_is_put_right_only_where_a_framework_speaks():
    phrases = said_in_python(settings.BASE_DIR / "config" / "phrases.py")
    assert set(written(ENGLISH)) - phrases == set()
    assert compiled(ENGLISH) == written(ENGLISH)


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "said"), [("en", "There is nothing here yet"), ("zh-hans", "这里还没有内容")])
def test_an_empty_list_says_so_in_words_of_ours(language, said, client_of):
    page = client_of("owner").get("/console/voiceprints/library/", headers={"accept-language": language})
    assert said in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sent", "language", "said"),
    [
        ({"action": "disable"}, "en", "Tick at least one row first."),
        ({"action": "disable"}, "zh-hans", "请先勾选至少一行。"),
        ({"action": "", "_selected_action": "1"}, "en", "Choose first what is to be done."),
        ({"action": "", "_selected_action": "1"}, "zh-hans", "请先选择一项操作。"),
    ],
)
def test_whoever_chose_nothing_is_told_so_in_words_of_ours(sent, language, said, client_of, acme_rows):
    asked = {"headers": {"accept-language": language}, "follow": True}
    assert (
        said in client_of("owner").post("/console/tenants/credential/", {"index": "0"} | sent, **asked).content.decode()
    )


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("page", ["", "voiceprints/speaker/", "jobs/acme/", "jobs/acme/{job}/", "erasures/acme/"])
def test_moments_look_alike_on_all_pages_and_in_all_languages(language, page, client_of, acme_rows):
    said = client_of("owner").get(address(page, acme_rows), headers={"accept-language": language}).content.decode()
    assert re.search(r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b", said)
    assert re.findall(r"\d+年|\d+月\d|\b[ap]\.m\.|\b\d+/\d+/\d{4}|\b[A-Z][a-z]{2}\. \d+", said) == []


@pytest.mark.django_db
def test_chinese_sentences_have_no_gaps_where_english_has_words(client_of, acme_rows):
    page = client_of("owner").get(address("voiceprints/speaker/{speaker}/change/", acme_rows), headers=CHINESE)
    assert "删除说话人" in page.content.decode()
    assert "修改说话人" in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["voiceprints/speaker/{speaker}/change/", "voiceprints/speaker/{speaker}/history/"])
def test_an_id_stays_as_it_was_given(page, client_of, acme_rows):
    said = client_of("owner").get(address(page, acme_rows)).content.decode()
    assert "alice" in said
    assert "Alice" not in said
