"""The examples of the README, run as a reader would: against a server, in order, each by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from conftest import Server


def test_every_example_of_the_readme_runs(server: Server, tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 6
    for number, example in enumerate(examples, 1):
        program = example.replace("http://localhost:8001", server.address)
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"example {number}:\n{example}\n{done.stderr}"
