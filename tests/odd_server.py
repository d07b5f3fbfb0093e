"""A server on loopback whose answers a test chooses, and which remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Asked(BaseHTTPRequestHandler):
    """One request and its `body`; `answer` may be called once, or the body written in pieces."""

    body = b""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def answering(
    answer: Callable[[Asked], None], host: str = "127.0.0.1"
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Its URL, and the headers of all requests so far, each with its `method` and `path`."""
    seen: list[dict[str, str]] = []

    class Handler(Asked):
        def do_GET(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append({**dict(self.headers), "method": self.command, "path": self.path})
            answer(self)

        do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = do_GET  # noqa: N815

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *arguments: None  # type: ignore[method-assign]  # a client that went away
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{host}:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
