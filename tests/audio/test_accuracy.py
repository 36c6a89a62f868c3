"""What the whole pipeline achieves on real speech. Its error rates: tests/voiceprints/test_evaluate.py."""

from __future__ import annotations

import functools

from audio.analysis import analyze
from tests.shared_data import shared
from voiceprints.agreement import Said
from voiceprints.decisions import shipped_calibration
from voiceprints.results import Scored
from voiceprints.scoring import voiceprint_of


@functools.cache
def heard(name: str) -> Said:
    analysis = analyze(shared("speech", name).read_bytes(), keep=False)
    return analysis.embedding, analysis.quality.speech_seconds


def decided(enrolled: dict[str, list[str]], probes: list[list[str]]) -> list[tuple[str, bool]]:
    """Who is found first for each probe, and whether they are accepted at a false accept rate of 1 %."""
    calibration = shipped_calibration("ge2e")
    gallery = {}
    for speaker, names in enrolled.items():
        embeddings, seconds = zip(*(heard(name) for name in names), strict=True)
        gallery[speaker] = voiceprint_of(embeddings), sum(seconds)

    def best(name: str) -> tuple[str, bool]:
        probe, probe_seconds = heard(name)
        bar = calibration.bar(0.01, probe_seconds)
        found = {who: Scored(float(known @ probe), bar.threshold(said)) for who, (known, said) in gallery.items()}
        first = max(found, key=lambda who: found[who].calibrated)
        return first, found[first].accepted

    return [best(name) for _, name in probes]


def test_every_probe_finds_its_speaker_among_twenty_of_three_sentences_each() -> None:
    enrolled = {line.split()[0]: line.split()[1:] for line in shared("enroll3.txt").read_text().splitlines()}
    probes = [line.split() for line in shared("test3.txt").read_text().splitlines()]

    assert len(probes) == 60
    assert decided(enrolled, probes) == [(speaker, True) for speaker, _ in probes]


def test_every_probe_finds_its_speaker_among_twenty_of_one_sentence_each() -> None:
    said: dict[str, list[str]] = {}
    for path in sorted(shared("speech").rglob("*.flac")):
        said.setdefault(path.parent.name, []).append(f"{path.parent.name}/{path.name}")
    probes = [[speaker, name] for speaker, names in said.items() for name in names[1:]]

    assert len(probes) == 100
    assert decided({speaker: names[:1] for speaker, names in said.items()}, probes) == [
        (speaker, True) for speaker, _ in probes
    ]
