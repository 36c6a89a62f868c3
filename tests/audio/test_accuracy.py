"""What the whole pipeline achieves on real speech. Its error rates: tests/voiceprints/test_evaluate.py."""

from __future__ import annotations

import functools

import numpy as np

from audio.analysis import analyze
from audio.catalogue import GE2E
from audio.results import Embedding
from tests.shared_data import shared


@functools.cache
def embedding(folder: str, name: str) -> Embedding:
    return analyze(shared(*folder.split("/"), name).read_bytes()).embedding


def test_every_probe_finds_its_speaker_among_twenty_of_three_sentences_each() -> None:
    enrolled = {}
    for line in shared("enroll3.txt").read_text().splitlines():
        speaker, *names = line.split()
        enrolled[speaker] = np.sum([embedding("speech", name) for name in names], axis=0)
    gallery = np.array([voiceprint / np.linalg.norm(voiceprint) for voiceprint in enrolled.values()])
    probes = [line.split() for line in shared("test3.txt").read_text().splitlines()]

    found = [list(enrolled)[int(np.argmax(gallery @ embedding("speech", name)))] for _, name in probes]

    assert found == [speaker for speaker, _ in probes]


def test_every_real_utterance_has_enough_speech() -> None:
    for path in shared("speech").rglob("*.flac"):
        assert embedding("speech", f"{path.parent.name}/{path.name}").shape == (GE2E.dimension,)
