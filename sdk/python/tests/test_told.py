"""What must not get lost on its way to the caller: warnings, failures of streams, and the end of patience."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

import httpx
import pytest
from conftest import Server
from websockets.sync.server import ServerConnection, serve

import ecp_orchestrator as ecp
from ecp_orchestrator._transport import warning_texts


def test_a_misspelt_field_is_a_warning_that_names_the_callers_line(server: Server) -> None:
    request: Any = {"service_requirements": {"chatbot": 1}, "sla_targt": {}}
    with ecp.ECPClient(server.base_url, True) as client:
        with pytest.warns(ecp.ECPWarning, match="sla_targt") as told:
            client.calculate_resources(request)
        assert told[0].filename == __file__
        seen: list[ecp.Response] = []
        with pytest.warns(ecp.ECPWarning):
            client.calculate_resources(request, on_response=seen.append)
        assert any("sla_targt" in text for text in seen[0].warnings)
        assert set(seen[0].warning_codes) == {"UNKNOWN_NAME"}
        with warnings.catch_warnings():
            warnings.simplefilter("error", ecp.ECPWarning)
            client.calculate_resources({"service_requirements": {"chatbot": 1}})
            with pytest.raises(ecp.ECPWarning):
                client.calculate_resources(request)

    async def work() -> None:
        async with ecp.AsyncECPClient(server.base_url, True) as client:
            with pytest.warns(ecp.ECPWarning, match="sla_targt") as told:
                await client.calculate_resources(request)
            assert told[0].filename == __file__

    asyncio.run(work())


@pytest.mark.parametrize(
    ("lines", "texts"),
    [
        (['299 - "unknown field: a"'], ["unknown field: a"]),
        (['299 - "a", 299 - "b, \\"c\\""'], ["a", 'b, "c"']),
        (['299 - "a"', '110 cache "b" "Wed, 21 Oct 2015 07:28:00 GMT"'], ["a", "b"]),
        (['299 - "\\u{c774}\\\\u{c774}"'], ["이\\u{c774}"]),
        (['299 - "\\u{ffffff}"'], ["\\u{ffffff}"]),
        (["what is this"], ["what is this"]),
        ([], []),
    ],
)
def test_warnings_are_read_as_they_were_meant(lines: list[str], texts: list[str]) -> None:
    assert warning_texts(httpx.Headers([("warning", line) for line in lines])) == texts


class Slow(BaseHTTPRequestHandler):
    """Sends a byte now and then, or refuses for the moment, by the first part of the path."""

    protocol_version = "HTTP/1.1"
    stop: threading.Event

    def do_GET(self) -> None:
        if self.path.startswith("/busy/"):
            body = json.dumps(
                {"error": {"code": "DATABASE_ERROR", "message": "away", "details": {}}}
            ).encode()
            self.send_response(503)
            self.send_header("retry-after", "5")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_response(200)
        self.send_header("content-length", "10000")
        self.end_headers()
        try:
            while not self.stop.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[str]:
    handler = type("Handler", (Slow,), {"stop": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        handler.stop.set()
        server.shutdown()


@pytest.mark.parametrize(("path", "code"), [("/drip", "TIMEOUT"), ("/busy", "DATABASE_ERROR")])
def test_a_call_ends_within_its_limit_whatever_the_server_does(slow: str, path: str, code: str) -> None:
    began = time.monotonic()
    with ecp.ECPClient(slow + path + "/api/v1", True, timeout=0.5) as client:
        with pytest.raises(ecp.ECPError) as raised:
            client.list_tenants()
        assert raised.value.code == code
        # A pause that does not fit in what is left is not begun.
        with pytest.raises(ecp.ECPError):
            client.list_tenants(timeout=0.2)

    async def work() -> None:
        async with ecp.AsyncECPClient(slow + path + "/api/v1", True, timeout=0.5) as client:
            with pytest.raises(ecp.ECPError) as raised:
                await client.list_tenants()
            assert raised.value.code == code

    asyncio.run(work())
    assert time.monotonic() - began < 4


@pytest.fixture
def sockets() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    def frames(socket: ServerConnection) -> None:
        for seq in (1, 2):
            alert = {"seq": seq, "alert_id": f"al-{seq}", "state": "open", "tenant_id": f"t{seq}"}
            socket.send(json.dumps({**alert, "opened_at": f"2026-01-01T00:00:0{seq}Z"}))
        for _ in socket:
            pass

    def refuse(socket: ServerConnection, request: Any) -> Any:
        seen.append(request.path)
        if "nobody" not in request.path:
            return None
        body = {"error": {"code": "TENANT_NOT_FOUND", "message": "no such tenant", "details": {}}}
        return socket.respond(404, json.dumps(body))

    with serve(frames, "127.0.0.1", 0, process_request=refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/api/v1", seen


def test_alerts_of_all_tenants_come_on_one_stream(sockets: tuple[str, list[str]]) -> None:
    with ecp.ECPClient(sockets[0], True) as client:
        with client.subscribe_to_all_alerts(since="al-0") as alerts:
            frames = iter(alerts)
            assert [next(frames)["tenant_id"], next(frames)["tenant_id"]] == ["t1", "t2"]
        with pytest.raises(ValueError, match="not empty"):
            client.subscribe_to_alerts("")
    assert sockets[1] == ["/ws/alerts?demo_mode=true&since=al-0"]


def test_an_asynchronous_callback_is_called_and_awaited(sockets: tuple[str, list[str]]) -> None:
    async def work() -> None:
        got: list[str] = []
        came = asyncio.Event()

        async def keep(alert: ecp.models.AlertFrame) -> None:
            await asyncio.sleep(0)
            got.append(alert["tenant_id"])
            if len(got) == 2:
                came.set()

        async with ecp.AsyncECPClient(sockets[0], True) as client:
            subscription = client.subscribe_to_all_alerts(keep)
            await asyncio.wait_for(came.wait(), 20)
            await subscription.close()
            assert await subscription.wait(20)
            assert got == ["t1", "t2"]
            refused = client.subscribe_to_alerts("nobody", keep)
            with pytest.raises(ecp.NotFoundError):
                await refused.wait(20)

    asyncio.run(work())


def test_a_callback_without_on_error_is_heard(
    sockets: tuple[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="ecp_orchestrator")
    with ecp.ECPClient(sockets[0], True) as client:
        with pytest.raises(ecp.NotFoundError):
            client.subscribe_to_alerts("nobody", print).wait(20)
        assert "alerts of nobody ended: no such tenant" in caplog.text
        caplog.clear()
        told: list[ecp.ECPError] = []
        with pytest.raises(ecp.NotFoundError):
            client.subscribe_to_alerts("nobody", print, on_error=told.append).wait(20)
        assert [error.code for error in told] == ["TENANT_NOT_FOUND"]
        assert caplog.text == ""
    with ecp.ECPClient("http://127.0.0.1:1/api/v1", True) as client:
        subscription = client.subscribe_to_all_alerts(print)
        until = time.monotonic() + 20
        while not caplog.records and time.monotonic() < until:
            assert not subscription.wait(0.01)
        subscription.close()
    assert "alerts of all tenants goes on after" in caplog.text


class Replica(BaseHTTPRequestHandler):
    """Names a revision in answers to writes, and cannot reach 12 for one tenant."""

    asked: list[Optional[str]]

    def do_GET(self) -> None:
        self.asked.append(self.headers["X-Revision"])
        late = self.path.endswith("/gone") and self.headers["X-Revision"] == "12"
        details = {"revision": 12, "reached": 5}
        error = {"error": {"code": "DATABASE_ERROR", "message": "late", "details": details}}
        self.answer(503 if late else 200, error if late else {})

    def do_PUT(self) -> None:
        self.asked.append(self.headers["X-Revision"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, {}, {"a": "7", "b": "12", "c": "9"}[self.path[-1]])

    def answer(self, status: int, body: Any, revision: Optional[str] = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if revision is not None:
            self.send_header("X-Revision", revision)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_what_was_written_is_asked_for_by_reads_until_a_server_cannot_reach_it() -> None:
    handler = type("Own", (Replica,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as replica:
        threading.Thread(target=replica.serve_forever, daemon=True).start()
        base_url = f"http://127.0.0.1:{replica.server_address[1]}/api/v1"
        with ecp.ECPClient(base_url, True, retry=ecp.RetryPolicy(retries=0)) as client:
            client.get_tenant("a")
            for tenant_id in "abc":
                client.update_tenant(tenant_id, {})
            client.get_tenant("a")
            # Restored from a backup, it never gets there: the client does not ask for it for ever.
            with pytest.raises(ecp.ECPError):
                client.get_tenant("gone")
            client.get_tenant("a")
            client.update_tenant("a", {})
            client.get_tenant("a")
        replica.shutdown()
    assert handler.asked == [None, None, None, None, "12", "12", None, None, "7"]
