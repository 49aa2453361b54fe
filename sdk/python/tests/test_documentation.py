"""The examples of the README and of the cookbook, run as a reader would: in order, each by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Server

import ecp_orchestrator as ecp

STRICT = 'import warnings, ecp_orchestrator\nwarnings.simplefilter("error", ecp_orchestrator.ECPWarning)\n'
"""Before each program: what the server has to remark on an example is an error of the example."""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data").start()
    yield server
    server.stop()


def run_all(page: Path, server: Server, folder: Path) -> int:
    """Runs the programs of a page, and answers how many there are."""
    programs = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    for number, program in enumerate(programs, 1):
        done = subprocess.run(
            [sys.executable, "-c", STRICT + at(program, server)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{page.name}, program {number}:\n{program}\n{done.stderr}"
    return len(programs)


def at(program: str, server: Server) -> str:
    assert "http://localhost:8001" in program
    return program.replace("http://localhost:8001", server.address)


def test_every_example_of_the_readme_runs(fresh: Server, tmp_path: Path) -> None:
    assert run_all(Path(__file__).parents[1] / "README.md", fresh, tmp_path) >= 7


def test_the_ten_programs_of_the_cookbook_run(fresh: Server, tmp_path: Path) -> None:
    assert run_all(ROOT / "docs" / "COOKBOOK.md", fresh, tmp_path) == 10
    assert len(list((tmp_path / "manifests").glob("*.yaml"))) >= 5
    with ecp.ECPClient(fresh.base_url, True) as client, pytest.raises(ecp.NotFoundError):
        client.get_tenant("cookbook")


def test_the_programs_of_the_cookbook_are_typed_right(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "COOKBOOK.md").read_text("utf-8")
    for number, program in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL), 1):
        (tmp_path / f"recipe_{number}.py").write_text(program, "utf-8")
    command = [sys.executable, "-m", "mypy", "--python-executable", sys.executable, "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
