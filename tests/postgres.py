"""A PostgreSQL server of its own for tests, from Debian's package `postgresql`."""

import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import end

ACCOUNT = "postgres"
"""The server refuses to run as root; Debian's package makes this account."""


def binaries() -> Path | None:
    """The folder of initdb and postgres, or None where they are not installed."""
    found = shutil.which("initdb")
    places = [str(Path(found).resolve())] if found else sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return Path(places[-1]).parent if places else None


@contextmanager
def server() -> Iterator[str]:
    """The address of an empty database on a server that ends with this."""
    bin_folder = binaries()
    assert bin_folder, "postgresql is not installed"
    user = ACCOUNT if os.getuid() == 0 else None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="edgekd-postgres-"))
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, "user": user}
    subprocess.run([bin_folder / "initdb", "-D", data, "-U", "edgekd", "-A", "trust", "-N"], check=True, **quiet)  # type: ignore[call-overload]
    options = ["-c", f"port={port}", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    process = subprocess.Popen([bin_folder / "postgres", "-D", data, *options], **quiet)  # type: ignore[call-overload]
    try:
        ready = [bin_folder / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "30"]
        while subprocess.run(ready, stdout=subprocess.DEVNULL, check=False).returncode:
            assert process.poll() is None, "the server ended"
        yield f"postgresql://edgekd@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGQUIT)  # does not wait for clients to leave
        end(process)
        shutil.rmtree(folder, ignore_errors=True)
