"""A library on a plane: the same each time, near duplicates and outliers found as the whole of pairs would say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cast import LIBRARY, audio
from voiceprints import maps, services
from voiceprints.decisions import decision_for
from voiceprints.map_page import HEIGHT, WIDTH, map_of

DIMENSION = 64


def people(count: int, seed: int = 1) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_plane_holds_what_varies_most():
    flat = np.zeros((40, 5), np.float32)
    circle = 2 * np.pi * np.arange(40) / 40
    flat[:, 1], flat[:, 3] = np.sin(circle), 3 * np.cos(circle)
    plane, share = maps.on_a_plane(flat)
    assert share == pytest.approx(1.0)
    assert np.corrcoef(plane[:, 0], flat[:, 3])[0, 1] == pytest.approx(1.0)
    assert np.corrcoef(plane[:, 1], flat[:, 1])[0, 1] == pytest.approx(1.0)


def test_one_point_many_times_is_a_plane_too():
    plane, share = maps.on_a_plane(np.ones((3, 4), np.float32))
    assert (np.abs(plane).max(), share) == (0.0, 1.0)


@pytest.mark.django_db
def test_near_duplicates_are_the_pairs_that_would_be_accepted(acme):
    voiceprints = people(700)
    voiceprints[600] = voiceprints[3]
    seconds = [2.0 + place % 7 for place in range(700)]
    decision = decision_for(acme, acme.model)
    doubles = maps.near_duplicates(voiceprints, seconds, decision, most=10**6)
    found = {(pair.one, pair.other) for pair in doubles.nearest}
    cosines = voiceprints @ voiceprints.T
    expected = {
        (one, other)
        for one in range(700)
        for other in range(one + 1, 700)
        if cosines[one, other] >= decision.threshold(seconds[other], seconds[one])
    }
    assert (3, 600) in found
    assert found == expected
    assert (doubles.count, doubles.places) == (len(expected), sorted({place for pair in expected for place in pair}))


@pytest.mark.django_db
def test_of_very_many_pairs_the_nearest_are_named_and_all_counted(acme):
    same = np.repeat(people(2), 400, axis=0)
    same[700] = same[100]
    decision = decision_for(acme, acme.model)
    doubles = maps.near_duplicates(same, [3.0] * 799 + [60.0], decision, most=3)
    whole = maps.near_duplicates(same, [3.0] * 799 + [60.0], decision, most=10**6)
    assert doubles.count == whole.count == 401 * 400 // 2 + 399 * 398 // 2
    assert doubles.nearest == whole.nearest[:3]


def test_whoever_is_unlike_all_the_rest_is_an_outlier():
    voiceprints = people(60) * 0.3 + people(1, seed=2)
    voiceprints[17] = -voiceprints[17]
    voiceprints /= np.linalg.norm(voiceprints, axis=1, keepdims=True)
    assert maps.outliers(voiceprints) == [17]


def test_among_few_nobody_is_an_outlier():
    assert maps.outliers(people(9)) == []


def test_equal_voiceprints_have_no_outliers():
    assert maps.outliers(np.repeat(people(1), 20, axis=0)) == []


@pytest.fixture
def library(acme):
    for name, voice, number in [("alice", "susan", 1), ("bob", "ken", 1), ("alice again", "susan", 2)]:
        speaker = services.enroll(acme, LIBRARY, name, [audio(voice, number)]).speaker
    services.enroll(acme, services.LibraryKey("acme", "guests"), "carol", [audio("susan", 3)])
    return speaker.library


@pytest.mark.django_db
def test_a_library_is_mapped_with_its_near_duplicates(acme, library):
    drawn = map_of(acme, library)
    assert [point.name for point in drawn.points] == ["alice", "bob", "alice again"]
    assert [point.kind for point in drawn.points] == ["duplicate", "plain", "duplicate"]
    assert [(found.one.name, found.other.name) for found in drawn.duplicates] == [("alice", "alice again")]
    assert all(0 <= point.x <= WIDTH and 0 <= point.y <= HEIGHT for point in drawn.points)
    assert map_of(acme, library) == drawn


@pytest.mark.django_db
def test_of_many_some_are_drawn(acme, library, monkeypatch):
    monkeypatch.setattr("voiceprints.map_page.MOST_MAPPED", 2)
    drawn = map_of(acme, library)
    assert (len(drawn.points), drawn.enrolled, drawn.sampled) == (2, 3, True)


@pytest.mark.django_db
def test_one_alone_is_no_map(acme):
    speaker = services.enroll(acme, LIBRARY, "alice", [audio("susan")]).speaker
    assert map_of(acme, speaker.library) is None
