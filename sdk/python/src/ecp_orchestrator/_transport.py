"""What a call is made of beside its operation: settings, options, retries, limits and warnings.

The exchange itself is in `_async_transport`, and in `_sync_transport`, which is generated from that.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

import httpx
from typing_extensions import TypedDict

from ._calls import Addresses, Call
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
    warnings: list[str] = field(default_factory=list)
    """Texts of the `Warning` headers, such as a field of the request that nothing reads."""
    warning_codes: list[str | None] = field(default_factory=list)
    """What each of them is about, such as `UNKNOWN_NAME`; `None` where the server does not say."""


class ECPWarning(UserWarning):
    """What the server did, but with a reservation: a misspelt field, an answer from memory.

    Shown as every warning of Python is; `warnings.simplefilter("error", ECPWarning)` makes it an error.
    """

    code: str | None = None
    """What it is about, such as `UNKNOWN_NAME`; `None` where the server does not say."""

    def __init__(self, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.code = code


class RequestOptions(TypedDict, total=False):
    """What every call accepts."""

    timeout: float
    """Seconds that the whole call may take, its retries and their pauses included."""
    request_id: str
    """Sent as `X-Request-ID`, to find the call in the server's log."""
    debug: bool
    """Asks for a `debug` object in the answer."""
    on_response: Callable[[Response], None]
    """Shown status and headers of the answer."""


def token_or_environment(token: Optional[str]) -> Optional[str]:
    """The token that was given, else that of `ECP_TOKEN`; one that is set and empty is none."""
    return token if token is not None else os.environ.get("ECP_TOKEN") or None


class SeenRevision:
    """The newest revision that an answer named: reads ask for nothing older, whichever replica answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Optional[int] = None

    @property
    def shown(self) -> Optional[str]:
        """What reads show; nothing before the first write."""
        newest = self._newest
        return None if newest is None else str(newest)

    def note(self, headers: Mapping[str, str]) -> None:
        """Remembers the revision that an answer names."""
        text = headers.get("x-revision", "")
        if not re.fullmatch(r"[0-9]{1,20}", text):
            return
        with self._lock:
            self._newest = max(int(text), self._newest or 0)

    def forget_where_unreached(self, error: ECPError) -> None:
        """A server that cannot get there, such as one restored from a backup, is not asked for it again."""
        if error.status == 503 and "revision" in error.details:
            with self._lock:
                self._newest = None


@dataclass(frozen=True)
class Settings:
    """What does not change while a client lives."""

    addresses: Addresses
    is_demo: bool
    token: Optional[str]
    language: Optional[str]
    timeout: float
    retry: RetryPolicy
    revision: SeenRevision = field(default_factory=SeenRevision, compare=False)

    def headers(self) -> dict[str, str]:
        headers = {"X-Demo-Mode": "true" if self.is_demo else "false"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.language is not None:
            headers["Accept-Language"] = self.language
        return headers

    def request(self, client: Any, call: Call, options: RequestOptions, seconds: float) -> httpx.Request:
        headers = self.headers()
        headers["Accept"] = "application/json, application/yaml, text/*;q=0.9"
        headers.update({name: value for name, value in call.headers.items() if value is not None})
        if "request_id" in options:
            headers["X-Request-ID"] = options["request_id"]
        if options.get("debug"):
            headers["X-Debug"] = "true"
        if call.method == "GET" and self.revision.shown is not None:
            headers["X-Revision"] = self.revision.shown
        base = self.addresses.server if call.at_root else self.addresses.api
        request: httpx.Request = client.build_request(
            call.method,
            base + call.path,
            params=call.parameters(),
            json=call.body,
            headers=headers,
            timeout=seconds,
        )
        return request

    def accepted(self, answer: Answer) -> Answer:
        """The answer, unless it is a refusal."""
        self.revision.note(answer.headers)
        if 200 <= answer.status < 300:
            return answer
        error = error_from_answer(answer.status, answer.headers, answer.text)
        self.revision.forget_where_unreached(error)
        raise error

    def limit(self, options: RequestOptions) -> float:
        """Seconds that a call may take."""
        return options.get("timeout", self.timeout)

    def wait_before_retry(self, call: Call, error: ECPError, attempt: int, left: float) -> Optional[float]:
        """Seconds until the next attempt; nothing where there is none, or none within the `left` seconds."""
        if not call.repeatable or attempt >= self.retry.retries or not error.is_transient:
            return None
        pause = self.retry.pause(attempt) if error.retry_after is None else error.retry_after
        return pause if pause <= self.retry.maximum and pause < left else None


@dataclass(frozen=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: httpx.Headers
    text: str


class _Late(Exception):
    """The time of a call is over."""


async def exchange_async(client: httpx.AsyncClient, request: httpx.Request, seconds: float) -> Answer:
    """Sends a request and reads its answer whole, in so many seconds."""
    try:
        # A redirected write would be sent again, as a read.
        sent = await asyncio.wait_for(client.send(request, follow_redirects=False), seconds)
    except asyncio.TimeoutError:
        raise _Late from None
    return Answer(sent.status_code, sent.headers, sent.text)


def exchange(client: httpx.Client, request: httpx.Request, seconds: float) -> Answer:
    """Sends a request and reads its answer whole, in so many seconds."""
    until = time.monotonic() + seconds
    response = client.send(request, follow_redirects=False, stream=True)
    try:
        # The limits of the library are for one step each: what is left is given to the next.
        request.extensions.get("timeout", {})["read"] = max(until - time.monotonic(), 0.001)
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if time.monotonic() > until:
                raise _Late
    finally:
        response.close()
    return Answer(
        response.status_code, response.headers, content.decode(response.encoding or "utf-8", "replace")
    )


async def pause_async(seconds: float) -> None:
    """Lets time pass."""
    await asyncio.sleep(seconds)


def pause(seconds: float) -> None:
    """Lets time pass."""
    time.sleep(seconds)


def failure(call: Call, error: Exception, limit: float) -> ECPError:
    """What an exchange that brought no answer is to the caller."""
    what = f"{call.method} {call.path}"
    if isinstance(error, (httpx.TimeoutException, _Late)):
        return ECPTimeoutError(f"{what}: no answer within {limit:g} s")
    return ECPConnectionError(f"{what}: {error or type(error).__name__}")


NO_ANSWER = (httpx.HTTPError, _Late)
"""What an exchange raises where no answer came."""


def tell(answer: Answer, options: RequestOptions) -> None:
    """Passes on what came with an answer."""
    told = warning_texts(answer.headers)
    codes = warning_codes(answer.headers, len(told))
    if "on_response" in options:
        options["on_response"](Response(answer.status, answer.headers, told, codes))
    for text, code in zip(told, codes, strict=True):
        warnings.warn(ECPWarning(text, code), stacklevel=_level_of_the_caller())


_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))")


def warning_texts(headers: httpx.Headers) -> list[str]:
    """The texts of `Warning` headers, of which one line can hold several."""

    def plain(escape: re.Match[str]) -> str:
        code = int(escape[1], 16) if escape[1] else 0
        return escape[2] or (chr(code) if code <= sys.maxunicode else escape[0])

    texts = []
    for line in headers.get_list("warning"):
        texts += [_ESCAPE.sub(plain, text) for text in _WARNING.findall(line)] or [line]
    return texts


def warning_codes(headers: httpx.Headers, count: int) -> list[str | None]:
    """What each of so many warnings is about; where others added some, nothing says which is whose."""
    codes = [code.strip() for line in headers.get_list("x-warning-code") for code in line.split(",")]
    return [*codes] if len(codes) == count else [None] * count


def _level_of_the_caller() -> int:
    """How far up the frame is that called this package, so that a warning names its line."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).startswith(__package__ or ""):
        level, frame = level + 1, frame.f_back
    return level
