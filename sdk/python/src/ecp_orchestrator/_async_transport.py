"""One HTTP exchange with its retries. Knows nothing of the operations."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Optional

import httpx

from ._calls import Call, decode
from ._transport import (
    NO_ANSWER,
    Answer,
    RequestOptions,
    Settings,
    exchange_async,
    failure,
    pause_async,
    tell,
)
from .errors import ECPError


class AsyncTransport:
    """Sends calls through a client of HTTP, its own or the caller's."""

    def __init__(self, settings: Settings, client: Optional[httpx.AsyncClient]) -> None:
        self.settings = settings
        self._owned = client is None
        self._client = client or httpx.AsyncClient()

    async def close(self) -> None:
        """Closes the connections that are its own."""
        if self._owned:
            await self._client.aclose()

    async def text(self, call: Call, options: RequestOptions) -> str:
        """The answer as text."""
        return (await self._send(call, options)).text

    async def lines(self, call: Call, options: RequestOptions) -> AsyncIterator[str]:
        """The answer line by line as it comes, without a limit of time."""
        limit = self.settings.limit(options)
        request = self.settings.request(self._client, call, options, limit)
        request.extensions["timeout"] = {"connect": limit, "write": limit, "pool": limit, "read": None}
        try:
            answer = await self._client.send(request, stream=True)
        except NO_ANSWER as error:
            raise failure(call, error, limit) from error
        try:
            if answer.status_code >= 400:
                content = await answer.aread()
                self.settings.accepted(
                    Answer(answer.status_code, answer.headers, content.decode(errors="replace"))
                )
            async for line in answer.aiter_lines():
                yield line
        finally:
            await answer.aclose()

    async def json(self, call: Call, options: RequestOptions) -> Any:
        """The answer as a JSON object."""
        answer = await self._send(call, options)
        return decode(call, answer.status, answer.headers.get("x-request-id"), answer.text)

    async def _send(self, call: Call, options: RequestOptions) -> Answer:
        limit = self.settings.limit(options)
        until = time.monotonic() + limit
        attempt = 0
        while True:
            try:
                answer = await self._attempt(call, options, until, limit)
            except ECPError as error:
                wait = self.settings.wait_before_retry(call, error, attempt, until - time.monotonic())
                if wait is None:
                    raise
            else:
                tell(answer, options)
                return answer
            await pause_async(wait)
            attempt += 1

    async def _attempt(self, call: Call, options: RequestOptions, until: float, limit: float) -> Answer:
        left = max(until - time.monotonic(), 0.001)
        try:
            request = self.settings.request(self._client, call, options, left)
            answer = await exchange_async(self._client, request, left)
        except NO_ANSWER as error:
            raise failure(call, error, limit) from error
        return self.settings.accepted(answer)
