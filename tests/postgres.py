"""A PostgreSQL on loopback, from the binaries that Debian installs, for the time of a test."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def binaries() -> Path:
    """The folder of initdb and postgres; without them the test is skipped."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running() -> Iterator[tuple[str, str]]:
    """Its URI, which holds a password, and that password.

    PostgreSQL refuses to run as root: then it is the user postgres.
    """
    place, password, port = binaries(), secrets.token_hex(12), free_port()
    root = Path(tempfile.mkdtemp(prefix="advcore-postgres-"))
    own: dict[str, str | int] = {}
    if os.getuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(root, account.pw_uid, account.pw_gid)
        own = {"user": account.pw_uid, "group": account.pw_gid}
    secret = root / "password"
    secret.write_text(password)
    if own:
        os.chown(secret, int(own["user"]), int(own["group"]))
    options = [
        "-A",
        "scram-sha-256",
        "-U",
        "advcore",
        f"--pwfile={secret}",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    subprocess.run(
        [place / "initdb", "-D", root / "data", *options],
        check=True,
        capture_output=True,
        cwd=root,
        **own,
    )  # type: ignore[call-overload]
    settings = [
        f"port={port}",
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={root}",
        "fsync=off",
    ]
    flags = [word for setting in settings for word in ("-c", setting)]
    with (root / "log").open("w") as log:
        server = subprocess.Popen(
            [place / "postgres", "-D", root / "data", *flags],
            stdout=log,
            stderr=log,
            cwd=root,
            **own,
        )  # type: ignore[call-overload]
    uri = f"postgresql://advcore:{password}@127.0.0.1:{port}/postgres"
    try:
        _await(uri, server, root / "log")
        yield uri, password
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(root, ignore_errors=True)


def _await(uri: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    until = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(uri, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.2)
