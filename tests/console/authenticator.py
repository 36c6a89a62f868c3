"""An authenticator app, of another make than the one that checks its codes."""

from __future__ import annotations

import base64
import hmac
import time

from tenants import second_factors
from tests.console.people import PASSWORD


def code_of(seed: str, steps: int = 0) -> str:
    """The code that the app shows, or shows so many half minutes later (RFC 4226, RFC 6238)."""
    counter = int(time.time()) // 30 + steps
    digest = hmac.digest(base64.b32decode(seed), counter.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def with_app(user) -> tuple[str, list[str]]:
    """The seed in the app and the recovery codes of a user who set it up some minutes ago."""
    seed = second_factors.begin(user).seed
    codes = second_factors.turn_on(user, code_of(seed), session_key=None)
    user.second_factor.refresh_from_db()
    type(user.second_factor).objects.update(last_step=0)
    return seed, codes


def give_password(client, user, password: str = PASSWORD, **headers: str):
    return client.post("/console/login/", {"username": str(user), "password": password}, **headers)


def give_code(client, code: str):
    return client.post("/console/login/code/", {"code": code})


def is_inside(client) -> bool:
    return client.get("/console/").status_code == 200
