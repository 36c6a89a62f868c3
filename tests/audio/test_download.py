"""Recordings are fetched from public addresses alone, within a deadline and a size."""

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from audio.download import DownloadError, DownloadFailed, DownloadRefused, Target, download, may_connect
from audio.errors import TooLarge

LOOPBACK = (ip_network("127.0.0.0/8"),)
LIMIT_BYTES = 100_000


def fetch(url, **options):
    return download(url, **{"deadline_seconds": 5.0, "limit_bytes": LIMIT_BYTES, "allow_networks": LOOPBACK} | options)


class Site(BaseHTTPRequestHandler):
    """Answers by path; `seen` holds the headers of each request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append(dict(self.headers))
        getattr(self, self.path.strip("/").partition("?")[0].replace("-", "_"), self.missing)()

    def log_message(self, *args):
        pass

    def answer(self, status=200, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def recording(self):
        self.answer(body=b"sound")

    def missing(self):
        self.answer(404, b"no")

    def moved(self):
        self.answer(302, Location="/recording")

    def loop(self):
        self.answer(301, Location="/loop")

    def inwards(self):
        self.answer(302, Location="http://10.0.0.1/recording")

    def to_file(self):
        self.answer(302, Location="file:///etc/passwd")

    def to_nonsense(self):
        self.answer(302, Location="http://[")

    def downgrade(self):
        self.answer(302, Location=f"http://127.0.0.1:{self.server.server_port}/recording")

    def nowhere(self):
        self.answer(302)

    def gzipped(self):
        self.answer(body=b"\x1f\x8b", Content_Encoding="gzip")

    def declared_large(self):
        self.answer(body=b"", Content_Length=str(10**12))

    def endless(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.pour(b"x" * 65536, 0)

    def dripping(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.pour(b"x", 0.1)

    def cut(self):
        self.answer(body=b"half", Content_Length="8")
        self.close_connection = True

    def long_header(self):
        self.answer(body=b"sound", X_Long="x" * 300_000)

    def pour(self, chunk, pause):
        self.close_connection = True
        try:
            while True:
                self.wfile.write(chunk)
                time.sleep(pause)
        except OSError:
            pass


@contextmanager
def serving(context=None, address="127.0.0.1"):
    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def handle_error(self, request, client_address):
            """Clients that hang up are what these tests are about."""

    server = Server((address, 0), Site)
    server.seen = []
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def site(server):
    return f"http://127.0.0.1:{server.server_port}"


def test_a_recording_is_fetched(site):
    assert fetch(f"{site}/recording") == b"sound"


def test_redirects_are_followed(site):
    assert fetch(f"{site}/moved") == b"sound"


def test_the_request_asks_for_the_bytes_as_they_are(server, site):
    fetch(f"{site}/recording")
    assert server.seen[0]["Accept-Encoding"] == "identity"


def test_the_query_is_sent_as_given(site):
    assert fetch(f"{site}/recording?a=%2B&b=声") == b"sound"


def test_proxies_of_the_environment_are_not_used(site, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert fetch(f"{site}/recording") == b"sound"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "１２７.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.1.2.3",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[fe80::1%25eth0]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_our_own_networks_are_refused(server, host):
    with pytest.raises(DownloadError, match=r"not reachable|malformed address"):
        fetch(f"http://{host}:{server.server_port}/recording", allow_networks=())
    assert server.seen == []


def test_one_private_address_among_public_ones_refuses_the_name(server):
    with pytest.raises(DownloadFailed, match="not reachable"):
        fetch("http://both.test/", allow_networks=(), resolve=lambda *_: ["93.184.216.34", "127.0.0.1"])


def test_a_name_that_changes_between_looks_is_looked_up_once(server):
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    url = f"http://rebinding.test:{server.server_port}/recording"
    assert fetch(url, resolve=lambda *_: next(answers)) == b"sound"
    assert next(answers) == ["10.0.0.1"]


def test_each_hop_is_checked(site):
    with pytest.raises(DownloadFailed, match="not reachable"):
        fetch(f"{site}/inwards")


def test_a_name_that_turns_private_after_a_redirect_is_refused(server):
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    with pytest.raises(DownloadFailed, match="not reachable"):
        fetch(f"http://turning.test:{server.server_port}/downgrade", resolve=lambda *_: next(answers))


def test_the_next_address_is_tried_when_one_does_not_answer(server):
    url = f"http://two.test:{server.server_port}/recording"
    assert fetch(url, resolve=lambda *_: ["127.0.0.2", "127.0.0.1"]) == b"sound"


def test_an_allowed_ipv6_host_is_named_in_brackets():
    with serving(address="::1") as server:
        assert fetch(f"http://[::1]:{server.server_port}/recording", allow_networks=(ip_network("::1"),)) == b"sound"
    assert server.seen[0]["Host"] == f"[::1]:{server.server_port}"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.wav",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://",
        "http:///a.wav",
        "http://user:password@example.com/",
        "http://user@example.com/",
        "http://example.com:22/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:port/",
        "http://exa mple.com/",
        "http://example.com/a\r\nX-Evil: 1",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/\x00",
        "http://[::1/",
        "http://" + "a" * 5000,
        "http://xn--\u2603\u2603" + "\u2603" * 70 + ".test/",
        "",
    ],
)
def test_what_is_no_plain_http_address_is_refused(url):
    with pytest.raises(DownloadRefused):
        fetch(url)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64 + ".test", "a..b"])
def test_a_name_nobody_knows_fails(host):
    with pytest.raises(DownloadFailed):
        fetch(f"http://{host}/")


def test_a_redirect_to_another_scheme_is_refused(site):
    with pytest.raises(DownloadRefused):
        fetch(f"{site}/to-file")


def test_a_redirect_to_what_is_no_address_is_refused(site):
    with pytest.raises(DownloadRefused, match="malformed address"):
        fetch(f"{site}/to-nonsense")


def test_a_redirect_to_nowhere_in_particular_ends(site):
    with pytest.raises(DownloadFailed, match="too many redirects"):
        fetch(f"{site}/nowhere")


def test_a_redirect_loop_ends(server, site):
    with pytest.raises(DownloadFailed, match="too many redirects"):
        fetch(f"{site}/loop")
    assert len(server.seen) == 4


@pytest.mark.parametrize("path", ["missing", "gzipped", "cut", "long-header"])
def test_what_is_no_whole_plain_answer_fails(site, path):
    with pytest.raises(DownloadFailed):
        fetch(f"{site}/{path}")


@pytest.mark.parametrize("path", ["declared-large", "endless"])
def test_a_large_body_is_refused_early(site, path):
    with pytest.raises(TooLarge) as refusal:
        fetch(f"{site}/{path}")
    assert refusal.value.limit_bytes == LIMIT_BYTES


def test_a_dripping_body_ends_with_the_deadline(site):
    with pytest.raises(DownloadFailed, match="too slow"):
        fetch(f"{site}/dripping", deadline_seconds=0.5)


def test_a_slow_resolver_ends_with_the_deadline():
    def slow(host, port):
        time.sleep(2)
        return ["127.0.0.1"]

    with pytest.raises(DownloadFailed, match="not reachable"):
        fetch("http://slow.test/", deadline_seconds=0.2, resolve=slow)


def unknown(host, port):
    raise httpcore.ConnectError("unknown name")


def never(host, port):
    time.sleep(2)
    return []


@pytest.mark.parametrize("resolve", [unknown, never, lambda *_: ["10.0.0.1"], lambda *_: ["127.0.0.2"], lambda *_: []])
def test_why_a_host_cannot_be_reached_is_told_to_the_log_alone(server, resolve, caplog):
    caplog.set_level("INFO", "audio.download")
    networks = (ip_network("127.0.0.0/8"),)
    with pytest.raises(DownloadFailed) as failure:
        url = f"http://intranet.test:{server.server_port}/recording?token=secret"
        fetch(url, deadline_seconds=0.3, resolve=resolve, allow_networks=networks)
    assert failure.value.numbers == {"reason": "not reachable"}
    assert "intranet.test" in caplog.text
    assert "secret" not in caplog.text


@contextmanager
def answering(*pieces):
    """A server that accepts one connection and sends these bytes, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                try:
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                except OSError:
                    pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(5)


def test_what_is_not_http_fails():
    with answering(b"SSH-2.0-OpenSSH_9.2\r\n") as url, pytest.raises(DownloadFailed):
        fetch(url)


def test_endless_interim_answers_are_too_much():
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 20_000
    with answering(interim) as url, pytest.raises(DownloadFailed, match="too much besides"):
        fetch(url)


def test_silence_ends_with_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(DownloadFailed, match="too slow"):
        fetch(f"http://127.0.0.1:{listener.getsockname()[1]}/", deadline_seconds=0.3)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for good.test that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "good.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("good.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "good.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure_fetch(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    with serving(context) as server:

        def fetch_from(name, path, **options):
            url = f"https://{name}:{server.server_port}/{path}"
            return fetch(url, resolve=lambda *_: ["127.0.0.1"], **{"tls": trusting} | options)

        yield fetch_from


def test_the_name_is_verified_although_the_address_is_pinned(secure_fetch):
    assert secure_fetch("good.test", "recording") == b"sound"


def test_another_name_is_not_believed(secure_fetch):
    with pytest.raises(DownloadFailed):
        secure_fetch("other.test", "recording")


def test_an_unknown_authority_is_not_believed(secure_fetch):
    with pytest.raises(DownloadFailed):
        secure_fetch("good.test", "recording", tls=None)


def test_a_redirect_from_https_to_http_is_refused(secure_fetch):
    with pytest.raises(DownloadRefused, match="https to http"):
        secure_fetch("good.test", "downgrade")


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2001:4860:4860::8888", "64:ff9b::808:808", "::ffff:8.8.8.8"],
)
def test_public_addresses_may_be_reached(address):
    assert may_connect(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "100.64.0.1",
        "127.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "192.0.0.8",
        "192.88.99.1",
        "3fff::1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "2001:db8::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2002:a00:1::",
        "fc00::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_other_addresses_may_not_be_reached(address):
    assert not may_connect(address)


def test_an_operator_may_allow_a_network():
    assert may_connect("10.1.2.3", [ip_network("10.1.0.0/16")])


def test_the_default_port_is_not_named():
    assert Target.parse("https://example.com:443/a b".replace(" ", "%20")).url == "https://example.com/a%20b"


def test_names_in_other_scripts_become_ascii():
    assert Target.parse("http://bücher.example/").host == "xn--bcher-kva.example"
