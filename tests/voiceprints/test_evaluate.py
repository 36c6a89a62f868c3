"""`manage.py evaluate` on real recordings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command

from config.settings import BASE_DIR
from tests.audio.recordings import SAMPLES, encoded, noise
from tests.shared_data import shared
from voiceprints import installed
from voiceprints.trials import TrialsRefused, read_trials

SMALL_LIST = """\
1 susan/1.opus susan/2.opus
1 wei/1.opus wei/3.opus
0 susan/1.opus wei/1.opus
0 susan/2.opus ken/2.opus
"""


def evaluated(tmp_path: Path, lines: str, root: Path = SAMPLES, *words: str) -> dict:
    (tmp_path / "trials.txt").write_text(lines)
    out = tmp_path / "figures.json"
    chosen = words if "--model" in words else [*words, "--model", "ge2e"]
    call_command("evaluate", str(tmp_path / "trials.txt"), "--root", str(root), "--json", str(out), *chosen)
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The evaluation list of 50 speakers."""
    folder = tmp_path_factory.mktemp("real")
    out, plots = folder / "figures.json", folder / "plots"
    words = ["--root", str(shared("eval", "speech")), "--json", str(out), "--plots", str(plots), "--model", "ge2e"]
    call_command("evaluate", str(shared("eval", "trials.txt")), *words)
    return json.loads(out.read_text()) | {"plots": plots}


def test_the_equal_error_rate_on_real_speech_is_the_one_that_is_quoted(real):
    assert real["model"] == "ge2e"
    assert (real["targets"], real["impostors"], real["failed"], real["speakers"]) == (750, 750, 0, 50)
    assert real["eer"] == pytest.approx(0.032, abs=0.002)
    assert real["eer_threshold"] == pytest.approx(0.722, abs=0.005)
    assert real["eer_interval"][0] < real["eer"] < real["eer_interval"][1]


def test_detection_costs_are_given_by_prior(real):
    assert set(real["min_dcf"]) == {"0.01", "0.001"}
    assert real["min_dcf"]["0.01"] == pytest.approx(0.204, abs=0.01)


def test_the_table_says_what_a_threshold_costs(real):
    row = next(row for row in real["error_rates"] if 0.009 < row["far"] <= 0.01)

    assert row["threshold"] == pytest.approx(0.754, abs=0.002)
    assert row["frr"] == pytest.approx(0.0813, abs=0.005)
    assert row["frr_interval"][0] < row["frr"] < row["frr_interval"][1]


def test_pictures_are_drawn_in_both_forms_and_labelled(real):
    names = {path.name for path in real["plots"].iterdir()}

    assert names == {"det.png", "det.svg", "scores.png", "scores.svg"}
    assert (real["plots"] / "det.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (real["plots"] / "scores.svg").read_text()


def test_a_short_list_is_scored_without_a_database(tmp_path, capsys):
    figures = evaluated(tmp_path, SMALL_LIST)

    assert (figures["targets"], figures["impostors"], figures["failed"]) == (2, 2, 0)
    assert figures["eer"] == 0
    said = capsys.readouterr().out
    assert "ge2e on trials.txt: 2 targets, 2 impostors, 0 failed" in said
    assert said.count("0.00% (0.00% – 65.76%)") == 3, "the equal error rate, and one row of both rates"


def test_a_trial_with_a_recording_that_is_refused_or_missing_fails_and_is_not_scored(tmp_path, capsys):
    lines = SMALL_LIST + "1 susan/1.opus susan/9.opus\n0 susan/9.opus wei/1.opus\n0 wei/1.opus generate.py\n"
    figures = evaluated(tmp_path, lines)

    assert (figures["targets"], figures["impostors"], figures["failed"]) == (2, 2, 3)
    assert [(one["recording"], one["reason"]) for one in figures["refused"]] == [
        ("generate.py", "Unrecognised"),
        ("susan/9.opus", "Missing"),
    ]
    assert "1 × Missing, such as susan/9.opus" in capsys.readouterr().out


def test_noise_is_refused_by_the_quality_gate(tmp_path):
    (tmp_path / "noise.wav").write_bytes(encoded(noise(5)))
    for name in ("susan/1.opus", "susan/2.opus", "wei/1.opus"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    lines = "1 susan/1.opus susan/2.opus\n0 susan/1.opus wei/1.opus\n0 noise.wav wei/1.opus\n"
    figures = evaluated(tmp_path, lines, tmp_path)

    assert figures["failed"] == 1
    assert [one["reason"] for one in figures["refused"]] == ["NotEnoughSpeech"]


def test_folders_that_contradict_the_trials_are_not_taken_for_speakers(tmp_path):
    assert evaluated(tmp_path, SMALL_LIST)["speakers"] == 3
    assert evaluated(tmp_path, SMALL_LIST + "1 susan/1.opus wei/2.opus\n")["speakers"] is None


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ("1 a b\n\n2 a b\n", 3),
        ("1 a b\n0 a\n", 2),
        ("0 a b c\n", 1),
        ("0 ../a b\n", 1),
        ("1 a b\n0 a /etc/passwd\n", 2),
        ("1 a x/../../b\n", 1),
        ("1 a b\x00c\n", 1),
        ("", 0),
        ("\n\n", 0),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path, lines, line):
    (tmp_path / "trials.txt").write_text(lines)
    with pytest.raises(TrialsRefused) as refusal:
        read_trials(tmp_path / "trials.txt", tmp_path)
    assert refusal.value.line == line


def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "away").symlink_to(tmp_path)
    (tmp_path / "trials.txt").write_text("1 a away/b\n")
    with pytest.raises(TrialsRefused, match="line 1: away/b is not inside the folder"):
        read_trials(tmp_path / "trials.txt", inside)


def test_a_list_that_is_no_text_is_refused_at_its_line(tmp_path):
    (tmp_path / "trials.txt").write_bytes(b"1 a b\n\xff\xfe")
    with pytest.raises(TrialsRefused, match="line 2: no text in UTF-8"):
        read_trials(tmp_path / "trials.txt", tmp_path)


@pytest.mark.parametrize(
    ("lines", "words", "said"),
    [
        ("1 susan/1.opus susan/2.opus\n", [], "1 same-speaker and 0 different-speaker trials"),
        ("1 nobody/1.opus nobody/2.opus\n", [], "0 same-speaker and 0 different-speaker trials"),
        ("3 a b\n", [], "line 1"),
        (SMALL_LIST, ["--model", "nobody"], "model 'nobody' is not installed"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(tmp_path, lines, words, said):
    with pytest.raises(CommandError, match=said):
        evaluated(tmp_path, lines, SAMPLES, *words)


def test_denoising_changes_what_is_heard(tmp_path):
    plain = evaluated(tmp_path, SMALL_LIST)
    assert evaluated(tmp_path, SMALL_LIST, SAMPLES, "--denoise")["eer_threshold"] != plain["eer_threshold"]


def test_ctrl_c_stops_it_quietly(tmp_path):
    lines = [f"1 susan/1.opus away/{number}\n0 wei/1.opus away/{number}\n" for number in range(20_000)]
    (tmp_path / "trials.txt").write_text("".join(lines))
    command = [sys.executable, "manage.py", "evaluate", str(tmp_path / "trials.txt"), "--root", str(SAMPLES)]
    command += ["--model", "ge2e"]
    process = subprocess.Popen(command, cwd=BASE_DIR, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not psutil.Process(process.pid).children():
        time.sleep(0.05)
    time.sleep(1)
    # As a terminal does, to the processes that measure too.
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert said == "CommandError: stopped\n"
    assert process.returncode == 130


@pytest.mark.django_db
def test_the_model_that_new_tenants_begin_with_is_measured_unless_another_is_named(tiny, tmp_path, monkeypatch, capsys):
    # Where the processes that measure look for models.
    monkeypatch.setenv("OPENVPR_HOME", str(tmp_path))
    installed.make_default(tiny)
    (tmp_path / "trials.txt").write_text(SMALL_LIST)

    call_command("evaluate", str(tmp_path / "trials.txt"), "--root", str(SAMPLES))

    printed = capsys.readouterr()
    assert "tiny on trials.txt: 2 targets" in printed.out
    assert "measuring with tiny, the model that new tenants begin with\n" in printed.err
    call_command("cohort", str(tmp_path / "c.npz"), "--root", str(SAMPLES))
    assert "8 voices of tiny in" in capsys.readouterr().out
    with pytest.raises(CommandError, match="2 same-speaker and 2 different-speaker trials"):
        call_command("calibrate", str(tmp_path / "trials.txt"), "--root", str(SAMPLES))
    assert "measuring with tiny" in capsys.readouterr().err


def test_without_a_database_the_model_must_be_named(tmp_path):
    (tmp_path / "trials.txt").write_text(SMALL_LIST)
    command = [sys.executable, "manage.py", "evaluate", str(tmp_path / "trials.txt"), "--root", str(SAMPLES)]
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing"}
    ended = subprocess.run(command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr == (
        "CommandError: the database, which knows the model that new tenants begin with, does not answer; name one by "
        "--model\n"
    )
