"""The program of the API reference, to the letter but for the address (and, in demo mode, one word)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Server

import ecp_orchestrator as ecp

PROGRAM = """
from ecp_orchestrator import ECPClient

# 클라이언트 초기화
client = ECPClient(
    base_url="http://localhost:8001/api/v1",
    is_demo=False
)

# 테넌트 생성
tenant = client.create_tenant({
    "tenant_id": "my-service",
    "name": "내 서비스",
    "preset": "medium",
    "service_requirements": {"chatbot": 100}
})

# 모니터링 데이터 전송
client.send_metrics("my-service", {
    "cpu": 65.5,
    "memory": 78.2
})

# 매니페스트 다운로드
manifest = client.get_manifest("my-service")
with open("deployment.yaml", "w") as f:
    f.write(manifest)
"""


def run(program: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "kind: Deployment" in (folder / "deployment.yaml").read_text("utf-8")


def test_it_runs_in_demo_mode(server: Server, tmp_path: Path) -> None:
    program = PROGRAM.replace("http://localhost:8001", server.address)
    run(program.replace("is_demo=False", "is_demo=True"), tmp_path)
    ecp.ECPClient(server.base_url, True).delete_tenant("my-service", force=True)


@pytest.mark.skipif(
    "ECP_TEST_REAL_URL" not in os.environ, reason="`make sdk-real-mode` starts a cluster for it"
)
def test_it_runs_in_real_mode(tmp_path: Path) -> None:
    base_url = os.environ["ECP_TEST_REAL_URL"]
    run(PROGRAM.replace("http://localhost:8001/api/v1", base_url), tmp_path)
    with ecp.ECPClient(base_url, False) as client:
        assert client.wait_until_running("my-service", timeout=120)["status"] == "running"
        deletion = client.delete_tenant("my-service")["deletion_id"]
        assert [frame["status"] for frame in client.subscribe_to_deployment(deletion)][-1] == "deleted"
