"""One HTTP exchange with its retries, synchronous and asynchronous. Knows nothing of the operations."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

import httpx
from typing_extensions import TypedDict

from ._calls import Addresses, Call, decode
from .errors import ECPConnectionError, ECPError, ECPTimeoutError, error_from_answer


@dataclass(frozen=True)
class RetryPolicy:
    """When and how often a call is repeated: reads, and creations with an idempotency key, nothing else."""

    retries: int = 3
    """Repetitions after the first attempt; 0 turns them off."""
    base: float = 0.2
    """First pause, in seconds; it doubles, with jitter."""
    maximum: float = 10.0
    """Longest pause, in seconds. A longer `Retry-After` ends the retries."""

    def pause(self, attempt: int) -> float:
        """Doubles with each attempt, half of it random, so that clients do not return at once."""
        full = min(self.maximum, self.base * 2 ** min(attempt, 30))
        return full / 2 + random.random() * full / 2


@dataclass(frozen=True)
class Response:
    """Status and headers of an answer, such as `etag` and `warning`."""

    status: int
    headers: Mapping[str, str]


class RequestOptions(TypedDict, total=False):
    """What every call accepts."""

    timeout: float
    """Seconds that one step of an attempt may take (connecting, sending, waiting for bytes)."""
    request_id: str
    """Sent as `X-Request-ID`, to find the call in the server's log."""
    debug: bool
    """Asks for a `debug` object in the answer."""
    on_response: Callable[[Response], None]
    """Shown status and headers of the answer."""


def token_or_environment(token: Optional[str]) -> Optional[str]:
    """The token that was given, else that of `ECP_TOKEN`; one that is set and empty is none."""
    return token if token is not None else os.environ.get("ECP_TOKEN") or None


@dataclass(frozen=True)
class Settings:
    """What does not change while a client lives."""

    addresses: Addresses
    is_demo: bool
    token: Optional[str]
    language: Optional[str]
    timeout: float
    retry: RetryPolicy

    def headers(self) -> dict[str, str]:
        headers = {"X-Demo-Mode": "true" if self.is_demo else "false"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.language is not None:
            headers["Accept-Language"] = self.language
        return headers

    def request(self, client: Any, call: Call, options: RequestOptions) -> httpx.Request:
        headers = self.headers()
        headers["Accept"] = "application/json, application/yaml, text/*;q=0.9"
        headers.update({name: value for name, value in call.headers.items() if value is not None})
        if "request_id" in options:
            headers["X-Request-ID"] = options["request_id"]
        if options.get("debug"):
            headers["X-Debug"] = "true"
        base = self.addresses.server if call.at_root else self.addresses.api
        request: httpx.Request = client.build_request(
            call.method,
            base + call.path,
            params=call.parameters(),
            json=call.body,
            headers=headers,
            timeout=options.get("timeout", self.timeout),
        )
        return request

    def wait_before_retry(self, call: Call, error: ECPError, attempt: int) -> Optional[float]:
        """Seconds until the next attempt; nothing where there is none."""
        if not call.repeatable or attempt >= self.retry.retries or not error.is_transient:
            return None
        if error.retry_after is None:
            return self.retry.pause(attempt)
        return error.retry_after if error.retry_after <= self.retry.maximum else None


def _failure(call: Call, error: httpx.HTTPError) -> ECPError:
    what = f"{call.method} {call.path}"
    if isinstance(error, httpx.TimeoutException):
        return ECPTimeoutError(f"{what}: no answer in time")
    return ECPConnectionError(f"{what}: {error or type(error).__name__}")


def _accept(response: httpx.Response, options: RequestOptions) -> httpx.Response:
    if not response.is_success:
        raise error_from_answer(response.status_code, response.headers, response.text)
    if "on_response" in options:
        options["on_response"](Response(response.status_code, response.headers))
    return response


class Transport:
    """The synchronous one."""

    def __init__(self, settings: Settings, client: Optional[httpx.Client]) -> None:
        self.settings = settings
        self._owned = client is None
        self._client = client or httpx.Client()

    def close(self) -> None:
        if self._owned:
            self._client.close()

    def send(self, call: Call, options: RequestOptions) -> httpx.Response:
        attempt = 0
        while True:
            try:
                return self._exchange(call, options)
            except ECPError as error:
                pause = self.settings.wait_before_retry(call, error, attempt)
                if pause is None:
                    raise
            time.sleep(pause)
            attempt += 1

    def _exchange(self, call: Call, options: RequestOptions) -> httpx.Response:
        try:
            response = self._client.send(
                self.settings.request(self._client, call, options),
                follow_redirects=False,  # A redirected write would be sent again, as a read.
            )
        except httpx.HTTPError as error:
            raise _failure(call, error) from error
        return _accept(response, options)

    def text(self, call: Call, options: RequestOptions) -> str:
        return self.send(call, options).text

    def json(self, call: Call, options: RequestOptions) -> Any:
        response = self.send(call, options)
        return decode(call, response.status_code, response.headers.get("x-request-id"), response.text)


class AsyncTransport:
    """The asynchronous one."""

    def __init__(self, settings: Settings, client: Optional[httpx.AsyncClient]) -> None:
        self.settings = settings
        self._owned = client is None
        self._client = client or httpx.AsyncClient()

    async def close(self) -> None:
        if self._owned:
            await self._client.aclose()

    async def send(self, call: Call, options: RequestOptions) -> httpx.Response:
        attempt = 0
        while True:
            try:
                return await self._exchange(call, options)
            except ECPError as error:
                pause = self.settings.wait_before_retry(call, error, attempt)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            attempt += 1

    async def _exchange(self, call: Call, options: RequestOptions) -> httpx.Response:
        try:
            response = await self._client.send(
                self.settings.request(self._client, call, options),
                follow_redirects=False,  # A redirected write would be sent again, as a read.
            )
        except httpx.HTTPError as error:
            raise _failure(call, error) from error
        return _accept(response, options)

    async def text(self, call: Call, options: RequestOptions) -> str:
        return (await self.send(call, options)).text

    async def json(self, call: Call, options: RequestOptions) -> Any:
        response = await self.send(call, options)
        return decode(call, response.status_code, response.headers.get("x-request-id"), response.text)
