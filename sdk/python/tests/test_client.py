"""What the conformance suite does not ask: threads and tasks, restarts, backlogs, settings, completeness."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

import httpx
import pytest
from conftest import ROOT, Server

import ecp_orchestrator as ecp
from ecp_orchestrator import models

TENANT: Any = {"name": "Python", "preset": "micro", "service_requirements": {"chatbot": 1}}


def test_every_operation_and_parameter_has_its_place_in_both_clients() -> None:
    document = json.loads((ROOT / "openapi.json").read_text("utf-8"))
    streams = {"watch_alerts": "subscribe_to_alerts", "watch_deployment": "subscribe_to_deployment"}
    streams["watch_monitoring"] = "subscribe_to_monitoring"
    streams["watch_all_alerts"] = "subscribe_to_all_alerts"
    renamed = {"request_id": "of_request", "If-Match": "if_match", "Idempotency-Key": "idempotency_key"}
    apart = {("get_costs", "format"): "get_costs_csv", ("read_logs", "follow"): "follow_logs"}
    settings = {
        "X-Demo-Mode",
        "X-Request-ID",
        "X-Debug",
        "Accept-Language",
        "demo_mode",
        "lang",
        "access_token",
        "Sec-WebSocket-Protocol",
        "X-Revision",
        "revision",
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            name = operation["operationId"]
            for client in (ecp.ECPClient, ecp.AsyncECPClient):
                method = getattr(client, streams.get(name, name))
                parameters = set(inspect.signature(method).parameters)
                for parameter in operation.get("parameters", []):
                    wanted = parameter["name"]
                    if wanted in settings:
                        continue
                    if wanted == "dry_run":
                        assert hasattr(client, f"preview_{name}")
                        continue
                    if (name, wanted) in apart:
                        assert hasattr(client, apart[name, wanted])
                        continue
                    assert renamed.get(wanted, wanted) in parameters, f"{client.__name__} {path} {wanted}"
    assert set(models.__all__) >= {"Tenant", "Preview", "AlertFrame"}


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    def methods(client: type) -> dict[str, set[str]]:
        public = inspect.getmembers(client, inspect.isfunction)
        return {n: set(inspect.signature(m).parameters) for n, m in public if not n.startswith("_")}

    ours, theirs = methods(ecp.ECPClient), methods(ecp.AsyncECPClient)
    assert ours.keys() == theirs.keys()
    for name, parameters in ours.items():
        assert parameters == theirs[name], name


def test_a_token_is_the_given_one_else_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(token: Optional[str]) -> Optional[str]:
        client = ecp.ECPClient("http://localhost:1/api/v1", True, token=token)
        return client._settings.headers().get("Authorization")

    monkeypatch.delenv("ECP_TOKEN", raising=False)
    assert (sent(None), sent("given")) == (None, "Bearer given")
    monkeypatch.setenv("ECP_TOKEN", "from-environment")
    assert (sent(None), sent("given")) == ("Bearer from-environment", "Bearer given")
    monkeypatch.setenv("ECP_TOKEN", "")
    assert sent(None) is None


def test_headers_of_a_call_and_of_its_answer(server: Server) -> None:
    seen: list[ecp.Response] = []
    with ecp.ECPClient(server.base_url, True, language="en", token="unused") as client:
        client.create_tenant({"tenant_id": "py-headers", **TENANT}, request_id="my-request-1")
        tenant = client.get_tenant("py-headers", on_response=seen.append, request_id="my-request-2")
        assert seen[0].status == 200
        assert seen[0].headers["etag"] == f'"{tenant["generation"]}"'
        assert seen[0].headers["x-request-id"] == "my-request-2"
        with pytest.raises(ecp.ConflictError) as caught:
            client.update_tenant("py-headers", {"name": "x"}, if_match='"99"')
        assert caught.value.status == 412
        with pytest.raises(ecp.NotFoundError, match="not found") as missing:
            client.get_tenant("py-nobody", request_id="my-request-3")
        assert missing.value.request_id == "my-request-3"
        debug: Any = client.calculate_resources({"service_requirements": {"chatbot": 1}}, debug=True)
        assert "debug" in debug
        client.delete_tenant("py-headers", force=True)


def test_settings_that_can_not_work_are_refused_at_once() -> None:
    for wrong in ("localhost:8001", "ftp://localhost", ""):
        with pytest.raises(ValueError, match="http"):
            ecp.ECPClient(wrong, True)
    with pytest.raises(TypeError, match="is_demo"):
        ecp.ECPClient("http://localhost:8001/api/v1", "false")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tenant_id"):
        ecp.ECPClient("http://localhost:8001/api/v1", True).get_tenant("")


def test_waiting_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        with ecp.ECPClient(server.base_url, True, retry=ecp.RetryPolicy(retries=0)) as client:
            client.create_tenant({"tenant_id": "py-restart", **TENANT})
            client.wait_until_running("py-restart", timeout=60, poll=0.05)
            server.stop()
            refused: list[object] = []

            def look(status: models.DeploymentStatus) -> None:
                refused.append(status["status"])

            again = threading.Thread(target=server.start)
            again.start()
            assert client.wait_until_running("py-restart", timeout=60, poll=0.05, on_progress=look)
            again.join()
            assert refused == ["running"]
            with pytest.raises(ecp.NotFoundError):
                client.wait_until_running("py-nobody", timeout=60)
            client.create_tenant({"tenant_id": "py-fails", **TENANT, "demo_fault": "crash-loop"})
            with pytest.raises(ecp.DeploymentFailedError, match="CrashLoopBackOff") as failed:
                client.wait_until_running("py-fails", timeout=60, poll=0.05)
            assert failed.value.tenant_id == "py-fails"
    finally:
        server.stop()


def test_a_callback_is_served_on_a_thread_and_closed_from_another(server: Server) -> None:
    with ecp.ECPClient(server.base_url, True) as client:
        client.create_tenant({"tenant_id": "py-callback", **TENANT})
        client.wait_until_running("py-callback", timeout=60, poll=0.05)
        frames: list[models.MonitoringFrame] = []
        came = threading.Event()

        def keep(frame: models.MonitoringFrame) -> None:
            frames.append(frame)
            came.set()

        subscription = client.subscribe_to_monitoring("py-callback", keep, metrics=["cpu"], interval=0.1)
        client.send_metrics("py-callback", {"cpu": 42, "memory": 1})
        while not any(frame["metrics"] == {"cpu": 42.0} for frame in frames):
            came.clear()
            assert came.wait(30)
        subscription.close()
        assert subscription.wait(30)
        refused = client.subscribe_to_alerts("py-nobody", lambda frame: None)
        with pytest.raises(ecp.NotFoundError):
            refused.wait(30)
        client.delete_tenant("py-callback", force=True)


def test_a_deletion_is_waited_for_to_its_end_and_no_further(server: Server) -> None:
    with ecp.ECPClient(server.base_url, True) as client:
        client.create_tenant({"tenant_id": "py-goes", **TENANT})
        with pytest.raises(ecp.ConflictError, match="not being deleted"):
            client.wait_until_deleted("py-goes", timeout=60)
        seen: list[models.DeploymentStatus] = []
        deletion = client.delete_tenant("py-goes")["deletion_id"]
        client.wait_until_deleted(
            "py-goes", deletion_id=deletion, timeout=60, poll=0.02, on_progress=seen.append
        )
        assert {status["deployment_id"] for status in seen} <= {deletion}
        with pytest.raises(ecp.NotFoundError):
            client.get_tenant("py-goes")
        client.create_tenant({"tenant_id": "py-goes", **TENANT})
        # The one that was deleted is gone, whoever has its id now.
        client.wait_until_deleted("py-goes", deletion_id=deletion, timeout=60)
        client.delete_tenant("py-goes", force=True)
        client.wait_until_deleted("py-goes", timeout=60, poll=0.02)

    async def work() -> None:
        async with ecp.AsyncECPClient(server.base_url, True) as client:
            await client.create_tenant({"tenant_id": "py-goes", **TENANT})
            await client.delete_tenant("py-goes")
            await client.wait_until_deleted("py-goes", timeout=60, poll=0.02)
            with pytest.raises(ecp.NotFoundError):
                await client.get_tenant("py-goes")

    asyncio.run(work())


def test_alerts_go_on_over_a_restart_without_loss_or_repeat(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        with ecp.ECPClient(server.base_url, True) as client:
            client.create_tenant({"tenant_id": "py-alerts", **TENANT})
            client.wait_until_running("py-alerts", timeout=60, poll=0.05)
            client.send_metrics("py-alerts", {"cpu": 97})
            with client.subscribe_to_alerts("py-alerts") as alerts:
                frames = iter(alerts)
                assert next(frames)["state"] == "opened"
                server.stop()
                server.start()
                client.send_metrics("py-alerts", {"cpu": 5})
                after = next(frames)
                assert after["state"] == "resolved"
    finally:
        server.stop()


def test_a_sender_batches_and_stores_everything(server: Server) -> None:
    with ecp.ECPClient(server.base_url, True) as client:
        client.create_tenant({"tenant_id": "py-sender", **TENANT})
        sender = client.create_metrics_sender("py-sender", batch_size=100)
        for value in range(1_000):
            assert sender.add({"cpu": value % 50})
        assert sender.flush(60)
        assert (sender.sent, sender.dropped, sender.pending) == (1_000, 0, 0)
        sender.close()
        assert not sender.add({"cpu": 1})
        assert sender.dropped == 1
        client.delete_tenant("py-sender", force=True)


def test_a_sender_never_waits_and_counts_what_it_drops() -> None:
    with ecp.ECPClient("http://127.0.0.1:1/api/v1", True) as client:
        errors: list[ecp.ECPError] = []
        sender = client.create_metrics_sender("a", max_queue=10, flush_interval=0.01, on_error=errors.append)
        for value in range(100):
            sender.add({"cpu": value})
        assert sender.pending <= 10
        sender.close(timeout=0.2)
        assert sender.sent == 0
        assert sender.dropped == 100
        assert errors and errors[0].code == "CONNECTION_ERROR"


def test_the_asynchronous_sender_does_the_same(server: Server) -> None:
    async def work() -> None:
        async with ecp.AsyncECPClient(server.base_url, True) as client:
            await client.create_tenant({"tenant_id": "py-async", **TENANT})
            sender = client.create_metrics_sender("py-async", batch_size=50)
            for value in range(200):
                sender.add({"cpu": value % 50}, datetime.fromtimestamp(1_790_000_000 + value, timezone.utc))
            sender.add({"cpu": 101})
            await sender.flush()
            # The last batch holds what the server refuses, and none of it is stored.
            assert sender.sent + sender.dropped == 201
            assert sender.dropped >= 1
            await sender.close()
            await client.delete_tenant("py-async", force=True)

    asyncio.run(work())


def test_a_client_of_the_caller_is_used_and_left_open(server: Server) -> None:
    with httpx.Client(headers={"x-from": "test"}) as http:
        with ecp.ECPClient(server.base_url, True, http_client=http) as client:
            assert client.get_health()["status"] == "ok"
        assert not http.is_closed
