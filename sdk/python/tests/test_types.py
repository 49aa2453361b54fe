"""What a type checker says of programs that use the package: right ones pass, each typo is an error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from conftest import ROOT

from ecp_orchestrator import models

PROGRAM = """
import asyncio
from typing import Any, cast
from ecp_orchestrator import AsyncECPClient, ECPClient
from ecp_orchestrator.models import Metrics, TenantRequest

client = ECPClient("http://localhost:8001/api/v1", is_demo=True)
request: TenantRequest = {"tenant_id": "a", "name": "A", "service_requirements": {"chatbot": 100}}
client.create_tenant(request)
client.create_tenant({"tenant_id": "a", "name": "A", "preset": "micro", "service_requirements": {"ta": 1}})
client.create_tenant({"tenant_id": "a", "nmae": "A", "service_requirements": {"chatbot": 1}})  # wrong
client.create_tenant({"tenant_id": "a", "name": "A", "service_requirements": {"chatbots": 1}})  # wrong
client.create_tenant({"tenant_id": "a", "name": "A", "service_requirements": {"chatbot": "1"}})  # wrong
client.create_tenant({"tenant_id": "a", "name": "A"})  # wrong
client.create_tenant({"tenant_id": "a", "name": "A", "preset": "huge", "service_requirements": {}})  # wrong
client.create_tenant(cast(TenantRequest, dict[str, Any]()))
client.preview_create_tenant({"tenant": "a"})  # wrong
client.update_tenant("a", {"service_requirements": {"callbot": 5}}, if_match='"1"')
client.update_tenant("a", {"sla_target": {"availability": "99.9%"}})
client.update_tenant("a", {"sla_target": {"availabilty": "99.9%"}})  # wrong
client.update_tenant("a", {"descripton": "x"})  # wrong
client.update_tenant("a", {"name": "x"}, ifmatch='"1"')  # wrong
client.calculate_resources({"service_requirements": {"callbot": 50}})
client.calculate_resources({"services": {"callbot": 50}})  # wrong
client.get_capacity({"service_requirements": {"callbot": 50}, "preset": "small"})
client.get_capacity({"service_requirements": {"callbot": 50}, "presets": "small"})  # wrong
client.roll_back_tenant("a")
client.roll_back_tenant("a", {"deployment": "dep-1"})  # wrong
client.send_metrics("a", {"cpu": 65.5, "memory": 78.2})
client.send_metrics("a", {"metrics": {"cpu": 65.5}, "timestamp": "2026-01-01T00:00:00Z"})
client.send_metrics("a", {"samples": [{"metrics": {"gpu_usage": 1}}]})
client.send_metrics("a", {"cpus": 65.5})  # wrong
client.send_metrics("a", {"cpu": "65.5"})  # wrong
client.send_metrics("a", {"samples": [{"metric": {"gpu_usage": 1}}]})  # wrong
sample: Metrics = {"cpu": 1}
client.create_metrics_sender("a").add(sample)
client.create_metrics_sender("a").add({"cpuu": 1})  # wrong
client.list_tenants(status="running", sort="-cost", expand=["metrics", "cost"])
client.list_tenants(status="runing")  # wrong
client.list_tenants(sort="price")  # wrong
client.list_tenants(expand=["metric"])  # wrong
client.list_tenants(states="running")  # wrong
client.list_alerts("a", status="open")
client.list_alerts("a", status="running")  # wrong
client.list_all_alerts(severity="critical", type="deployment_failed")
client.list_all_alerts(severity="fatal")  # wrong
client.get_monitoring("a", metric_type=["cpu", "network"], hours=1, interval="5m")
client.get_monitoring("a", metric_type="cpus")  # wrong
client.get_monitoring("a", interval="2m")  # wrong
client.get_manifest("a", format="yml")  # wrong
client.get_tenant("a", time_out=3)  # wrong
client.subscribe_to_monitoring("a", metrics=["cpu", "network_in"])
client.subscribe_to_monitoring("a", metrics=["cpux"])  # wrong
print(client.get_tenant("a")["stauts"])  # wrong
for tenant in client.iterate_tenants():
    print(tenant["tenant_id"], tenant["presset"])  # wrong


async def work(client: AsyncECPClient) -> None:
    await client.create_tenant({"tenant_id": "a", "name": "A", "service_requirements": {"chatbot": 1}})
    await client.create_tenant({"tenant_id": "a", "nmae": "A", "service_requirements": {"ta": 1}})  # wrong
    await client.wait_until_deleted("a", deletion_id="del-1")
    await client.list_tenants(status="runing")  # wrong
    subscription = client.subscribe_to_all_alerts(lambda alert: print(alert["tenant_id"]))
    await subscription.close()


asyncio.run(work(AsyncECPClient("http://localhost:8001/api/v1", True)))
"""


def test_a_type_checker_finds_every_typo_and_nothing_else(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", sys.executable, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {int(line) for line in re.findall(r"program\.py:(\d+): error", done.stdout)}
    wrong = {number for number, line in enumerate(PROGRAM.split("\n"), 1) if line.endswith("# wrong")}
    assert len(wrong) > 30
    assert found == wrong, f"missed {sorted(wrong - found)}, unasked {sorted(found - wrong)}:\n{done.stdout}"


def test_the_closed_sets_are_those_of_the_api() -> None:
    document = json.loads((ROOT / "openapi.json").read_text("utf-8"))

    def parameter(operation: str, name: str) -> dict[str, Any]:
        operations = [o for item in document["paths"].values() for o in item.values()]
        (found,) = [o for o in operations if o["operationId"] == operation]
        (wanted,) = [p for p in found["parameters"] if p["name"] == name]
        return dict(wanted)

    for operation, name, values in [
        ("list_tenants", "preset", models.Preset),
        ("list_tenants", "status", models.TenantStatus),
        ("list_alerts", "status", models.AlertState),
        ("get_monitoring", "interval", models.Interval),
        ("get_manifest", "format", models.ManifestFormat),
    ]:
        assert parameter(operation, name)["schema"]["enum"] == list(get_args(values)), (operation, name)
    for operation, name, values in [
        ("list_tenants", "sort", models.TenantSort),
        ("list_tenants", "expand", models.TenantExpansion),
        ("get_monitoring", "metric_type", models.MetricType),
        ("list_all_alerts", "severity", models.Severity),
    ]:
        wanted = parameter(operation, name)
        said = wanted["schema"].get("enum") or re.findall(r"[a-z_]+", wanted["description"])
        assert {value.lstrip("-") for value in get_args(values)} <= set(said), (operation, name)
    properties = document["components"]["schemas"]["MetricsIn"]["properties"]
    assert set(properties) <= set(models.Metrics.__annotations__)
    assert set(models.Metrics.__annotations__) <= {*properties, "cpu", "memory", "gpu"}
