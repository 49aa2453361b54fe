"""Sends samples in the background: batches, a bounded queue, and a count of what did not fit.

Samples carry their time, and the same time again replaces a sample, so a batch is sent again safely until it
is stored.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from datetime import datetime, timezone
from typing import Callable, Optional, Union

from ._calls import rfc3339
from ._transport import RetryPolicy
from .errors import ECPError, ECPTimeoutError
from .models import Metrics, Sample

MAX_BATCH = 10_000
_RETRY = RetryPolicy(base=0.2, maximum=10.0)

OnError = Optional[Callable[[ECPError], None]]

_log = logging.getLogger("ecp_orchestrator")


def _tell(on_error: OnError, error: ECPError) -> None:
    """A report that fails must not stop the sender."""
    if on_error is None:
        return
    try:
        on_error(error)
    except Exception:
        _log.exception("on_error of a metrics sender failed")


class _Queue:
    """Samples that wait, and what became of the others."""

    def __init__(self, batch_size: int, max_queue: int) -> None:
        self.batch_size = min(MAX_BATCH, max(1, batch_size))
        self.max_queue = max(1, max_queue)
        self.waiting: deque[Sample] = deque()
        self.in_flight = 0
        self.added = 0
        """Samples that were taken since the beginning."""
        self._flight_start = 0
        self.sent = 0
        self.dropped = 0
        self._last_ms = 0

    @property
    def pending(self) -> int:
        return len(self.waiting) + self.in_flight

    @property
    def dealt_with(self) -> int:
        """So many samples, from the first on, are stored or given up; what goes first is the oldest."""
        return self._flight_start if self.in_flight else self.added - len(self.waiting)

    def add(self, metrics: Metrics, timestamp: Union[datetime, str, None]) -> bool:
        self.waiting.append({"timestamp": self._stamp(timestamp), "metrics": metrics.copy()})
        self.added += 1
        fits = True
        while self.pending > self.max_queue and self.waiting:
            self.waiting.popleft()
            self.dropped += 1
            fits = False
        return fits

    def _stamp(self, timestamp: Union[datetime, str, None]) -> str:
        """Two samples of one millisecond would replace each other: the later one moves on by one."""
        if timestamp is not None:
            return rfc3339(timestamp)
        now = int(datetime.now(timezone.utc).timestamp() * 1000)
        self._last_ms = max(now, self._last_ms + 1)
        return rfc3339(datetime.fromtimestamp(self._last_ms / 1000, timezone.utc))

    def take(self) -> list[Sample]:
        self._flight_start = self.added - len(self.waiting)
        batch = [self.waiting.popleft() for _ in range(min(self.batch_size, len(self.waiting)))]
        self.in_flight = len(batch)
        return batch

    def settle(self, stored: bool) -> None:
        if stored:
            self.sent += self.in_flight
        else:
            self.dropped += self.in_flight
        self.in_flight = 0

    def give_up(self) -> None:
        self.dropped += self.pending
        self.waiting.clear()
        self.in_flight = 0


def _pause(error: ECPError, attempt: int) -> Optional[float]:
    """Seconds until the batch is sent again; nothing where the server will never take it."""
    if not error.is_transient and not isinstance(error, ECPTimeoutError):
        return None
    return _RETRY.pause(attempt) if error.retry_after is None else error.retry_after


class MetricsSender:
    """Collects samples of one tenant and sends them in batches on a thread; `add` never waits for that."""

    def __init__(
        self,
        store: Callable[[list[Sample]], object],
        batch_size: int,
        flush_interval: float,
        max_queue: int,
        on_error: OnError,
    ) -> None:
        self._store = store
        self._flush_interval = flush_interval
        self._on_error = on_error
        self._queue = _Queue(batch_size, max_queue)
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._closed = False
        self._wanted = 0
        self._thread = threading.Thread(target=self._run, name="ecp-metrics", daemon=True)
        self._thread.start()

    @property
    def sent(self) -> int:
        """Samples stored by the server."""
        return self._queue.sent

    @property
    def dropped(self) -> int:
        """Samples given up: the queue was full, the server refused them, or the sender was closed."""
        return self._queue.dropped

    @property
    def pending(self) -> int:
        """Samples that wait or are on their way."""
        with self._changed:
            return self._queue.pending

    def add(self, metrics: Metrics, timestamp: Union[datetime, str, None] = None) -> bool:
        """Takes a sample; without `timestamp` it is now. False where a sample had to be dropped for it."""
        with self._changed:
            if self._closed:
                self._queue.dropped += 1
                return False
            fits = self._queue.add(metrics, timestamp)
            self._changed.notify_all()
            return fits

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Waits until everything added so far is stored or given up; false where the time is over first."""
        with self._changed:
            target = self._wanted = self._queue.added
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._queue.dealt_with >= target, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Sends what waits, for at most `timeout` seconds, and ends the sender."""
        with self._changed:
            self._closed = True
        self.flush(timeout)
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(timeout)
        with self._changed:
            self._queue.give_up()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue.waiting) or self._stop.is_set())
                if not self._queue.waiting:
                    return
                self._changed.wait_for(
                    lambda: (
                        self._queue.dealt_with < self._wanted
                        or self._closed
                        or self._stop.is_set()
                        or len(self._queue.waiting) >= self._queue.batch_size
                    ),
                    self._flush_interval,
                )
                batch = self._queue.take()
            stored = self._deliver(batch)
            with self._changed:
                self._queue.settle(stored)
                self._changed.notify_all()

    def _deliver(self, batch: list[Sample]) -> bool:
        attempt = 0
        while not self._stop.is_set():
            try:
                self._store(batch)
                return True
            except ECPError as error:
                _tell(self._on_error, error)
                pause = _pause(error, attempt)
            except Exception:
                _log.exception("samples that can not be sent are dropped")
                return False
            if pause is None:
                return False
            self._stop.wait(pause)
            attempt += 1
        return False


class AsyncMetricsSender:
    """Collects samples of one tenant and sends them in batches in a task. `add` never waits."""

    def __init__(
        self,
        store: Callable[[list[Sample]], Awaitable[object]],
        batch_size: int,
        flush_interval: float,
        max_queue: int,
        on_error: OnError,
    ) -> None:
        self._store = store
        self._flush_interval = flush_interval
        self._on_error = on_error
        self._queue = _Queue(batch_size, max_queue)
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._closed = False
        self._task = asyncio.ensure_future(self._run())

    @property
    def sent(self) -> int:
        """Samples stored by the server."""
        return self._queue.sent

    @property
    def dropped(self) -> int:
        """Samples given up: the queue was full, the server refused them, or the sender was closed."""
        return self._queue.dropped

    @property
    def pending(self) -> int:
        """Samples that wait or are on their way."""
        return self._queue.pending

    def add(self, metrics: Metrics, timestamp: Union[datetime, str, None] = None) -> bool:
        """Takes a sample; without `timestamp` it is now. False where a sample had to be dropped for it."""
        if self._closed:
            self._queue.dropped += 1
            return False
        fits = self._queue.add(metrics, timestamp)
        if len(self._queue.waiting) >= self._queue.batch_size:
            self._wake.set()
        return fits

    async def flush(self) -> None:
        """Returns when everything added so far is stored or given up."""
        target = self._queue.added
        while self._queue.dealt_with < target:
            self._wake.set()
            await self._settled.wait()

    def _wake_flushes(self) -> None:
        """Whoever waits looks again."""
        self._settled.set()
        self._settled = asyncio.Event()

    async def close(self, timeout: float = 5.0) -> None:
        """Sends what waits, for at most `timeout` seconds, and ends the sender."""
        self._closed = True
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.flush(), timeout)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._queue.give_up()
        self._wake_flushes()

    async def _run(self) -> None:
        # The cancellation of `close` alone does not end it: `wait_for` can swallow one before Python 3.12.
        while not self._closed or self._queue.waiting:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._flush_interval)
            self._wake.clear()
            while self._queue.waiting:
                self._queue.settle(await self._deliver(self._queue.take()))
                self._wake_flushes()

    async def _deliver(self, batch: list[Sample]) -> bool:
        attempt = 0
        while True:
            try:
                await self._store(batch)
                return True
            except ECPError as error:
                _tell(self._on_error, error)
                pause = _pause(error, attempt)
            except Exception:
                _log.exception("samples that can not be sent are dropped")
                return False
            if pause is None:
                return False
            await asyncio.sleep(pause)
            attempt += 1
