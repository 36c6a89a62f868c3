"""What we put into Redis in place of Celery and kombu is what they would put there."""

from __future__ import annotations

import base64
import json
from datetime import datetime

import msgpack
import pytest
from celery import current_app

from tests.servers import through_the_queue
from voiceprints import jobs
from voiceprints.messages import message_for

QUEUE = "nobody-reads-it"
ARGUMENTS = [{"denoise": True, "encoders": ["ge2e"]}, ["1:2", "key"]]
ABOUT = {"expires": 8.0, "time_limit": 13, "task_id": "5a0c", "headers": {"request_id": "r-1"}}


@pytest.fixture(autouse=True)
def queued():
    with through_the_queue():
        yield
    jobs.connection().flushall()


def theirs():
    current_app.send_task(jobs.ANALYZE, args=ARGUMENTS, queue=QUEUE, **ABOUT)
    return json.loads(jobs.connection().rpop(QUEUE))


def test_a_message_is_what_kombu_would_send():
    sent, ours = theirs(), json.loads(message_for(QUEUE, jobs.ANALYZE, ARGUMENTS, **ABOUT))
    assert msgpack.unpackb(base64.b64decode(ours.pop("body"))) == msgpack.unpackb(base64.b64decode(sent.pop("body")))
    until = [datetime.fromisoformat(message["headers"].pop("expires")) for message in (sent, ours)]
    assert 0 <= (until[1] - until[0]).total_seconds() < 5
    assert ours["properties"].pop("delivery_tag") != sent["properties"].pop("delivery_tag")
    # Redis lets no message of a list expire, nobody replies by Celery or keeps results, and nobody reads what it shows.
    del sent["properties"]["expiration"]
    sent["properties"]["reply_to"] = ""
    for message in (sent, ours):
        message["headers"] |= {"argsrepr": "", "kwargsrepr": "", "ignore_result": None}
    assert ours == sent
