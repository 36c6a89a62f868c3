"""Everything that an installation keeps, to be searched: a dump of the database, all files, and all of Redis."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection

from config import embedded, settings
from voiceprints.jobs import connection as redis_connection


def dump(*options: str) -> str:
    """What pg_dump writes of the test database, all rows of all tables."""
    command = [str(embedded.postgres_program("pg_dump")), "-h", str(settings.POSTGRES_DATA), "-U", "postgres"]
    environment = {**os.environ, "PGPASSWORD": embedded._superuser_password()}
    name = str(connection.settings_dict["NAME"])
    done = subprocess.run([*command, *options, name], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def dumped_without(*tables: str) -> str:
    return dump(*(f"--exclude-table-data={table}" for table in tables))


def vector(embedding: Any) -> str:
    """How it begins in a dump."""
    return "[" + ",".join(str(np.float32(number)).removesuffix(".0") for number in embedding[:3])


def files(folder: Path) -> dict[str, bytes]:
    """Every file by its path, and every member of an archive by its own."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path, content in list(found.items()):
        if content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                found |= {f"{path}!{name}": archive.read(name) for name in archive.namelist()}
    return found


def in_redis() -> bytes:
    """All keys with their values, whatever their type."""
    redis: Any = redis_connection()
    readers = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
    }
    said = []
    for key in redis.scan_iter():
        value = readers[redis.type(key)](key)
        said.append(key + b" " + (value if isinstance(value, bytes) else repr(value).encode()))
    return b"\n".join(said)
