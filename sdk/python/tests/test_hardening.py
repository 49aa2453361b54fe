"""What a caller's own faults, and a server's worst answers, must not break."""

import asyncio
import json
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from websockets.sync.server import ServerConnection, serve

from ecp_orchestrator import (
    AsyncECPClient,
    DeploymentFailedError,
    ECPClient,
    ECPError,
    ECPTimeoutError,
    NotFoundError,
    ValidationError,
)

TENANT = {"tenant_id": "a", "name": "A", "service_requirements": {"chatbot": 1}}


class Odd(BaseHTTPRequestHandler):
    """Hangs, redirects or accepts, by the first part of the path."""

    protocol_version = "HTTP/1.1"
    requests: list[str]
    release: threading.Event

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.requests.append(self.command)
        if self.path.startswith("/hang/"):
            self.release.wait(30)
            self.close_connection = True
            return
        moved = self.path.startswith("/moved/")
        body = json.dumps({"tenant_id": "a", "accepted": 1}).encode()
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - the names that the standard library calls

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[tuple[str, type[Odd]]]:
    handler = type("Handler", (Odd,), {"requests": [], "release": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        handler.release.set()
        server.shutdown()


def test_a_sample_that_is_no_json_is_dropped_and_the_sender_goes_on(odd: tuple[str, type[Odd]]) -> None:
    with ECPClient(odd[0] + "/api/v1", is_demo=True) as client:
        sender = client.create_metrics_sender("a")
        for value in (float("nan"), 1.0):
            sender.add({"cpu": value})
            assert sender.flush(20)
        assert (sender.sent, sender.dropped, sender.pending) == (1, 1, 0)
        sender.close()


def test_a_sample_that_is_no_json_is_dropped_by_the_async_sender_too(
    odd: tuple[str, type[Odd]],
) -> None:
    async def run() -> None:
        async with AsyncECPClient(odd[0] + "/api/v1", is_demo=True) as client:
            sender = client.create_metrics_sender("a")
            for value in (float("nan"), 1.0):
                sender.add({"cpu": value})
                await asyncio.wait_for(sender.flush(), 20)
            assert (sender.sent, sender.dropped, sender.pending) == (1, 1, 0)
            await sender.close()

    asyncio.run(run())


def test_a_flush_waits_for_what_was_added_before_it_alone() -> None:
    """The server's every answer comes after one more sample, so that there is never none that waits."""
    stored = json.dumps({"tenant_id": "a", "accepted": 1})

    def store(_: httpx.Request) -> httpx.Response:
        sender.add({"cpu": 1})
        return httpx.Response(200, text=stored)

    with httpx.Client(transport=httpx.MockTransport(store)) as http:
        client = ECPClient("http://localhost/api/v1", is_demo=True, http_client=http)
        sender = client.create_metrics_sender("a", batch_size=2)
        for value in range(5):
            sender.add({"cpu": value})
        assert sender.flush(20)
        assert sender.sent >= 5
        sender.close()
        assert sender.pending == 0

    async def run() -> None:
        async def store(_: httpx.Request) -> httpx.Response:
            later.add({"cpu": 1})
            return httpx.Response(200, text=stored)

        async with httpx.AsyncClient(transport=httpx.MockTransport(store)) as http:
            client = AsyncECPClient("http://localhost/api/v1", is_demo=True, http_client=http)
            later = client.create_metrics_sender("a", batch_size=2)
            for value in range(5):
                later.add({"cpu": value})
            await asyncio.wait_for(later.flush(), 20)
            assert later.sent >= 5
            await later.close()

    asyncio.run(run())


def test_a_flush_ends_with_the_sender(odd: tuple[str, type[Odd]]) -> None:
    async def run() -> None:
        async with AsyncECPClient(odd[0] + "/hang/api/v1", is_demo=True) as client:
            sender = client.create_metrics_sender("a")
            sender.add({"cpu": 1})
            flush = asyncio.ensure_future(sender.flush())
            await sender.close(timeout=0.1)
            await asyncio.wait_for(flush, 20)
            assert (sender.sent, sender.dropped, sender.pending) == (0, 1, 0)

    asyncio.run(run())


def test_a_report_that_fails_does_not_stop_the_sender(odd: tuple[str, type[Odd]]) -> None:
    told: list[ECPError] = []

    def fail(error: ECPError) -> None:
        told.append(error)
        raise ValueError("the caller's fault")

    with ECPClient(odd[0] + "/moved/api/v1", is_demo=True) as client:
        sender = client.create_metrics_sender("a", on_error=fail)
        sender.add({"cpu": 1})
        assert sender.flush(20)
        assert (sender.dropped, len(told)) == (1, 1)
        sender.close()


def test_no_write_follows_a_redirect_even_where_the_callers_client_would(odd: tuple[str, type[Odd]]) -> None:
    with httpx.Client(follow_redirects=True) as http:
        client = ECPClient(odd[0] + "/moved/api/v1", is_demo=True, http_client=http)
        with pytest.raises(ECPError) as refused:
            client.create_tenant(TENANT)
    assert refused.value.status == 302
    assert odd[1].requests == ["POST"]


def test_a_wait_ends_in_time_where_the_server_hangs(odd: tuple[str, type[Odd]]) -> None:
    client = ECPClient(odd[0] + "/hang/api/v1", is_demo=True, timeout=10_000)
    with client, pytest.raises(ECPTimeoutError):
        client.wait_until_running("a", timeout=0.2, poll=0.01)


def test_errors_survive_pickling() -> None:
    error = NotFoundError("gone", code="TENANT_NOT_FOUND", status=404, request_id="req-1")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (NotFoundError, str(error), error.__dict__)
    failed = DeploymentFailedError(
        {
            "tenant_id": "a",
            "deployment_id": "d",
            "status": "failed",
            "progress": 0,
            "phase": "p",
            "created_resources": [],
            "pending_resources": [],
            "logs": [],
            "failure": {"code": "DEPLOYMENT_FAILED", "message": "no image"},
        }
    )
    assert pickle.loads(pickle.dumps(failed)).reason == "no image"


@pytest.fixture
def sockets() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    def frames(socket: ServerConnection) -> None:
        for seq in (1, 2, 3):
            socket.send(json.dumps({"seq": seq, "status": "deploying"}))

    def refuse(socket: ServerConnection, request: Any) -> Any:
        seen.append(request.path)
        if "refused" not in request.path:
            return None
        return socket.respond(400, json.dumps({"error": {"code": "INVALID_REQUEST", "message": "no"}}))

    with serve(frames, "127.0.0.1", 0, process_request=refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/api/v1", seen


@pytest.mark.parametrize(
    "fault", [KeyError("the caller's"), NotFoundError("the caller's", code="X", status=404)]
)
def test_a_callback_that_fails_does_not_end_the_stream(
    sockets: tuple[str, list[str]], fault: Exception
) -> None:
    frames: list[int] = []
    ends: list[Any] = []

    def fail(frame: Any) -> None:
        frames.append(frame["seq"])
        raise fault

    subscription = ECPClient(sockets[0], is_demo=True).subscribe_to_deployment("d", fail, on_end=ends.append)
    assert subscription.wait(20)
    assert (frames, ends) == ([1, 2, 3], [None])


def test_a_stream_refused_as_wrong_is_not_tried_again(sockets: tuple[str, list[str]]) -> None:
    subscription = ECPClient(sockets[0], is_demo=True).subscribe_to_monitoring("refused", print)
    with pytest.raises(ValidationError):
        subscription.wait(20)
    assert len(sockets[1]) == 1
