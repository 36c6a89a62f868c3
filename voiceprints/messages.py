"""A task's message as Celery and kombu would put it into Redis.

Written here, it goes there in one round trip with what the task needs, at a fraction of what their way costs: everybody
who sends a recording waits for it.
"""

from __future__ import annotations

import base64
import uuid
from typing import Any

from celery import current_app
from kombu import serialization
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps

KEPT = 2
"""AMQP's word for a message that outlives the broker."""


def message_for(
    queue: str, task: str, arguments: list[Any], *, task_id: str, headers: dict[str, Any], **about: Any
) -> str:
    """To be pushed to the left of the list of that name. `about` is what `as_task_v2` takes, such as `expires`."""
    # Nobody reads the representations, and Celery would write them anew for each message.
    message = current_app.amqp.as_task_v2(task_id, task, args=tuple(arguments), argsrepr="", kwargsrepr="", **about)
    content_type, encoding, body = serialization.dumps(message.body, current_app.conf.task_serializer)
    delivery = {
        "delivery_mode": KEPT,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "delivery_tag": str(uuid.uuid4()),
        "priority": 0,
        "body_encoding": "base64",
    }
    envelope = {
        "body": base64.b64encode(str_to_bytes(body)).decode(),
        "content-encoding": encoding,
        "content-type": content_type,
        "headers": message.headers | headers,
        "properties": message.properties | delivery,
    }
    return str(dumps(envelope))
