"""Check that a server listens where a URL leads."""

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def check_listening(url: str, seconds: float) -> None:
    """Raises OSError where nobody listens at an http(s) URL, ValueError where it is none.

    Behind a proxy nothing is asked.
    """
    found = urlsplit(url)
    host, port = found.hostname or "", found.port or {"http": 80}.get(found.scheme, 443)
    if found.scheme not in getproxies() or proxy_bypass(host):
        socket.create_connection((host, port), timeout=seconds).close()
