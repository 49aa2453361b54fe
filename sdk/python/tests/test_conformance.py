"""The scenarios and cases of sdk/conformance, run by the synchronous and the asynchronous client."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import queue
import re
import threading
from typing import Any, Callable

import httpx
import pytest
from conftest import CONFORMANCE, Server

import ecp_orchestrator as ecp

SCENARIOS = sorted((CONFORMANCE / "scenarios").glob("*.json"))
CASES = json.loads((CONFORMANCE / "unhappy.json").read_text("utf-8"))
PATIENCE = 60.0
RUNS = itertools.count()


class Sync:
    """Speaks through `ECPClient`."""

    def __init__(self, **settings: Any) -> None:
        self.client = ecp.ECPClient(**settings)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        answer = getattr(self.client, method)(*args, **kwargs)
        return list(answer) if method.startswith("iterate_") else answer

    def watch(self, method: str, *args: Any, **kwargs: Any) -> tuple[Callable[[], Any], Callable[[], None]]:
        subscription = getattr(self.client, method)(*args, **kwargs)
        frames: queue.Queue[Any] = queue.Queue()

        def read() -> None:
            try:
                for frame in subscription:
                    frames.put(frame)
                frames.put(None)
            except ecp.ECPError as error:
                frames.put(error)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()

        def close() -> None:
            subscription.close()
            thread.join(PATIENCE)
            assert not thread.is_alive()

        return lambda: frames.get(timeout=PATIENCE), close

    def close(self) -> None:
        self.client.close()


class Async:
    """Speaks through `AsyncECPClient`."""

    def __init__(self, **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = self.loop.run_until_complete(self._new(settings))

    async def _new(self, settings: dict[str, Any]) -> ecp.AsyncECPClient:
        return ecp.AsyncECPClient(**settings)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        async def work() -> Any:
            answer = getattr(self.client, method)(*args, **kwargs)
            if method.startswith("iterate_"):
                return [entry async for entry in answer]
            return await answer

        return self.loop.run_until_complete(work())

    def watch(self, method: str, *args: Any, **kwargs: Any) -> tuple[Callable[[], Any], Callable[[], None]]:
        async def subscribe() -> Any:
            return getattr(self.client, method)(*args, **kwargs)

        subscription = self.loop.run_until_complete(subscribe())

        async def following() -> Any:
            try:
                return await asyncio.wait_for(subscription.__anext__(), PATIENCE)
            except StopAsyncIteration:
                return None
            except ecp.ECPError as error:
                return error

        return (
            lambda: self.loop.run_until_complete(following()),
            lambda: self.loop.run_until_complete(subscription.close()),
        )

    def close(self) -> None:
        self.loop.run_until_complete(self.client.close())
        self.loop.close()


def mismatch(expected: Any, found: Any, at: str) -> str:
    """Says where and why a value does not match; empty where it does."""
    differs = f"{at}: {found!r} is not {expected!r}"
    if isinstance(expected, dict) and any(name.startswith("$") for name in expected):
        ((name, argument),) = expected.items()
        if name == "$all":
            return next(filter(None, (mismatch(one, found, at) for one in argument)), "")
        if name == "$type":
            types = {"string": str, "number": (int, float), "boolean": bool, "array": list, "object": dict}
            fits = isinstance(found, types[argument]) and (
                argument == "boolean" or not isinstance(found, bool)
            )
        elif name == "$match":
            fits = isinstance(found, str) and re.search(argument, found) is not None
        elif name == "$min":
            fits = isinstance(found, (int, float)) and found >= argument
        elif name == "$length":
            fits = isinstance(found, list) and len(found) == argument
        elif name == "$contains" and isinstance(found, str):
            fits = argument in found
        elif name == "$contains":
            fits = isinstance(found, list) and any(not mismatch(argument, one, at) for one in found)
        elif name == "$absent":
            fits = found is None
        else:
            raise AssertionError(f"{at}: unknown matcher {name}")
        return "" if fits else differs
    if isinstance(expected, dict) and isinstance(found, dict):
        parts = (mismatch(value, found.get(name), f"{at}.{name}") for name, value in expected.items())
        return next(filter(None, parts), "")
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found))
        return next(filter(None, (mismatch(one, other, f"{at}.{i}") for i, (one, other) in pairs)), "")
    return "" if expected == found and isinstance(expected, bool) == isinstance(found, bool) else differs


def translate(call: str, args: dict[str, Any]) -> tuple[str, list[Any], dict[str, Any]]:
    """Method, arguments and keyword arguments of a call of the format."""
    left = dict(args)
    positional: list[Any] = []
    audit = call.endswith("audit_entries")
    if "tenant_id" in left and not audit:
        positional.append(left.pop("tenant_id"))
    if "receiver_id" in left:
        positional.append(left.pop("receiver_id"))
    if call == "watch_deployment":
        positional.append(left.pop("deployment_id"))
    if audit and "request_id" in left:
        left["of_request"] = left.pop("request_id")
    if call == "validate_manifest":
        left.update(left.pop("body"))
    elif "body" in left:
        positional.append(left.pop("body"))
    method = call
    if left.pop("dry_run", False):
        method = f"preview_{call}"
    if call.startswith("watch_"):
        method = call.replace("watch_", "subscribe_to_")
        if "interval" in left:
            left["interval"] /= 1000
    return method, positional, left


class Run:
    """One run of a scenario."""

    def __init__(self, client: Any, at: str) -> None:
        self.client = client
        self.at = at
        self.saved: dict[str, Any] = {"run": f"py{next(RUNS)}"}

    def filled(self, value: Any) -> Any:
        if isinstance(value, str):
            for name, saved in self.saved.items():
                value = value.replace(f"${{{name}}}", str(saved))
            return value
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if isinstance(value, dict):
            return {name: self.filled(one) for name, one in value.items()}
        return value

    def steps(self, steps: list[Any], at: str) -> None:
        for number, step in enumerate(steps, 1):
            self.step(step, f"{at} step {number}")

    def step(self, step: dict[str, Any], at: str) -> None:
        raw, step = step, self.filled(copy.deepcopy(step))
        if "watch" in step:
            self.watch(step, raw, f"{at} ({step['watch']})")
            return
        at = f"{at} ({step['call']})"
        method, args, kwargs = translate(step["call"], step["args"])
        try:
            answer = self.client.call(method, *args, **kwargs)
        except ecp.ECPError as error:
            assert "error" in step, f"{at}: {error!r}"
            check_error(step["error"], error, at)
            return
        assert "error" not in step, f"{at}: no error but {answer!r}"
        if "expect" in step:
            assert not (wrong := mismatch(step["expect"], answer, at)), f"{wrong}\n{answer}"
        for name, path in step.get("save", {}).items():
            value = answer
            for part in filter(None, path.split(".")):
                value = value[int(part)] if isinstance(value, list) else value[part]
            self.saved[name] = value

    def watch(self, step: dict[str, Any], raw: dict[str, Any], at: str) -> None:
        method, args, kwargs = translate(step["watch"], step["args"])
        gaps: list[str] = []
        if method != "subscribe_to_deployment":
            kwargs["on_gap"] = lambda gap: gaps.append(gap.reason)
        following, close = self.client.watch(method, *args, **kwargs)
        try:
            for number, frame in enumerate(raw["frames"], 1):
                expected = self.filled(frame["expect"])
                while mismatch(expected, found := following(), at):
                    assert isinstance(found, dict), f"{at} frame {number}: {found!r} instead of {expected}"
                self.steps(frame.get("then", []), at)
            if step.get("ends"):
                while (found := following()) is not None:
                    assert isinstance(found, dict), f"{at}: {found!r}"
            if "error" in step:
                found = following()
                assert isinstance(found, ecp.ECPError), f"{at}: {found!r}"
                check_error(step["error"], found, at)
        finally:
            close()
        if "gaps" in step:
            assert gaps == step["gaps"], at


def check_error(expected: dict[str, Any], error: ecp.ECPError, at: str) -> None:
    for name, value in expected.items():
        if name == "pointers":
            assert sorted(fault["pointer"] for fault in error.fields) == sorted(value), f"{at}: {error!r}"
        elif name == "reason":
            assert isinstance(error, ecp.DeploymentFailedError), f"{at}: {error!r}"
            assert not (wrong := mismatch(value, error.reason, at)), wrong
        else:
            assert getattr(error, name) == value, f"{at}: {name} of {error!r}"
    if error.status >= 400:
        assert error.request_id, at


@pytest.fixture(params=[Sync, Async], scope="session")
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Any, kind: Any, server: Server) -> None:
    scenario = json.loads(path.read_text("utf-8"))
    client = kind(base_url=server.base_url, is_demo=True)
    try:
        Run(client, path.stem).steps(scenario["steps"], path.stem)
    finally:
        client.close()


def test_there_are_scenarios_and_cases() -> None:
    assert len(SCENARIOS) >= 11
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_unhappy_case(case: Any, kind: Any, misbehaving: dict[str, str]) -> None:
    address = f"{misbehaving[kind.__name__]}/{case['name']}"
    settings = case["client"]
    client = kind(
        base_url=f"{address}/api/v1",
        is_demo=True,
        timeout=settings.get("timeout_ms", 30_000) / 1000,
        retry=ecp.RetryPolicy(retries=settings["retries"], base=0.01),
    )
    try:
        Run(client, case["name"]).step(case, case["name"])
    finally:
        client.close()
    requests = httpx.get(f"{address}/requests").json()
    if "requests" in case:
        assert len(requests) == case["requests"]
    if "second_request" in case:
        assert not (wrong := mismatch(case["second_request"], requests[1], case["name"])), wrong
