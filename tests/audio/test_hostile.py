"""Broken, lying, oversized and malicious files are refused or read for what they hold, at a bounded cost."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.shared_data import expectations, shared

HONEST_MINUTE = "long_61s.mp3"
MAX_COST = 8.0  # times that of an honest minute; five minutes of speech, the most that is read, cost less than five
MAX_MEGABYTES = 300.0
DURATION_TOLERANCE_SECONDS = 0.15

HOSTILE = {row["file"].removeprefix("hostile/"): row for row in expectations("hostile")}
# What the table leaves to the product.
REFUSED_BY_POLICY = {"short_1s.wav": "NotEnoughSpeech", "clipped_hard.wav": "PoorQuality"}
READ_BY_POLICY = {"long_61s.mp3", "long_300s.opus", "two_speakers_overlap.wav", "two_speakers_in_turn.wav"}
STILL_READABLE = {"truncated_data.wav", "header_lies_longer.wav", "odd_bytes.wav", "corrupt_middle.flac"}
UNDECODABLE = {"Undecodable", "Unrecognised", "Damaged"}
WARNED = {"clipped_18dB.wav": "clipped", "snr_0dB_white.wav": "noisy", "packet_loss_15pct.wav": "dropouts"}


@functools.cache
def outcomes() -> dict[str, dict[str, Any]]:
    """Measured in a process of its own, whose memory is nobody else's."""
    command = [sys.executable, "-m", "tests.audio.measure_hostile", str(shared("hostile"))]
    run = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    return json.loads(run.stdout)


def each(*decodable: str, classes: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    chosen = [
        name
        for name, row in HOSTILE.items()
        if row["decodable"] in decodable and (not classes or row["class"] in classes)
    ]
    return pytest.mark.parametrize("name", chosen)


@each("no", "yes", "maybe", "reject", "policy", "warn", "detect", "reject or warn", "reject or low quality")
def test_a_hostile_file_costs_little_time(name: str) -> None:
    assert outcomes()[name]["cpu_seconds"] < MAX_COST * outcomes()[HONEST_MINUTE]["cpu_seconds"]


def test_the_hostile_files_together_cost_little_memory() -> None:
    assert max(outcome["peak_megabytes"] for outcome in outcomes().values()) < MAX_MEGABYTES


@each("no")
def test_what_is_not_a_recording_is_undecodable(name: str) -> None:
    assert outcomes()[name]["refused"] in UNDECODABLE


@each("reject", "reject or low quality", classes=("silence", "noise", "short"))
def test_what_holds_too_little_speech_is_refused_before_the_encoder(name: str) -> None:
    assert outcomes()[name]["refused"] == "NotEnoughSpeech"


@each("reject", classes=("hostile",))
def test_a_bomb_or_a_nonsense_number_is_refused(name: str) -> None:
    assert outcomes()[name]["refused"] in {"NotEnoughSpeech", "TooLong", "TooExpensive", *UNDECODABLE}


@each("maybe")
def test_a_damaged_recording_is_read_as_far_as_it_goes_or_refused(name: str) -> None:
    outcome = outcomes()[name]

    assert outcome["refused"] or outcome["duration"] <= float(HOSTILE[name]["duration_s"]) + DURATION_TOLERANCE_SECONDS


@pytest.mark.parametrize(
    "name", ["truncated_data.wav", "header_lies_longer.wav", "odd_bytes.wav", "corrupt_middle.flac"]
)
def test_a_recording_with_enough_left_is_read(name: str) -> None:
    outcome = outcomes()[name]

    assert outcome["duration"] == pytest.approx(float(HOSTILE[name]["duration_s"]), abs=DURATION_TOLERANCE_SECONDS)


@each("yes", "detect")
def test_a_good_recording_with_a_hostile_name_is_read(name: str) -> None:
    assert outcomes()[name]["duration"] == pytest.approx(float(HOSTILE[name]["duration_s"]), abs=0.01)


@pytest.mark.parametrize(("name", "kind"), REFUSED_BY_POLICY.items())
def test_what_the_product_may_refuse_is_refused_by_name(name: str, kind: str) -> None:
    assert outcomes()[name]["refused"] == kind


@pytest.mark.parametrize("name", sorted(READ_BY_POLICY))
def test_what_the_product_may_accept_is_read(name: str) -> None:
    assert outcomes()[name]["refused"] is None


@pytest.mark.parametrize(("name", "warning"), WARNED.items())
def test_a_poor_recording_is_read_with_a_warning(name: str, warning: str) -> None:
    assert warning in outcomes()[name]["warnings"]


def test_the_hostile_files_are_all_expected() -> None:
    assert set(HOSTILE) == {path.name for path in shared("hostile").iterdir()}
