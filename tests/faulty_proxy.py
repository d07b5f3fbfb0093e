"""A proxy on loopback that stands before a server and spoils what it is told to: an S3 on a bad
day, over real HTTP.
"""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = str | None
"""error: 500; slow_down: 503 as S3 says it; forbidden: 403; drop: no answer, nothing done; lost:
done, and no answer; cut: half of the answer's body; slow: a fifth of a second late; stall: two
seconds late; None: as the server says."""

ANSWERS = {
    "error": (500, "InternalError"),
    "slow_down": (503, "SlowDown"),
    "forbidden": (403, "AccessDenied"),
}
TRANSIENT = ("error", "slow_down", "drop", "lost", "cut", "slow")


def sometimes(
    rate: float, seed: int = 0, kinds: tuple[str, ...] = TRANSIENT
) -> Callable[[str, str], Fault]:
    """Each request is spoilt with probability `rate`, by one kind after the other."""
    chance, lock, count = random.Random(seed), threading.Lock(), Counter[str]()

    def choose(method: str, path: str) -> Fault:
        with lock:
            if chance.random() >= rate:
                return None
            count["all"] += 1
            return kinds[count["all"] % len(kinds)]

    return choose


class Proxy:
    """What passed: `requests` as (method, path), `spoilt` by kind; `choose` says what is spoilt
    from now on.
    """

    def __init__(self, port: int, choose: Callable[[str, str], Fault]) -> None:
        self.target, self.choose = port, choose
        self.requests: list[tuple[str, str]] = []
        self.spoilt: Counter[str] = Counter()
        self.url = ""


@contextmanager
def faulty(
    port: int, choose: Callable[[str, str], Fault] = lambda method, path: None
) -> Iterator[Proxy]:
    """A proxy before the server at `port` of this machine."""
    proxy = Proxy(port, choose)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.choose(self.command, self.path)
            proxy.requests.append((self.command, self.path))
            proxy.spoilt.update([fault] if fault else [])
            if fault == "drop":
                return
            if fault in ANSWERS:
                status, code = ANSWERS[fault]
                body = f"<Error><Code>{code}</Code><Message>planted</Message></Error>".encode()
                self._answer(
                    status,
                    {"Content-Type": "application/xml", "Content-Length": str(len(body))},
                    body,
                )
                return
            time.sleep({"slow": 0.2, "stall": 2.0}.get(fault or "", 0))
            connection = http.client.HTTPConnection("127.0.0.1", proxy.target, timeout=60)
            connection.request(self.command, self.path, asked, dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            if fault == "lost":
                return
            headers = {
                name: value for name, value in answer.getheaders() if name.lower() != "connection"
            }
            self._answer(answer.status, headers, body[: len(body) // 2] if fault == "cut" else body)

        do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in {**headers, "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *arguments: None  # type: ignore[method-assign]  # a client that went away
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
