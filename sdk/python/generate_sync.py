"""Makes the synchronous half of the package of the asynchronous one; `--check` tells whether it is stale."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

HERE = Path(__file__).parent
PACKAGE = HERE / "src" / "ecp_orchestrator"
FILES = {"_async_transport.py": "_sync_transport.py", "async_client.py": "client.py"}
NAMES = {
    "AsyncClient": "Client",
    "AsyncECPClient": "ECPClient",
    "AsyncMetricsSender": "MetricsSender",
    "AsyncSubscription": "Subscription",
    "AsyncTransport": "Transport",
    "_async_transport": "_sync_transport",
    "aclose": "close",
    "aiter_lines": "iter_lines",
    "aread": "read",
    "exchange_async": "exchange",
    "pause_async": "pause",
}


def generate(folder: Path) -> dict[str, str]:
    """The files as they should be, by name."""
    for source in FILES:
        shutil.copy(PACKAGE / source, folder)
    rules = [unasync.Rule(source, target, additional_replacements=NAMES) for source, target in FILES.items()]
    unasync.unasync_files([str(folder / source) for source in FILES], rules)
    for source, target in FILES.items():
        text = (folder / target).read_text("utf-8")
        notice = (
            f"# Generated from {source} by generate_sync.py (`make sdk-python-generate`): change that one.\n"
        )
        (folder / target).write_text(notice + text, "utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(HERE / "pyproject.toml"), "--quiet"]
    targets = [str(folder / target) for target in FILES.values()]
    subprocess.run([*ruff, "check", "--select", "I", "--fix", *config, *targets], check=True)
    subprocess.run([*ruff, "format", *config, *targets], check=True)
    return {target: (folder / target).read_text("utf-8") for target in FILES.values()}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        fresh = generate(Path(folder))
    stale = False
    for name, text in fresh.items():
        path = PACKAGE / name
        if "--check" not in sys.argv[1:]:
            path.write_text(text, "utf-8")
            continue
        there = path.read_text("utf-8") if path.exists() else ""
        changes = difflib.unified_diff(there.splitlines(), text.splitlines(), name, "fresh", lineterm="")
        stale |= any(print(line) or True for line in changes)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
