"""Speaker models by command: published ones are fetched, one's own are added, and nothing is left half done."""

import gzip
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import onnx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audio import fetching
from audio.published import PUBLISHED, find_published
from audio.results import Waveform
from tenants.models import Tenant
from tenants.services import default_model
from tests.archives import targz
from tests.audio.networks import write_network
from tests.audio.recordings import spoken
from tests.ctrl_c import stopped_when
from tests.downloads import serving_downloads
from tests.extra import hide_wespeaker
from tests.model_commands import refusal
from voiceprints import engines, installed, obtaining, unpacking
from voiceprints.models import EmbeddingModel

pytestmark = pytest.mark.django_db

FILE = "voxceleb_resnet34_LM.onnx"


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / "network.onnx").read_bytes()


@pytest.fixture
def downloads(settings, network):
    with serving_downloads() as downloads:
        downloads.files[FILE] = network
        settings.MODEL_MIRROR = downloads.address
        yield downloads


def left_over(folder):
    return sorted(path.name for path in (folder / ".partial").iterdir()) if folder.exists() else []


def test_a_published_model_is_fetched_and_installed(models, downloads, models_folder):
    said = models("fetch", "resnet34-LM")

    card = installed.store().find("resnet34-LM")
    assert card.sha256 in said
    assert (card.dimension, card.licence, card.source) == (32, "CC BY 4.0", f"{downloads.address}/{FILE}")
    assert EmbeddingModel.objects.get(pk="resnet34-LM").sha256 == card.sha256
    assert left_over(models_folder) == []


def test_the_projects_own_name_of_a_model_will_do(models, downloads):
    models("fetch", "voxceleb_resnet34_lm")

    assert installed.store().has("resnet34-LM")


def test_what_is_installed_is_not_fetched_again(models, downloads):
    models("fetch", "resnet34-LM")
    models("fetch", "resnet34-LM")

    assert len(downloads.asked) == 1


def test_what_was_damaged_is_fetched_again(models, downloads, models_folder, network):
    models("fetch", "resnet34-LM")
    (models_folder / "resnet34-LM" / "model.onnx").write_bytes(b"damaged")

    models("fetch", "resnet34-LM")

    assert (models_folder / "resnet34-LM" / "model.onnx").read_bytes() == network


def test_a_download_that_was_cut_off_is_gone_on_with(models, downloads, network):
    downloads.cut_after = 10_000
    assert "fetch again to go on" in refusal(models, "fetch", "resnet34-LM")
    assert not installed.store().has("resnet34-LM")

    models("fetch", "resnet34-LM")

    assert [asked for _, asked in downloads.asked] == ["", "bytes=10000-"]
    assert installed.store().weights_of("resnet34-LM").read_bytes() == network


def test_ctrl_c_ends_a_fetch_with_one_line_and_what_has_arrived_is_kept(models, downloads, models_folder, network):
    downloads.stall_after = 10_000

    with stopped_when(lambda: any(path.stat().st_size for path in models_folder.rglob("*.part"))) as said:
        models("fetch", "resnet34-LM")

    assert said == ["stopped: 10000 bytes have arrived and are kept, so fetch again to go on"]
    models("fetch", "resnet34-LM")
    assert [asked for _, asked in downloads.asked] == ["", "bytes=10000-"]
    assert installed.store().weights_of("resnet34-LM").read_bytes() == network


def test_ctrl_c_before_anything_has_arrived_promises_nothing(models, downloads):
    downloads.silent.clear()

    with stopped_when(lambda: downloads.asked) as said:
        models("fetch", "resnet34-LM")

    assert said == ["stopped"]


def test_it_begins_anew_when_the_file_changed_meanwhile(models, downloads, tmp_path):
    downloads.cut_after = 10_000
    refusal(models, "fetch", "resnet34-LM")
    downloads.files[FILE] = other = write_network(tmp_path / "other.onnx", seed=2).read_bytes()

    models("fetch", "resnet34-LM")

    assert installed.store().weights_of("resnet34-LM").read_bytes() == other


def test_another_file_than_the_first_time_is_refused_with_both_digests(models, downloads, tmp_path):
    models("fetch", "resnet34-LM")
    first = installed.store().find("resnet34-LM").sha256
    models("remove", "resnet34-LM")
    downloads.files[FILE] = write_network(tmp_path / "other.onnx", seed=2).read_bytes()

    said = refusal(models, "fetch", "resnet34-LM")
    assert first in said
    assert "models fetch resnet34-LM --accept-changed" in said
    assert not installed.store().has("resnet34-LM")

    models("fetch", "resnet34-LM", "--accept-changed")
    assert installed.store().find("resnet34-LM").sha256 in said


def test_another_machine_must_fetch_the_file_that_the_database_knows(models, downloads, models_folder, tmp_path):
    models("fetch", "resnet34-LM")
    first = installed.store().find("resnet34-LM").sha256
    shutil.rmtree(models_folder)
    downloads.files[FILE] = write_network(tmp_path / "other.onnx", seed=2).read_bytes()

    assert first in refusal(models, "fetch", "resnet34-LM")
    assert not installed.store().has("resnet34-LM")

    models("fetch", "resnet34-LM", "--accept-changed")
    assert EmbeddingModel.objects.get(pk="resnet34-LM").sha256 == installed.store().find("resnet34-LM").sha256 != first


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "1", '{"resnet34-LM": "x"}', '{"resnet34-LM": {"sha256": 1}}', "[" * 99_999]
)
def test_what_is_remembered_of_downloads_is_named_when_it_cannot_be_read_and_nothing_is_fetched(
    models, downloads, models_folder, content
):
    models("fetch", "resnet34-LM")
    models("remove", "resnet34-LM")
    (models_folder / "known.json").write_text(content)

    said = refusal(models, "fetch", "resnet34-LM")

    assert f"{models_folder / 'known.json'} cannot be read" in said
    assert "mend or remove it" in said
    assert len(downloads.asked) == 1


@pytest.mark.parametrize(
    "origin", ["[]", "{}", '{"url": 1, "etag": [], "total": ""}', '{"url": "x", "etag": 5}', "[" * 99_999]
)
def test_a_download_begins_anew_where_nobody_can_read_what_arrived(models, downloads, models_folder, origin):
    downloads.cut_after = 10_000
    refusal(models, "fetch", "resnet34-LM")
    (path,) = (models_folder / ".partial").glob("*.origin")
    address = json.loads(path.read_text())["url"]
    path.write_text(origin.replace("x", address))

    models("fetch", "resnet34-LM")

    assert [asked for _, asked in downloads.asked] == ["", ""]


def test_fetches_at_once_of_different_models_are_all_remembered(models_folder):
    (models_folder / ".partial").mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda model: obtaining._remember(model, 64 * "1", ""), PUBLISHED.values()))

    assert set(json.loads((models_folder / "known.json").read_text())) == set(PUBLISHED)


def test_what_does_not_have_the_pinned_digest_is_never_accepted(models, downloads, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "resnet34-LM", pinned := _pinned(PUBLISHED["resnet34-LM"]))

    said = refusal(models, "fetch", "resnet34-LM", "--accept-changed")

    assert pinned.sha256 in said
    assert not installed.store().has("resnet34-LM")


def _pinned(model):
    return type(model)(**vars(model) | {"sha256": 64 * "1"})


def test_a_model_that_the_server_does_not_have_is_said(models, downloads):
    assert "campplus" not in downloads.files
    assert "CAM%2B%2B.onnx (404)" in refusal(models, "fetch", "campplus")


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_server_that_refuses_is_quoted(models, downloads, status):
    downloads.status = status
    assert f"answers {status}" in refusal(models, "fetch", "resnet34-LM")


def test_a_web_page_is_no_model(models, downloads, models_folder):
    downloads.headers["Content-Type"] = "text/html; charset=utf-8"
    assert "is a web page and no model" in refusal(models, "fetch", "resnet34-LM")
    assert not installed.store().has("resnet34-LM")


def test_what_is_no_network_is_not_installed(models, downloads, models_folder):
    downloads.files[FILE] = b"<html>Sign in, please</html>"
    assert "no model that ONNX Runtime loads" in refusal(models, "fetch", "resnet34-LM")
    assert left_over(models_folder) == []


def test_a_file_that_is_announced_too_large_is_not_begun(models, downloads, models_folder, monkeypatch):
    monkeypatch.setattr(fetching, "MOST_BYTES", 1000)
    assert "more than the 1000 it may" in refusal(models, "fetch", "resnet34-LM")
    assert not list(models_folder.rglob("*.onnx"))


def test_a_silent_server_is_given_up_on(models, downloads, monkeypatch):
    monkeypatch.setattr(fetching, "SILENT_SECONDS", 0.3)
    downloads.silent.clear()
    assert "127.0.0.1 does not answer" in refusal(models, "fetch", "resnet34-LM")


def test_without_a_network_it_says_what_else_can_be_done(models, settings):
    settings.MODEL_MIRROR = "http://127.0.0.1:9"
    said = refusal(models, "fetch", "resnet34-LM")
    assert "127.0.0.1 cannot be reached" in said
    assert "models add FILE" in said


def test_redirects_are_followed(models, downloads, network):
    downloads.redirects[FILE] = f"{downloads.address}/elsewhere/model"
    downloads.files["elsewhere/model"] = network

    models("fetch", "resnet34-LM")

    assert installed.store().has("resnet34-LM")


def test_redirects_in_a_circle_end(models, downloads):
    downloads.redirects[FILE] = f"{downloads.address}/{FILE}"
    assert "redirects more than" in refusal(models, "fetch", "resnet34-LM")


def test_a_redirect_never_leaves_encryption(tmp_path, monkeypatch):
    answers = {
        "https": httpx.Response(302, headers={"Location": "http://models.example.com/m.onnx"}),
        "http": httpx.Response(200, content=b"in the clear"),
    }
    transport = httpx.MockTransport(lambda request: answers[request.url.scheme])
    monkeypatch.setattr(httpx.Client, "_transport_for_url", lambda self, url: transport)

    with pytest.raises(fetching.FetchFailed, match="without encryption"):
        fetching.fetch("https://models.example.com/m.onnx", tmp_path / "m.onnx")


def test_a_full_disk_is_said(models, downloads, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "_write", full)
    assert "is full; make room and fetch again" in refusal(models, "fetch", "resnet34-LM")


def test_two_at_once_do_not_get_into_each_others_way(models, downloads):
    downloads.silent.clear()
    second = []

    def beside():
        while not downloads.asked:
            time.sleep(0.01)
        second.append(refusal(models, "fetch", "resnet34-LM"))
        downloads.silent.set()

    thread = threading.Thread(target=beside)
    thread.start()
    models("fetch", "resnet34-LM")
    thread.join()

    assert "another process is fetching resnet34-LM" in second[0]
    assert installed.store().has("resnet34-LM")


def test_a_checkpoint_that_cannot_be_converted_here_is_unpacked_and_what_to_do_with_it_is_said(
    models, downloads, models_folder, monkeypatch
):
    hide_wespeaker(monkeypatch)
    downloads.files["campplus_cn_common_200k.tar.gz"] = targz(
        {"x/avg_model.pt": b"weights", "x/config.yaml": b"model: CAMPPlus", "x/readme.txt": b"no"}
    ).getvalue()

    said = refusal(models, "fetch", "campplus-cn")

    folder = models_folder / ".partial" / "campplus-cn"
    assert "`make wespeaker` installs what turns it into a model" in said
    assert f"models import {folder} --name campplus-cn" in said
    assert sorted(path.name for path in folder.iterdir()) == ["avg_model.pt", "config.yaml"]
    assert list(json.loads((models_folder / "known.json").read_text())) == ["campplus-cn"]


@pytest.fixture
def small_checkpoints(monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_CHECKPOINT_BYTES", 1 << 20)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"avg_model.pt": b"weights", "config.yaml": b"", "../../escaped": b"no"}, "unsafe name"),
        ({"a/avg_model.pt": b"weights", "b/avg_model.pt": b"others", "config.yaml": b""}, "2 files avg_model.pt"),
        ({"avg_model.pt": bytes(4 << 20), "config.yaml": b""}, "unpacked larger than"),
        ({"avg_model.pt": b"weights"}, "0 files config.yaml"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("small_checkpoints")
def test_a_fetched_archive_that_is_no_plain_checkpoint_is_refused(models, downloads, models_folder, files, reason):
    downloads.files["campplus_cn_common_200k.tar.gz"] = targz(files).getvalue()

    assert reason in refusal(models, "fetch", "campplus-cn")

    assert not (models_folder.parent / "escaped").exists()
    assert left_over(models_folder) == []
    assert not (models_folder / "known.json").exists()


def damaged(packed, how):
    """An archive whose first members, all that a checkpoint needs, can still be read."""
    return {
        "wrong checksum": packed[:-8] + bytes(4) + packed[-4:],
        "wrong length": packed[:-4] + bytes(4),
        "without its end": packed[:-8],
        "with something behind it": packed + b"something",
        "cut off inside": gzip.compress(gzip.decompress(packed)[: 5 * 512 + 5]),
        "cut off between two members": gzip.compress(gzip.decompress(packed)[: 4 * 512]),
        "broken header": gzip.compress(gzip.decompress(packed)[: 4 * 512] + b"no header" + bytes(2000)),
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "wrong checksum",
        "wrong length",
        "without its end",
        "with something behind it",
        "cut off inside",
        "cut off between two members",
        "broken header",
    ],
)
def test_a_fetched_archive_that_is_damaged_behind_what_is_needed_is_refused(models, downloads, models_folder, how):
    files = {"avg_model.pt": b"weights", "config.yaml": b"model: CAMPPlus", "readme.txt": b"what is not needed"}
    downloads.files["campplus_cn_common_200k.tar.gz"] = damaged(targz(files).getvalue(), how)

    assert "cannot be unpacked: broken" in refusal(models, "fetch", "campplus-cn")

    assert left_over(models_folder) == []
    assert not (models_folder / "known.json").exists()


def test_what_nobody_publishes_cannot_be_fetched(models):
    said = refusal(models, "fetch", "resnet18")
    assert "resnet34-LM" in said


def test_a_file_of_ones_own_is_added(models, tmp_path):
    file = write_network(tmp_path / "our model.onnx", dimension=48)

    models("add", str(file), "--licence", "ours")

    card = installed.store().find("our-model")
    assert (card.dimension, card.licence, card.source) == (48, "ours", "file our model.onnx")


def test_what_was_converted_is_run_on_another_machine_as_on_the_first(models, network, tmp_path, settings):
    file = tmp_path / "converted.onnx"
    file.write_bytes(network)
    models("add", str(file), "--name", "ours", "--window", "povey", "--language", "zh")
    settings.MODELS = tmp_path / "another machine"

    models("add", str(file), "--name", "ours")

    assert installed.store().find("ours").engine == "wespeaker-povey"


def test_what_is_known_of_a_published_model_need_not_be_said(models, network, tmp_path):
    (file := tmp_path / "converted.onnx").write_bytes(network)

    models("add", str(file), "--name", "campplus-cn")

    card = installed.store().find("campplus-cn")
    assert (card.engine, card.language, card.licence) == ("wespeaker-povey", "zh", "see source")


def test_a_file_with_its_weights_beside_it_is_added_whole(models, tmp_path):
    one = write_network(tmp_path / "one.onnx")
    models("add", apart(one, tmp_path / "ours.onnx"))
    (tmp_path / "ours.onnx.data").unlink()
    models("add", one)

    sound = Waveform(spoken("susan", 1))
    np.testing.assert_array_equal(engines.encoder("ours").embed(sound), engines.encoder("one").embed(sound))
    assert installed.store().find("ours").size_bytes == installed.store().weights_of("ours").stat().st_size > 30_000


def test_a_file_whose_weights_stayed_elsewhere_is_not_added(models, tmp_path):
    file = apart(write_network(tmp_path / "one.onnx"), tmp_path / "ours.onnx")
    (tmp_path / "ours.onnx.data").unlink()

    assert "put that file beside it, or export the model into one file" in refusal(models, "add", file)
    assert installed.store().names() == ["ge2e"]


def test_a_fetched_file_whose_weights_stayed_elsewhere_is_not_installed(models, downloads, tmp_path):
    file = apart(write_network(tmp_path / "one.onnx"), tmp_path / "m.onnx")
    downloads.files[FILE] = file.read_bytes()

    assert "m.onnx.data" in refusal(models, "fetch", "resnet34-LM")
    assert installed.store().names() == ["ge2e"]


def apart(file, target):
    """The same network with its weights in a file of their own beside it, as newer exporters write it."""
    onnx.save_model(
        onnx.load(file), target, save_as_external_data=True, location=f"{target.name}.data", size_threshold=0
    )
    return target


def test_it_may_have_another_name_but_not_that_of_the_bundled_one(models, tmp_path):
    file = write_network(tmp_path / "m.onnx")
    models("add", str(file), "--name", "ours")

    assert installed.store().has("ours")
    assert "choose another --name" in refusal(models, "add", str(file), "--name", "ge2e")
    assert "cannot be a model's name" in refusal(models, "add", str(file), "--name", "../m")
    assert "there is no file" in refusal(models, "add", str(tmp_path / "nothing.onnx"))


def test_a_file_that_is_no_model_is_not_added(models, tmp_path):
    assert "wants 40 bands" in refusal(models, "add", str(write_network(tmp_path / "m.onnx", bands=40)))
    assert installed.store().names() == ["ge2e"]


def test_new_tenants_begin_with_the_default(models, tmp_path):
    models("add", str(write_network(tmp_path / "ours.onnx")))
    models("default", "ours")

    assert default_model() == "ours"
    assert "not installed" in refusal(models, "default", "campplus")
    assert "new tenants begin with it" in refusal(models, "remove", "ours")


def test_the_list_says_what_there_is(models, acme, tmp_path):
    models("add", str(write_network(tmp_path / "ours.onnx")), "--licence", "ours")

    rows = {row["name"]: row for row in json.loads(models("list", "--json"))}

    assert list(rows)[:2] == ["ge2e", "ours"]
    assert (rows["ge2e"]["installed"], rows["ge2e"]["default"], rows["ge2e"]["tenants"]) == (True, True, 1)
    assert (rows["ours"]["dimension"], rows["ours"]["licence"], rows["ours"]["tenants"]) == (32, "ours", 0)
    assert rows["resnet34-LM"]["published_eer"] == "Vox1-O/E/H 0.797 / 0.937 / 1.695"
    assert not rows["resnet34-LM"]["installed"]


def test_the_list_counts_nobodys_vectors(models):
    with CaptureQueriesContext(connection) as queries:
        models("list")

    assert len(queries) > len(PUBLISHED)
    asked = [query["sql"].replace(EmbeddingModel._meta.db_table, "") for query in queries]
    assert not [query for query in asked if "voiceprints_" in query]


def test_a_model_that_only_other_machines_have_is_listed(models, acme, tiny):
    Tenant.objects.filter(pk=acme.pk).update(model=tiny)
    installed.store().remove(tiny)

    rows = {row["name"]: row for row in json.loads(models("list", "--json"))}

    assert (rows[tiny]["installed"], rows[tiny]["dimension"], rows[tiny]["tenants"]) == (False, 32, 1)


def test_the_table_has_a_line_for_each(models):
    heading, first, *others = models("list").splitlines()

    assert heading.split()[:3] == ["NAME", "LANGUAGE", "DIM"]
    assert first.startswith("ge2e (default)")
    assert len(others) == len(PUBLISHED)


@pytest.mark.parametrize(
    "card", ["{", '{"name": "ours", "engine": 1, "dimension": "x", "sha256": [], "size_bytes": {}}']
)
def test_a_damaged_card_does_not_hide_the_others_and_is_said_by_every_command(models, models_folder, tmp_path, card):
    models("add", file := str(write_network(tmp_path / "ours.onnx")))
    (models_folder / "ours" / "card.json").write_text(card)

    assert "card.json cannot be read" in models("list")
    assert "card.json cannot be read" in refusal(models, "default", "ours")
    models("add", file)
    models("default", "ours")


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_model_has_an_address(name):
    model = find_published(name.upper())

    assert model is PUBLISHED[name]
    assert model.address().startswith("https://")
    assert model.address("https://m.example.com/x/") == f"https://m.example.com/x/{model.file.replace('+', '%2B')}"
