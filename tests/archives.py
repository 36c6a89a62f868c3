"""Archives as people and attackers make them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile

from tests.cast import recording


def zipped(files: dict[str, bytes], *, compression=zipfile.ZIP_DEFLATED) -> io.BytesIO:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    content.seek(0)
    return content


def tarred(files: dict[str, bytes], *, packed=False, extra: tuple[tarfile.TarInfo, ...] = ()) -> io.BytesIO:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        for member in extra:
            archive.addfile(member)
    return io.BytesIO(gzip.compress(content.getvalue()) if packed else content.getvalue())


def targz(files: dict[str, bytes]) -> io.BytesIO:
    return tarred(files, packed=True)


def csv_manifest(*lines: str, header="external_id,audio") -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def jsonl_manifest(*rows: dict) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def voices(*names: str) -> dict[str, bytes]:
    """`susan/1.opus` and so on."""
    return {name: recording(name.split("/")[0], int(name.split("/")[1].removesuffix(".opus"))) for name in names}
