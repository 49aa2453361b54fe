"""What the tests speak to: a real server in demo mode, and the one that misbehaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Optional

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONFORMANCE = ROOT / "sdk" / "conformance"


class Server:
    """`ecp serve` on a free port and a data folder of its own."""

    def __init__(self, folder: Path, port: int = 0, *flags: str) -> None:
        self.folder = folder
        self.port = port
        self._flags = flags
        self._process: Optional[subprocess.Popen[str]] = None

    def start(self) -> Server:
        binary = os.environ.get("ECP_BINARY") or str(ROOT / "target/debug/ecp")
        command = [binary, "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.folder)]
        self._process = subprocess.Popen(
            [*command, "--demo-speed", "2000", *self._flags], stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        log = []
        for line in self._process.stderr:
            log.append(line)
            found = re.search(r"ready: http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                # What it logs later is read and thrown away, so that it never waits for a reader.
                threading.Thread(target=self._process.stderr.read, daemon=True).start()
                return self
        raise RuntimeError(f"the server did not start:\n{''.join(log)}")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/v1"

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        running = Server(Path(folder)).start()
        yield running
        running.stop()


@pytest.fixture(scope="session")
def misbehaving() -> Iterator[dict[str, str]]:
    """Addresses of the server that answers as unhappy.json says: one for each client, since it counts."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(_misbehaving()) for name in ("Sync", "Async")}


@contextmanager
def _misbehaving() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, str(CONFORMANCE / "misbehaving_server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}"
        process.terminate()
