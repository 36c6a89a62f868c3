"""Real people: who is enrolled is recognised, over HTTP. The plain encoder package reaches 99/100 and 60/60 here."""

import pytest

from api.abcpen.client import Client
from tests.shared_data import shared
from voiceprints import services
from voiceprints.results import AudioInput, LibraryKey

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


@pytest.fixture
def client(live_server, acme_credential):
    with Client(live_server.url, acme_credential.key_id, acme_credential.secret) as client:
        yield client


def speech(path):
    return shared("speech").joinpath(path).read_bytes()


def enrollment_utterances():
    """Speaker → paths of the three utterances to enroll."""
    lines = (line.split() for line in shared("enroll3.txt").read_text().splitlines())
    return {speaker: utterances for speaker, *utterances in lines}


def other_utterances(speaker, enrolled):
    paths = (f"{speaker}/{path.name}" for path in shared("speech", speaker).iterdir())
    return sorted(set(paths) - set(enrolled))


def recognised(client, speaker, utterance):
    best, *_ = client.recognize(speech(utterance), org_id="real")
    return best["spk_name"] == speaker


def test_with_one_utterance_enrolled_at_least_98_of_100_are_recognised(client):
    first = {speaker: utterances[0] for speaker, utterances in enrollment_utterances().items()}
    for speaker, utterance in first.items():
        client.register(speech(utterance), org_id="real", tag_id="", spk_name=speaker)
    others = [(speaker, other) for speaker, one in first.items() for other in other_utterances(speaker, [one])]
    assert len(others) == 100
    assert sum(recognised(client, speaker, utterance) for speaker, utterance in others) >= 98


def test_with_three_utterances_merged_all_60_are_recognised(client, acme):
    enrolled = enrollment_utterances()
    for speaker, (first, *more) in enrolled.items():
        client.register(speech(first), org_id="real", tag_id="", spk_name=speaker)
        merged = [AudioInput(read=lambda path=path: speech(path)) for path in more]
        services.update(acme, LibraryKey("real"), speaker, merged, merge=True)
    others = [(speaker, other) for speaker, three in enrolled.items() for other in other_utterances(speaker, three)]
    assert len(others) == 60
    assert all(recognised(client, speaker, utterance) for speaker, utterance in others)
