"""What can go wrong, as types: one base class with the code, subclasses for what callers handle apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Optional

from typing_extensions import TypedDict

from .models import DeploymentStatus

__all__ = [
    "AuthError",
    "ConflictError",
    "DeploymentFailedError",
    "ECPConnectionError",
    "ECPError",
    "ECPTimeoutError",
    "FieldFault",
    "InvalidResponseError",
    "NotFoundError",
    "RateLimitError",
    "ServerError",
    "ValidationError",
]


class FieldFault(TypedDict):
    """A wrong field of a request."""

    pointer: str
    """JSON pointer into the body, or the name of a parameter."""
    reason: str
    """What is wrong and how to fix it."""


class ECPError(Exception):
    """Every failure of a call. `code` tells what failed in every language; the message is for people."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int = 0,
        details: Optional[Mapping[str, Any]] = None,
        request_id: Optional[str] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        """HTTP status; 0 where there was no answer."""
        self.details: dict[str, Any] = dict(details or {})
        self.request_id = request_id
        """Id to look for in the server's log."""
        self.retry_after = retry_after
        """How long the server asks to wait, in seconds."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__)

    @property
    def fields(self) -> list[FieldFault]:
        """Every wrong field of the request, empty where fields were not the fault."""
        fields = self.details.get("fields")
        return fields if isinstance(fields, list) else []

    @property
    def is_transient(self) -> bool:
        """True where the same call may succeed a moment later."""
        return self.status in (429, 503)

    def __str__(self) -> str:
        faults = "".join(f"; {fault['pointer']}: {fault['reason']}" for fault in self.fields)
        return f"{self.message} ({self.code}){faults}"


def _restore(kind: type[ECPError], args: tuple[Any, ...], state: dict[str, Any]) -> ECPError:
    """Makes a pickled error anew, so that it crosses processes whatever its class asks to be made with."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class NotFoundError(ECPError):
    """404: no such tenant, deployment or path."""


class ConflictError(ECPError):
    """409 and 412: it exists already, is in the way of another change, or changed meanwhile."""


class ValidationError(ECPError):
    """400, 413 and 422: the request is wrong; `fields` says where."""


class AuthError(ECPError):
    """401 and 403."""


class RateLimitError(ECPError):
    """429, after the retries."""


class ServerError(ECPError):
    """5xx, after the retries."""


class ECPConnectionError(ECPError):
    """No answer: refused, reset, cut off in the middle."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="CONNECTION_ERROR")

    @property
    def is_transient(self) -> bool:
        return True


class ECPTimeoutError(ECPError):
    """No answer in time."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="TIMEOUT")


class InvalidResponseError(ECPError):
    """An answer that is not what the API promises."""

    def __init__(self, message: str, *, status: int = 0, request_id: Optional[str] = None) -> None:
        super().__init__(message, code="INVALID_RESPONSE", status=status, request_id=request_id)


class DeploymentFailedError(ECPError):
    """The roll-out that was waited for failed; `reason` says why and how to fix it."""

    def __init__(self, deployment: DeploymentStatus) -> None:
        failure = deployment.get("failure")
        logs = deployment.get("logs") or []
        if failure and logs and deployment["status"] == "rolled_back":
            # The last line says to what.
            reason = f"{failure['message']}; {logs[-1]['message']}"
        elif failure:
            reason = failure["message"]
        elif logs:
            reason = logs[-1]["message"]
        else:
            reason = f"the deployment is {deployment['status']}"
        super().__init__(
            f"{deployment['tenant_id']}: {reason}",
            code=failure["code"] if failure else "DEPLOYMENT_FAILED",
            details={"deployment_id": deployment["deployment_id"], "status": deployment["status"]},
        )
        self.tenant_id = deployment["tenant_id"]
        self.deployment_id = deployment["deployment_id"]
        self.reason = reason
        self.deployment = deployment


def _classify(status: int) -> tuple[type[ECPError], str]:
    if status == 401:
        return AuthError, "UNAUTHORIZED"
    if status == 403:
        return AuthError, "FORBIDDEN"
    if status == 404:
        return NotFoundError, "INVALID_REQUEST"
    if status in (409, 412):
        return ConflictError, "CONFLICT"
    if status == 422:
        return ValidationError, "VALIDATION_FAILED"
    if status == 429:
        return RateLimitError, "RATE_LIMITED"
    if status >= 500:
        return ServerError, "INTERNAL_ERROR"
    return ValidationError, "INVALID_REQUEST"


def error_from_answer(status: int, headers: Mapping[str, str], text: str) -> ECPError:
    """Makes the error of an HTTP answer, in the API's envelope or not."""
    kind, fallback = _classify(status)
    request_id = headers.get("x-request-id")
    retry_after = parse_retry_after(headers.get("retry-after"))
    try:
        body = json.loads(text)["error"]
        code = str(body["code"])
    except (ValueError, KeyError, TypeError):
        return kind(
            f"the server answered {status} without the API's error envelope",
            code=fallback,
            status=status,
            request_id=request_id,
            retry_after=retry_after,
        )
    details = body.get("details")
    return kind(
        str(body.get("message", code)),
        code=code,
        status=status,
        details=details if isinstance(details, dict) else None,
        request_id=body.get("request_id") or request_id,
        retry_after=retry_after,
    )


def parse_retry_after(value: Optional[str]) -> Optional[float]:
    """Reads `Retry-After`, seconds or a date, as seconds from now."""
    if value is None or not value.strip():
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - datetime.now(timezone.utc)).total_seconds())
