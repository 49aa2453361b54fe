"""WebSocket subscriptions that survive their connections.

`Track` knows what was seen: it leaves out repeats, finds gaps and remembers where to go on. The two
subscriptions around it differ in how they wait. A dead connection is found by the pings of the library.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Generic, Optional, TypeVar, cast
from urllib.parse import quote, urlencode

from typing_extensions import Self
from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from ._transport import RetryPolicy, Settings
from .errors import ECPConnectionError, ECPError, InvalidResponseError, error_from_answer

Frame = TypeVar("Frame")
OnEnd = Optional[Callable[[Optional[ECPError]], None]]

_REMEMBERED = 2_000
_PASSING = (408, 429)
"""Refusals of a handshake that another attempt may not meet; every other 4xx is final."""
_RECONNECT = RetryPolicy(base=0.2, maximum=30.0)
_NORMAL_CLOSE = 1000

_log = logging.getLogger("ecp_orchestrator")


def _guarded(call: Callable[..., object], *values: object) -> None:
    """A callback that fails must not take the stream down."""
    try:
        call(*values)
    except Exception:
        _log.exception("a callback of a subscription failed")


@dataclass(frozen=True)
class Gap:
    """Frames that were missed."""

    reason: str
    """`sequence`: numbers are missing. `reconnect`: the stream can not resume and was interrupted."""
    after: Optional[int] = None
    """Last number before the gap, where known."""
    before: Optional[int] = None
    """First number after it, where known."""


@dataclass(frozen=True)
class Listener:
    """What a subscriber wants to be told beside the frames."""

    on_gap: Optional[Callable[[Gap], None]] = None
    on_error: Optional[Callable[[ECPError], None]] = None
    """Told of error frames and failed connections; the subscription goes on. Where there is none, they are
    logged, of an outage the first."""
    on_open: Optional[Callable[[], None]] = None
    """Told whenever a connection is open."""


@dataclass(frozen=True)
class Stream:
    """Which of the streams, and how it behaves."""

    name: str
    id: Optional[str] = None
    """Whose; nothing for all tenants'."""
    hello: Optional[dict[str, Any]] = None
    ends: bool = False
    """The connection's end with code 1000 is the stream's end."""
    resumes: bool = False
    """`seq` counts the stream, not the connection; `?since=` goes on after an alert."""
    lossy: bool = False
    """An interruption loses frames that nothing brings back."""
    since: Optional[str] = None

    def __post_init__(self) -> None:
        if self.id == "":
            raise ValueError(f"the id of the {self.name} stream must be a text that is not empty")

    def url(self, settings: Settings, since: Optional[str]) -> str:
        query = {"demo_mode": "true" if settings.is_demo else "false"}
        if settings.language is not None:
            query["lang"] = settings.language
        if settings.revision.shown is not None:
            query["revision"] = settings.revision.shown
        if since is not None:
            query["since"] = since
        server = "ws" + settings.addresses.server[len("http") :]
        path = self.name if self.id is None else f"{self.name}/{quote(self.id, safe='')}"
        return f"{server}/ws/{path}?{urlencode(query)}"


class Track:
    """What has been seen of a stream."""

    def __init__(self, stream: Stream, listener: Listener, settings: Settings) -> None:
        self.stream = stream
        self.since = stream.since
        self.attempt = 0
        self._listener = listener
        self._settings = settings
        self._opened = False
        self._last: Optional[int] = None
        self._newest_opening = ""
        self._recent: OrderedDict[tuple[Any, ...], None] = OrderedDict()

    def opened(self) -> None:
        if not self.stream.resumes:
            if self._opened and self.stream.lossy:
                self._gap(Gap("reconnect", after=self._last))
            self._last = None
        self._opened = True
        if self._listener.on_open is not None:
            _guarded(self._listener.on_open)

    def failed(self, error: Exception, url: str) -> float:
        """Reports a failed handshake and says when to try again, or raises where that is hopeless."""
        if isinstance(error, InvalidStatus):
            response = error.response
            text = (response.body or b"").decode("utf-8", "replace")
            failure: ECPError = error_from_answer(response.status_code, response.headers, text)
            self._settings.revision.forget_where_unreached(failure)
            if 400 <= response.status_code < 500 and response.status_code not in _PASSING:
                raise failure from error
        else:
            failure = ECPConnectionError(f"{url}: {error or type(error).__name__}")
        self.report(failure)
        return self.pause()

    def pause(self) -> float:
        self.attempt += 1
        return _RECONNECT.pause(self.attempt - 1)

    def ended(self, closed: ConnectionClosed) -> bool:
        """True where this end of a connection is the end of the stream."""
        return self.stream.ends and closed.rcvd is not None and closed.rcvd.code == _NORMAL_CLOSE

    def receive(self, text: object) -> Optional[dict[str, Any]]:
        """The frame, unless it is none or has come before."""
        try:
            frame = json.loads(cast(str, text))
        except ValueError:
            frame = None
        if not isinstance(frame, dict) or not isinstance(frame.get("seq"), int):
            if isinstance(frame, dict) and "error" in frame:
                self.report(error_from_answer(400, {}, cast(str, text)))
            else:
                self.report(InvalidResponseError(f"a frame is not what the API promises: {str(text)[:80]!r}"))
            return None
        self.attempt = 0
        if self.stream.resumes and not self._is_new(frame):
            return None
        seq: int = frame["seq"]
        if self._last is not None and seq > self._last + 1:
            self._gap(Gap("sequence", after=self._last, before=seq))
        self._last = seq if self._last is None else max(self._last, seq)
        if "error" in frame:
            self.report(error_from_answer(400, {}, cast(str, text)))
            return None
        if self.stream.resumes and frame.get("opened_at", "") >= self._newest_opening:
            self._newest_opening = frame.get("opened_at", "")
            self.since = frame.get("alert_id", self.since)
        return frame

    def report(self, error: ECPError) -> None:
        if self._listener.on_error is not None:
            _guarded(self._listener.on_error, error)
        elif self.attempt == 0:
            _log.warning("subscription to %s goes on after: %s", self._what(), error)

    def over(self, error: Optional[ECPError], on_end: OnEnd) -> None:
        """Tells how a subscription with a callback ended: nobody may be waiting for it."""
        if on_end is not None:
            _guarded(on_end, error)
        elif error is None:
            return
        elif self._listener.on_error is not None:
            _guarded(self._listener.on_error, error)
        else:
            _log.error("subscription to %s ended: %s", self._what(), error)

    def _what(self) -> str:
        return f"{self.stream.name} of {self.stream.id or 'all tenants'}"

    def _gap(self, gap: Gap) -> None:
        if self._listener.on_gap is not None:
            _guarded(self._listener.on_gap, gap)

    def _is_new(self, frame: dict[str, Any]) -> bool:
        key = (frame["seq"], frame.get("alert_id"), frame.get("state"))
        if key in self._recent:
            return False
        self._recent[key] = None
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return True


class Subscription(Generic[Frame]):
    """A running subscription: read it with `for`, and `close()` it or leave its `with` block."""

    def __init__(self, settings: Settings, stream: Stream, listener: Listener) -> None:
        self._settings = settings
        self._track = Track(stream, listener, settings)
        self._closed = threading.Event()
        self._socket: Optional[ClientConnection] = None
        self._thread: Optional[threading.Thread] = None
        self._error: Optional[ECPError] = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the subscription, from any thread; nothing is delivered afterwards."""
        self._closed.set()
        if self._socket is not None:
            self._socket.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __iter__(self) -> Iterator[Frame]:
        try:
            while not self._closed.is_set():
                socket = self._connect()
                if socket is None:
                    continue
                self._socket = socket
                with socket:
                    try:
                        if self._track.stream.hello is not None:
                            socket.send(json.dumps(self._track.stream.hello))
                        self._track.opened()
                        while not self._closed.is_set():
                            frame = self._track.receive(socket.recv())
                            if frame is not None:
                                yield cast(Frame, frame)
                    except ConnectionClosed as closed:
                        if self._track.ended(closed):
                            return
                if not self._closed.is_set():
                    self._closed.wait(self._track.pause())
        finally:
            self._closed.set()

    def _connect(self) -> Optional[ClientConnection]:
        url = self._track.stream.url(self._settings, self._track.since)
        try:
            return connect(
                url,
                additional_headers=self._settings.headers(),
                open_timeout=self._settings.timeout,
                close_timeout=1,
                max_size=None,
            )
        except (OSError, WebSocketException) as error:
            self._closed.wait(self._track.failed(error, url))
            return None

    def deliver(self, callback: Callable[[Frame], object], on_end: OnEnd) -> Self:
        """Reads on a thread of its own and hands each frame to a callback."""

        def read() -> None:
            try:
                for frame in self:
                    _guarded(callback, frame)
            except ECPError as error:
                self._error = error
            self._track.over(self._error, on_end)

        self._thread = threading.Thread(target=read, name=f"ecp-{self._track.stream.name}", daemon=True)
        self._thread.start()
        return self

    def wait(self, timeout: Optional[float] = None) -> bool:
        """With a callback: waits for the end, raises what ended it; false where the time is over first."""
        if self._thread is None:
            raise RuntimeError("wait() is for a subscription with a callback; read this one with `for`")
        self._thread.join(timeout)
        if self._error is not None:
            raise self._error
        return not self._thread.is_alive()


class AsyncSubscription(Generic[Frame]):
    """A running subscription: read it with `async for`, and `close()` it or leave its `async with` block."""

    def __init__(self, settings: Settings, stream: Stream, listener: Listener) -> None:
        self._settings = settings
        self._track = Track(stream, listener, settings)
        self._closed = asyncio.Event()
        self._socket: Optional[AsyncConnection] = None
        self._frames: Optional[AsyncIterator[Frame]] = None
        self._task: Optional[asyncio.Task[None]] = None
        self._error: Optional[ECPError] = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the subscription; nothing is delivered afterwards."""
        self._closed.set()
        if self._socket is not None:
            await self._socket.close()
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.wait([self._task])

    def deliver(self, callback: Callable[[Frame], object], on_end: OnEnd) -> Self:
        """Reads in a task of its own and hands each frame to a callback, which is awaited where it can be."""

        async def read() -> None:
            try:
                async for frame in self:
                    try:
                        done = callback(frame)
                        if inspect.isawaitable(done):
                            await done
                    except Exception:
                        _log.exception("a callback of a subscription failed")
            except ECPError as error:
                self._error = error
            self._track.over(self._error, on_end)

        self._task = asyncio.get_running_loop().create_task(read())
        return self

    async def wait(self, timeout: Optional[float] = None) -> bool:
        """With a callback: waits for the end, raises what ended it; false where the time is over first."""
        if self._task is None:
            raise RuntimeError("wait() is for a subscription with a callback; read this one with `async for`")
        done, _ = await asyncio.wait([self._task], timeout=timeout)
        if self._error is not None:
            raise self._error
        return bool(done)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        if self._frames is None:
            self._frames = self._read()
        return await self._frames.__anext__()

    async def _read(self) -> AsyncIterator[Frame]:
        while not self._closed.is_set():
            socket = await self._connect()
            if socket is None:
                continue
            self._socket = socket
            try:
                if self._track.stream.hello is not None:
                    await socket.send(json.dumps(self._track.stream.hello))
                self._track.opened()
                while not self._closed.is_set():
                    frame = self._track.receive(await socket.recv())
                    if frame is not None:
                        yield cast(Frame, frame)
            except ConnectionClosed as closed:
                if self._track.ended(closed):
                    return
            finally:
                await socket.close()
            await self._rest(self._track.pause())

    async def _connect(self) -> Optional[AsyncConnection]:
        url = self._track.stream.url(self._settings, self._track.since)
        try:
            return await connect_async(
                url,
                additional_headers=self._settings.headers(),
                open_timeout=self._settings.timeout,
                close_timeout=1,
                max_size=None,
            )
        except (OSError, WebSocketException) as error:
            await self._rest(self._track.failed(error, url))
            return None

    async def _rest(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)
