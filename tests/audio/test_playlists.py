"""A playlist or a container that points elsewhere opens neither a file nor an address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from audio.decode import decode
from audio.errors import Undecodable
from tests.audio.recordings import encoded, sample, spoken


class _Recorder(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requested: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: _Recorder

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sample("susan"))

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[_Recorder]:
    with _Recorder() as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        yield recorder
        recorder.shutdown()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.wav"
    path.write_bytes(encoded(spoken()))
    return path


def hls(target: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n{target}\n#EXT-X-ENDLIST\n".encode()


def concat(target: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{target}'\n".encode()


def dash(target: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="1" mimeType="audio/mp4"><BaseURL>{target}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def session_description(target: str) -> bytes:
    return (
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\na=control:{target}\nm=audio 5004 RTP/AVP 0\n".encode()
    )


PLAYLISTS = [hls, concat, dash, session_description]


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_a_playlist_requests_nothing(playlist, server: _Recorder) -> None:
    with pytest.raises(Undecodable):
        decode(playlist(f"{server.address}/voice.opus"))

    assert server.requested == []


@pytest.mark.parametrize("playlist", PLAYLISTS)
def test_a_playlist_discloses_no_local_file(playlist, secret: Path) -> None:
    with pytest.raises(Undecodable):
        decode(playlist(str(secret)))


def test_the_recording_a_playlist_points_at_would_have_been_read(secret: Path) -> None:
    assert decode(secret.read_bytes()).duration_seconds > 1


def test_a_playlist_after_an_id3_tag_is_still_refused(server: _Recorder) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x00"

    with pytest.raises(Undecodable):
        decode(tag + hls(f"{server.address}/voice.opus"))

    assert server.requested == []
