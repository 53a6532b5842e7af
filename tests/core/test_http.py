"""The outbound client against a real socket that does whatever a stranger's server may do."""

import datetime as dt
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lootbox.core import http
from lootbox.core.http import client
from tests.faulty_server import (
    Act,
    FaultyServer,
    Peer,
    Received,
    answer,
    drip,
    endless,
    framed,
    in_turn,
    never,
    raw,
    redirect,
    reset,
)

OK = b'{"accepted":true}'
HEAD = b"HTTP/1.1 200 OK\r\n"
SOON_S = 0.5


@pytest.fixture(autouse=True)
def _closed_connections() -> Iterator[None]:
    yield
    http.close_connections()


def post(
    url: str,
    body: bytes = b"{}",
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10,
    allow_private: bool = True,
    max_bytes: int = 65536,
) -> http.Answer:
    return http.post(
        url=url, body=body, headers=headers or {}, timeout_s=timeout_s, allow_private=allow_private, max_bytes=max_bytes
    )


Records = dict[str, list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Records:
    """Return the name server's records, for the test to fill in: the addresses of each name."""
    records: Records = {}

    def getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if host not in records:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in records[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return records


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of addresses that a connection was tried to; none of the tries succeeds."""
    tried: list[str] = []

    def refuse(_: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


class Authority:
    """A certificate authority in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.certificates = folder / "authority.pem"
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        certificate = self._certificate(self._name, self._key, days=1, extension=x509.BasicConstraints(ca=True, path_length=0))
        self.certificates.write_bytes(certificate)

    def server(self, host: str, *, days: int = 1) -> ssl.SSLContext:
        """Return the context of a server for `host` whose certificate ends in `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        pem = self._folder / f"{host}.pem"
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        pem.write_bytes(private + self._certificate(name, key, days=days, extension=names))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int, extension: x509.ExtensionType
    ) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(days=9),
            not_valid_after=now + dt.timedelta(days=days),
        )
        certificate = builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """Return a certificate authority that this machine trusts during the test."""
    trusted = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.certificates))
    client._tls.cache_clear()
    yield trusted
    client._tls.cache_clear()


class TestRequest:
    """What the server gets to see."""

    def test_it_sends_exactly_these_bytes(self) -> None:
        with FaultyServer(answer(OK)) as server:
            post(server.url("/wa%2Fllet?casino=1&b=%20"), b'{"a": 1}', headers={"X-Timestamp": "1790000000"})
        expected = (
            "POST /wa%2Fllet?casino=1&b=%20 HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{server.port}\r\n"
            "User-Agent: LootBox\r\n"
            "Accept-Encoding: identity\r\n"
            "X-Timestamp: 1790000000\r\n"
            "Content-Length: 8\r\n"
            "\r\n"
            '{"a": 1}'
        )
        assert [request.raw.decode() for request in server.received] == [expected]

    def test_a_get_has_no_body(self) -> None:
        with FaultyServer(answer(b"<rates/>")) as server:
            given = http.get(url=server.url("/rates.xml"), headers={}, timeout_s=10, allow_private=True)
        assert given.body == b"<rates/>"
        assert server.received[0].raw.startswith(b"GET /rates.xml HTTP/1.1\r\n")
        assert "content-length" not in server.received[0].headers

    def test_it_signs_what_it_sends(self) -> None:
        with FaultyServer(answer(OK)) as server:
            url = server.url("/a%20b/./c;d?query=1")
            post(url)
            post(server.url(""))
        assert [request.target.partition("?")[0] for request in server.received] == [http.request_path(url), "/"]

    def test_a_large_body_arrives_whole(self) -> None:
        body = b"x" * 3_000_000
        with FaultyServer(answer(OK)) as server:
            post(server.url(), body)
        assert server.received[0].body == body

    def test_a_header_in_any_script_is_sent_as_utf8(self) -> None:
        with FaultyServer(answer(OK)) as server:
            post(server.url(), headers={"Idempotency-Key": "clé-鍵"})
        assert server.received[0].headers["idempotency-key"] == "clé-鍵"

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "\x7f", "\ud800"])
    def test_a_header_that_would_become_two_is_not_sent(self, value: str) -> None:
        with FaultyServer(answer(OK)) as server:
            with pytest.raises(http.NotSent, match="control character"):
                post(server.url(), headers={"Idempotency-Key": value})
            assert server.connections == 0

    def test_no_proxy_of_the_environment_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with FaultyServer(answer(OK)) as server, FaultyServer(answer(b"proxied")) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url())
            assert post(server.url()).body == OK
            assert proxy.connections == 0


class TestAnswer:
    """What counts as an answer."""

    def test_it_has_status_body_and_headers(self) -> None:
        with FaultyServer(answer(OK, headers={"Retry-After": " 5 ", "X-Two": "a", "x-two": "b"})) as server:
            given = post(server.url())
        assert (given.status, given.body) == (200, OK)
        assert given.headers == {"content-length": "17", "retry-after": "5", "x-two": "a, b"}
        assert given.latency_ms >= 0

    @pytest.mark.parametrize("status", [200, 201, 202, 299, 400, 401, 404, 408, 410, 425, 429, 500, 502, 503, 504, 599])
    def test_any_status_is_an_answer(self, status: int) -> None:
        with FaultyServer(answer(OK, status=status)) as server:
            assert post(server.url()).status == status
            assert len(server.received) == 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("location", ["/again", "http://169.254.169.254/latest/meta-data", "//elsewhere.example/"])
    def test_a_redirect_is_not_followed(self, status: int, location: str) -> None:
        with FaultyServer(redirect(location, status=status)) as server:
            assert post(server.url()).status == status
            assert len(server.received) == 1

    def test_interim_answers_are_passed_over(self) -> None:
        noise = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        with FaultyServer(raw(noise + framed(OK))) as server:
            given = post(server.url())
        assert (given.status, given.body) == (200, OK)
        assert "link" not in given.headers

    def test_chunks_are_put_together(self) -> None:
        chunks = b'5\r\n{"acc\r\n00c;ext=1\r\nepted":true}\r\n0\r\nX-Trailer: 1\r\n\r\n'
        with FaultyServer(raw(HEAD + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks, close=False)) as server:
            assert [post(server.url()).body, post(server.url()).body] == [OK, OK]
            assert server.connections == 1

    def test_the_end_of_the_connection_may_end_the_body(self) -> None:
        with FaultyServer(raw(b"HTTP/1.0 200 OK\r\n\r\n" + OK)) as server:
            assert post(server.url()).body == OK

    def test_a_204_has_no_body(self) -> None:
        with FaultyServer(raw(b"HTTP/1.1 204 No Content\r\n\r\n", close=False)) as server:
            assert post(server.url()).body == b""

    def test_an_empty_body_is_an_answer(self) -> None:
        with FaultyServer(answer(b"")) as server:
            assert post(server.url()).body == b""

    def test_a_body_may_be_just_as_large_as_allowed(self) -> None:
        with FaultyServer(answer(b"x" * 65536)) as server:
            assert len(post(server.url()).body) == 65536

    def test_an_answer_may_say_that_it_is_not_compressed(self) -> None:
        with FaultyServer(answer(OK, headers={"Content-Encoding": "identity"})) as server:
            assert post(server.url()).body == OK


LENGTH = b"Content-Length: 17\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

# How the answer ends, and the status that is known by then.
MALFORMED: Mapping[str, tuple[Act, int | None]] = {
    "hangs up without a word": (raw(b""), None),
    "headers cut off": (raw(HEAD + b"Content-Le"), None),
    "body cut off": (raw(HEAD + LENGTH + OK[:-1]), 200),
    "length too large": (raw(HEAD + b"Content-Length: 18\r\n\r\n" + OK), 200),
    "length above the limit": (raw(HEAD + b"Content-Length: 65537\r\n\r\n" + OK), 200),
    "100 MB": (endless(HEAD + b"Content-Length: 100000000\r\n\r\n", b"x" * 65536), 200),
    "body without an end": (endless(HEAD + b"\r\n", b"x" * 65536), 200),
    "chunks without an end": (endless(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"), 200),
    "chunk size without an end": (endless(CHUNKED, b"0" * 4096), 200),
    "chunk extension without an end": (endless(CHUNKED + b"1;", b"x" * 4096), 200),
    "trailers without an end": (endless(CHUNKED + b"0\r\n", b"X-More: 1\r\n"), 200),
    "headers without an end": (endless(HEAD, b"X-More: 1\r\n"), None),
    "interim answers without an end": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), None),
    "switching protocols": (raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), None),
    "two lengths": (raw(HEAD + b"Content-Length: 17\r\nContent-Length: 2\r\n\r\n" + OK), 200),
    "signed length": (raw(HEAD + b"Content-Length: +17\r\n\r\n" + OK), 200),
    "negative length": (raw(HEAD + b"Content-Length: -1\r\n\r\n" + OK), 200),
    "length with an underscore": (raw(HEAD + b"Content-Length: 1_7\r\n\r\n" + OK), 200),
    "length in other digits": (raw(HEAD + "Content-Length: ¹⁷\r\n\r\n".encode() + OK), 200),
    "length and chunks": (raw(HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 17\r\n\r\n0\r\n\r\n"), 200),
    "unknown transfer coding": (raw(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 200),
    "chunks in HTTP/1.0": (raw(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 200),
    "hexadecimal prefix": (raw(CHUNKED + b"0x11\r\n" + OK + b"\r\n0\r\n\r\n"), 200),
    "negative chunk": (raw(CHUNKED + b"-11\r\n" + OK + b"\r\n0\r\n\r\n"), 200),
    "chunk longer than it says": (raw(CHUNKED + b"10\r\n" + OK + b"\r\n0\r\n\r\n"), 200),
    "last chunk missing": (raw(CHUNKED + b"11\r\n" + OK + b"\r\n"), 200),
    "gzip": (answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), 200),
    "folded header": (raw(HEAD + b"X-A: 1\r\n 2\r\n" + LENGTH + OK), None),
    "space before the colon": (raw(HEAD + b"Content-Length : 17\r\n\r\n" + OK), None),
    "NUL in a header": (raw(HEAD + b"X-A: \x00\r\n" + LENGTH + OK), None),
    "bare line feeds": (raw(b"HTTP/1.1 200 OK\nContent-Length: 17\n\n" + OK), None),
    "no status line": (raw(OK), None),
    "HTTP/2": (raw(b"HTTP/2 200\r\n" + LENGTH + OK), None),
    "HTTP/0.9": (raw(b"<html>hello</html>\r\n\r\n"), None),
    "status 099": (raw(b"HTTP/1.1 099 Odd\r\n" + LENGTH + OK), None),
    "status 600": (raw(b"HTTP/1.1 600 Odd\r\n" + LENGTH + OK), None),
}
HANGING: Mapping[str, Act] = {
    "never": never(),
    "never after the headers": in_turn(raw(HEAD + LENGTH, close=False), never()),
    "headers dripping": drip(framed(OK), gap_s=SOON_S / 5),
    "body dripping": in_turn(raw(HEAD + LENGTH, close=False), drip(OK, gap_s=SOON_S / 5)),
    "chunks dripping": in_turn(raw(CHUNKED, close=False), drip(b"1\r\nx\r\n" * 9, gap_s=SOON_S / 5)),
    "interim answers dripping": drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, gap_s=SOON_S / 5),
}


class TestNoAnswer:
    """What can't be read in one way, in time, within bounds: the request may have arrived, and nothing more is known."""

    @pytest.mark.parametrize(("act", "status"), MALFORMED.values(), ids=MALFORMED)
    def test_a_malformed_answer_is_none_and_nothing_is_sent_again(self, act: Act, status: int | None) -> None:
        with FaultyServer(act) as server:
            with pytest.raises(http.NoAnswer) as caught:
                post(server.url())
            assert len(server.received) == 1
        assert caught.value.status == status
        assert caught.value.reason.endswith(".")

    @pytest.mark.parametrize("after", [b"", HEAD, HEAD + LENGTH, HEAD + LENGTH + OK[:-1]])
    def test_a_reset_is_no_answer_and_nothing_is_sent_again(self, after: bytes) -> None:
        with FaultyServer(reset(after)) as server:
            with pytest.raises(http.NoAnswer, match=r"broke|closed"):
                post(server.url())
            assert len(server.received) == 1

    @pytest.mark.parametrize("act", HANGING.values(), ids=HANGING)
    def test_one_deadline_ends_every_kind_of_waiting(self, act: Act) -> None:
        with FaultyServer(act) as server:
            with pytest.raises(http.NoAnswer, match="time limit"):
                post(server.url(), timeout_s=SOON_S)
            server.wait_received(1)
            assert len(server.received) == 1

    def test_a_server_that_does_not_read_is_given_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(http.NoAnswer, match="time limit"):
            post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", b"x" * 50_000_000, timeout_s=SOON_S)

    def test_what_was_read_of_the_body_is_kept(self) -> None:
        page = b"<html>" + b"x" * 5000
        cut_off = raw(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6000\r\n\r\n" + page)
        with FaultyServer(cut_off) as server, pytest.raises(http.NoAnswer, match="closed before") as caught:
            post(server.url())
        assert (caught.value.status, caught.value.excerpt) == (502, page[:2048])

    def test_the_limit_is_the_callers(self) -> None:
        with FaultyServer(answer(OK)) as server, pytest.raises(http.NoAnswer, match="larger than 16 bytes"):
            post(server.url(), max_bytes=16)


class TestKeptConnection:
    """A connection is used again only while nothing can be amiss with it."""

    def test_it_carries_the_next_call_of_its_thread(self) -> None:
        with FaultyServer(answer(OK)) as server:
            for _ in range(3):
                post(server.url())
            assert [request.connection for request in server.received] == [0, 0, 0]

    def test_it_belongs_to_its_thread_and_ends_with_it(self) -> None:
        with FaultyServer(answer(OK)) as server:
            thread = threading.Thread(target=post, args=(server.url(),))
            thread.start()
            thread.join()
            server.wait_all_closed()
            post(server.url())
            assert [request.connection for request in server.received] == [0, 1]

    def test_a_child_process_makes_its_own(self) -> None:
        with FaultyServer(answer(OK)) as server:
            subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, server.url()], check=True, timeout=60, cwd=ROOT)
            assert [(request.body, request.connection) for request in server.received] == [
                (b"parent", 0),
                (b"child", 1),
                (b"parent", 0),
            ]

    def test_one_that_was_closed_while_idle_is_replaced_before_anything_is_sent(self) -> None:
        with FaultyServer(raw(framed(OK)), answer(OK)) as server:
            post(server.url())
            server.wait_all_closed()
            post(server.url())
            assert [request.connection for request in server.received] == [0, 1]

    @pytest.mark.parametrize(
        "last",
        [framed(OK, headers={"Connection": "Close"}), framed(OK).replace(b"HTTP/1.1", b"HTTP/1.0")],
        ids=["announced", "HTTP/1.0"],
    )
    def test_one_whose_server_will_close_it_is_not_kept(self, last: bytes) -> None:
        with FaultyServer(raw(last, close=False), answer(OK)) as server:
            post(server.url())
            server.wait_all_closed()
            post(server.url())
            assert [request.connection for request in server.received] == [0, 1]

    def test_a_second_answer_on_the_heels_of_the_first_is_never_taken_for_the_next(self) -> None:
        twice = framed(b"first") + framed(b"nobody asked")
        with FaultyServer(raw(twice, close=False), answer(b"second")) as server:
            assert [post(server.url()).body, post(server.url()).body] == [b"first", b"second"]
            assert [request.connection for request in server.received] == [0, 1]

    def test_a_second_answer_while_idle_is_never_taken_for_the_next(self) -> None:
        first_was_read, second_was_sent = threading.Event(), threading.Event()

        def twice(peer: Peer, _: Received) -> None:
            peer.send(framed(b"first"))
            first_was_read.wait(10)
            peer.send(framed(b"nobody asked"))
            second_was_sent.set()

        with FaultyServer(twice, answer(b"second")) as server:
            assert post(server.url()).body == b"first"
            first_was_read.set()
            second_was_sent.wait(10)
            assert post(server.url()).body == b"second"
            assert [request.connection for request in server.received] == [0, 1]

    def test_a_failure_on_it_is_no_answer_and_nothing_is_sent_again(self) -> None:
        with FaultyServer(answer(OK), reset(), answer(OK)) as server:
            post(server.url(), b"1")
            with pytest.raises(http.NoAnswer):
                post(server.url(), b"2")
            post(server.url(), b"3")
            assert [(request.body, request.connection) for request in server.received] == [(b"1", 0), (b"2", 0), (b"3", 1)]

    def test_one_that_was_idle_for_too_long_is_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "IDLE_LIMIT_S", -1)
        with FaultyServer(answer(OK)) as server:
            post(server.url())
            post(server.url())
            assert [request.connection for request in server.received] == [0, 1]

    def test_a_thread_keeps_only_the_latest_few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "IDLE_PER_THREAD", 1)
        with FaultyServer(answer(OK)) as one, FaultyServer(answer(OK)) as other:
            post(one.url())
            post(other.url())
            one.wait_all_closed()
            post(other.url())
            assert other.connections == 1


ROOT = Path(__file__).parents[2]
FORKING = """
import os, sys
from lootbox.core import http

def post(body):
    http.post(url=sys.argv[1], body=body, headers={}, timeout_s=10, allow_private=True)

post(b"parent")
child = os.fork()
if not child:
    post(b"child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
post(b"parent")
"""

NEVER_PUBLIC = [
    *["0.0.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16", "169.254.169.254", "192.0.0.192", "192.0.2.1"],
    *["192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"],
    *["::", "::127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:2::1"],
    *["2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1", "fe80::1", "fe80::1%2", "fec0::1", "ff02::1"],
]
LOCAL = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
]
PUBLIC = ["93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1", "2a00:1450:4001::1"]


class TestAddress:
    """Which addresses a name may stand for."""

    @pytest.mark.parametrize("address", NEVER_PUBLIC + LOCAL)
    def test_one_that_is_not_public_is_not_called(self, names: Records, connected: list[str], address: str) -> None:
        names["wallet.example.com"] = [address]
        with pytest.raises(http.NotSent, match="not public"):
            post("https://wallet.example.com/", allow_private=False)
        assert connected == []

    @pytest.mark.parametrize("address", NEVER_PUBLIC)
    def test_development_calls_its_own_networks_only(self, names: Records, connected: list[str], address: str) -> None:
        names["wallet.example.com"] = [address]
        with pytest.raises(http.NotSent, match="not public"):
            post("https://wallet.example.com/")
        assert connected == []

    @pytest.mark.parametrize("address", LOCAL[:-1])
    def test_development_calls_its_own_networks(self, names: Records, connected: list[str], address: str) -> None:
        names["casino"] = [address]
        with pytest.raises(http.NotSent, match="could not be reached"):
            post("http://casino:9000/")
        assert connected == [address]

    @pytest.mark.parametrize("address", PUBLIC)
    def test_a_public_one_is_called(self, names: Records, connected: list[str], address: str) -> None:
        names["wallet.example.com"] = [address]
        with pytest.raises(http.NotSent, match="could not be reached"):
            post("https://wallet.example.com/", allow_private=False)
        assert connected == [address]

    @pytest.mark.parametrize("found", [["93.184.216.34", "10.0.0.1"], ["10.0.0.1", "93.184.216.34"]])
    def test_one_bad_one_among_good_ones_is_enough(self, names: Records, connected: list[str], found: list[str]) -> None:
        names["wallet.example.com"] = found
        with pytest.raises(http.NotSent, match="not public"):
            post("https://wallet.example.com/", allow_private=False)
        assert connected == []

    def test_a_name_that_moved_inside_after_it_was_saved_is_not_called(self, names: Records, connected: list[str]) -> None:
        names["wallet.example.com"] = ["93.184.216.34"]
        http.check_url("https://wallet.example.com/", allow_private=False)
        names["wallet.example.com"] = ["127.0.0.1"]
        with pytest.raises(http.NotSent, match="not public"):
            post("https://wallet.example.com/", allow_private=False)
        assert connected == []

    def test_a_mapped_one_is_called_by_its_own_name(self, names: Records, connected: list[str]) -> None:
        names["wallet.example.com"] = ["::ffff:93.184.216.34"]
        with pytest.raises(http.NotSent):
            post("https://wallet.example.com/", allow_private=False)
        assert connected == ["93.184.216.34"]


class TestNotSent:
    """Nothing was written, so nothing can have happened."""

    def test_a_closed_port(self) -> None:
        with FaultyServer() as server:
            url = server.url()
        with pytest.raises(http.NotSent, match="refused"):
            post(url)

    def test_an_unknown_name(self, names: Records) -> None:
        assert not names
        with pytest.raises(http.NotSent, match=r"wallet\.example\.com could not be reached .*not known"):
            post("https://wallet.example.com/")

    def test_a_name_without_addresses(self, names: Records) -> None:
        names["wallet.example.com"] = []
        with pytest.raises(http.NotSent, match="has no address"):
            post("https://wallet.example.com/")

    def test_every_address_is_tried(self, names: Records, connected: list[str]) -> None:
        names["wallet.example.com"] = PUBLIC
        with pytest.raises(http.NotSent, match="refused"):
            post("https://wallet.example.com/")
        assert connected == PUBLIC

    def test_names_that_are_slow_to_resolve_hold_one_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked, answered = threading.Event(), threading.Event()
        resolvers: list[threading.Thread] = []

        def getaddrinfo(*_: object, **__: object) -> list[tuple[object, ...]]:
            resolvers.append(threading.current_thread())
            asked.set()
            answered.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        for _ in range(2):
            with pytest.raises(http.NotSent, match="not resolved in time"):
                post("https://slow.example.com/", timeout_s=0.05)
        assert asked.wait(10)
        answered.set()
        assert len(resolvers) == 1
        resolvers[0].join(10)

    def test_a_connection_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "CONNECT_LIMIT_S", SOON_S)
        with FaultyServer(answer(OK)) as server:
            with pytest.raises(http.NotSent, match="timed out"):
                post(server.url().replace("http:", "https:"))  # it waits for the end of a request, not for a handshake
            assert server.received == []

    def test_a_url_that_is_not_acceptable(self, connected: list[str]) -> None:
        with pytest.raises(http.UnacceptableURL):
            post("https://127.0.0.1/", allow_private=False)
        assert connected == []


class TestTLS:
    """The certificate must be of a known authority, in date, and for the name in the URL."""

    def test_the_name_in_the_url_is_asked_for_and_checked(self, names: Records, authority: Authority) -> None:
        names["wallet.test"] = ["127.0.0.1"]
        with FaultyServer(answer(OK), tls=authority.server("wallet.test")) as server:
            for _ in range(2):
                assert post(server.url("/wallet", host="wallet.test")).body == OK
            assert [request.connection for request in server.received] == [0, 0]
            assert server.received[0].headers["host"] == f"wallet.test:{server.port}"

    def test_another_servers_certificate(self, names: Records, authority: Authority) -> None:
        names["wallet.test"] = ["127.0.0.1"]
        with FaultyServer(answer(OK), tls=authority.server("other.test")) as server:
            with pytest.raises(http.NotSent, match="Hostname mismatch"):
                post(server.url(host="wallet.test"))
            assert server.received == []

    def test_an_expired_certificate(self, names: Records, authority: Authority) -> None:
        names["wallet.test"] = ["127.0.0.1"]
        with FaultyServer(answer(OK), tls=authority.server("wallet.test", days=-1)) as server:
            with pytest.raises(http.NotSent, match="expired"):
                post(server.url(host="wallet.test"))
            assert server.received == []

    def test_an_unknown_authority(self, names: Records, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> None:
        assert authority
        names["wallet.test"] = ["127.0.0.1"]
        with FaultyServer(answer(OK), tls=Authority(tmp_path_factory.mktemp("stranger")).server("wallet.test")) as server:
            with pytest.raises(http.NotSent, match="certificate verify failed"):
                post(server.url(host="wallet.test"))
            assert server.received == []

    def test_a_server_that_speaks_no_tls(self) -> None:
        def plain(peer: Peer, _: Received) -> None:
            peer.close()

        with FaultyServer(plain) as server, pytest.raises(http.NotSent):
            post(server.url().replace("http:", "https:"), timeout_s=SOON_S)

    def test_nothing_older_than_tls_1_2(self) -> None:
        assert client._tls().minimum_version >= ssl.TLSVersion.TLSv1_2

    def test_a_truncated_answer(self, names: Records, authority: Authority) -> None:
        names["wallet.test"] = ["127.0.0.1"]
        with FaultyServer(raw(HEAD + LENGTH + OK[:-1]), tls=authority.server("wallet.test")) as server:
            with pytest.raises(http.NoAnswer, match="closed before"):
                post(server.url(host="wallet.test"))
            assert len(server.received) == 1


LONGEST = "https://wallet.example.com/" + "x" * (2048 - len("https://wallet.example.com/"))


class TestCheckUrl:
    """What an operator may save as an address, and how it is told what is wrong."""

    @pytest.mark.parametrize(
        "url",
        [
            "https://wallet.example.com",
            "https://wallet.example.com/",
            "https://wallet.example.com:443/path?query=%20",
            "HTTPS://Wallet.Example.COM/CaSe",
            "https://xn--bcher-kva.example/",
            "https://1.2.3.4.example.com/",
            LONGEST,
        ],
    )
    def test_it_accepts(self, url: str) -> None:
        http.check_url(url, allow_private=False)
        http.check_url(url, allow_private=True)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:9000/wallet", "http://localhost", "http://[::1]:9000/", "https://casino:8443/"]
    )
    def test_it_accepts_for_development_only(self, url: str) -> None:
        http.check_url(url, allow_private=True)
        with pytest.raises(http.UnacceptableURL):
            http.check_url(url, allow_private=False)

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("", "1 to 2048 ASCII characters"),
            (LONGEST + "x", "1 to 2048 ASCII characters"),
            ("https://wallet.example.com/a b", "without spaces"),
            (" https://wallet.example.com/", "without spaces"),
            ("https://wallet.example.com/\n", "without spaces"),
            ("https://wallet.example.com/é", "ASCII"),
            ("https://bücher.example/", "ASCII"),
            ("wallet.example.com", "https://"),
            ("//wallet.example.com/", "https://"),
            ("ftp://wallet.example.com/", "https://"),
            ("file:///etc/passwd", "https://"),
            ("javascript:alert(1)", "https://"),
            ("https://me@wallet.example.com/", "user name"),
            ("https://me:secret@wallet.example.com/", "user name"),
            ("https://wallet.example.com/#", "fragment"),
            ("https://wallet.example.com/#part", "fragment"),
            ("https://", "well-formed|host"),
            ("https:///path", "well-formed|host"),
            ("https://wallet.example.com:/", "well-formed"),
            ("https://wallet.example.com:0/", "well-formed"),
            ("https://wallet.example.com:0443/", "well-formed"),
            ("https://wallet.example.com:65536/", "well-formed"),
            ("https://wallet.example.com:https/", "well-formed"),
            ("https://[::1/", "well-formed"),
            ("https://[::1]x/", "well-formed"),
            ("https://wallet.example.com\\@evil.example/", "well-formed|user name"),
            ("https://wallet_1.example.com/", "host name"),
            ("https://-wallet.example.com/", "host name"),
            ("https://wallet..example.com/", "host name"),
            ("https://wallet.example.com./", "host name"),
            ("https://127.1/", "host name"),
            ("https://2130706433/", "host name"),
            ("https://0x7f.0.0.1/", "host name"),
            ("https://017700000001.example.1/", "host name"),
            (f"https://{'a' * 64}.example.com/", "host name"),
            (f"https://{'a.' * 126}com/", "host name"),
            ("https://[fe80::1%25eth0]/", "host name"),
        ],
    )
    def test_it_refuses_everywhere(self, url: str, problem: str) -> None:
        for allow_private in (False, True):
            with pytest.raises(http.UnacceptableURL, match=problem) as caught:
                http.check_url(url, allow_private=allow_private)
            assert caught.value.reason.endswith(".")

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("http://wallet.example.com/", "https://"),
            ("https://wallet.example.com:8443/", "port 443"),
            ("https://93.184.216.34/", "not an IP address"),
            ("https://[2606:2800:220:1::1]/", "not an IP address"),
            ("https://localhost/", "public host"),
            ("https://wallet/", "public host"),
        ],
    )
    def test_it_refuses_outside_development(self, url: str, problem: str) -> None:
        with pytest.raises(http.UnacceptableURL, match=problem):
            http.check_url(url, allow_private=False)


class TestRequestPath:
    """What a signature covers."""

    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("https://wallet.example.com", "/"),
            ("https://wallet.example.com?casino=1", "/"),
            ("https://wallet.example.com/a%2Fb/../c;d//e?casino=/1", "/a%2Fb/../c;d//e"),
        ],
    )
    def test_it_is_as_in_the_request_line(self, url: str, path: str) -> None:
        assert http.request_path(url) == path

    def test_there_is_none_for_what_is_no_url(self) -> None:
        with pytest.raises(http.UnacceptableURL):
            http.request_path("wallet")
