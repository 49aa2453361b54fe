"""The wheel, built, installed into an empty environment, and used from there."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import Server

PROJECT = Path(__file__).parents[1]


def test_the_wheel_installs_runs_and_has_types(server: Server, tmp_path: Path) -> None:
    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(PROJECT),
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert f"pip install dist/{wheel.name}" in (PROJECT / "README.md").read_text("utf-8")
    names = zipfile.ZipFile(wheel).namelist()
    assert "ecp_orchestrator/py.typed" in names
    assert not [name for name in names if "test" in name]
    run(sys.executable, "-m", "venv", str(tmp_path / "empty"))
    python = str(tmp_path / "empty/bin/python")
    run(python, "-m", "pip", "install", "--quiet", str(wheel))
    program = tmp_path / "use.py"
    program.write_text(
        "from ecp_orchestrator import ECPClient\n"
        f'client = ECPClient("{server.base_url}", True)\n'
        'first: str = client.list_tenants()["tenants"][0]["tenant_id"]\n'
        "print(first)\n",
        "utf-8",
    )
    assert run(python, str(program)).strip()
    wrong = tmp_path / "wrong.py"
    wrong.write_text(program.read_text("utf-8").replace("first: str", "first: int"), "utf-8")
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", python]
    run(*check, str(program))
    done = subprocess.run([*check, str(wrong)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Incompatible types" in done.stdout, done.stdout
