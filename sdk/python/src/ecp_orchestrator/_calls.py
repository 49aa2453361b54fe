"""Every operation of the API as a value: method, path, parameters, and whether it may be repeated.

Nothing here sends anything; the synchronous and the asynchronous client share it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Optional, Union
from urllib.parse import quote, urlsplit

from .errors import InvalidResponseError

Query = Mapping[str, Union[str, int, bool, Sequence[str], None]]


@dataclass(frozen=True)
class Call:
    """One call, as the transports send it."""

    method: str
    path: str
    query: Query = field(default_factory=dict)
    body: Optional[Mapping[str, Any]] = None
    headers: Mapping[str, Optional[str]] = field(default_factory=dict)
    repeatable: bool = False
    """True where asking again can change nothing."""
    at_root: bool = False
    """True beside `/api/v1`, not below it."""

    def page(self, skip: Optional[int], limit: Optional[int]) -> Call:
        """The same for a part of a list."""
        return replace(self, query={**self.query, "skip": skip, "limit": limit})

    def parameters(self) -> dict[str, str]:
        """The query as it is sent."""
        return {name: _text(value) for name, value in self.query.items() if value is not None}


def _text(value: Union[str, int, bool, Sequence[str], None]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    return ",".join(value or ())


@dataclass(frozen=True)
class Addresses:
    """Where the API, its streams and the server's own pages are."""

    api: str
    server: str

    @classmethod
    def of(cls, base_url: str) -> Addresses:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(
                f"base_url {base_url!r} must be an http or https address, such as http://localhost:8001/api/v1"
            )
        api = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
        return cls(api=api, server=api[: -len("/api/v1")] if api.endswith("/api/v1") else api)


def tenant_path(tenant_id: str, below: str = "") -> str:
    if not isinstance(tenant_id, str) or not tenant_id:
        raise ValueError("tenant_id must be a text that is not empty")
    return f"/tenants/{quote(tenant_id, safe='')}{below}"


def get(path: str, at_root: bool = False, **query: Any) -> Call:
    return Call("GET", path, query=query, repeatable=True, at_root=at_root)


def silence_path(silence_id: str) -> str:
    if not isinstance(silence_id, str) or not silence_id:
        raise ValueError("silence_id must be a text that is not empty")
    return f"/silences/{quote(silence_id, safe='')}"


def receiver_path(receiver_id: str, rest: str = "") -> str:
    if not isinstance(receiver_id, str) or not receiver_id:
        raise ValueError("receiver_id must be a text that is not empty")
    return f"/receivers/{quote(receiver_id, safe='')}{rest}"


def create_silence(silence: Mapping[str, Any], dry_run: Optional[bool] = None) -> Call:
    return Call("POST", "/silences", query={"dry_run": dry_run}, body=silence, repeatable=dry_run is True)


def create_tenant(tenant: Mapping[str, Any], key: Optional[str], dry_run: Optional[bool] = None) -> Call:
    return Call(
        "POST",
        "/tenants/",
        query={"dry_run": dry_run},
        body=tenant,
        headers={"Idempotency-Key": key},
        repeatable=key is not None or dry_run is True,
    )


def update_tenant(
    tenant_id: str,
    change: Mapping[str, Any],
    if_match: Optional[str] = None,
    rollback: Optional[bool] = None,
    dry_run: Optional[bool] = None,
) -> Call:
    return Call(
        "PUT",
        tenant_path(tenant_id),
        query={"rollback": rollback, "dry_run": dry_run},
        body=change,
        headers={"If-Match": if_match},
        repeatable=dry_run is True,
    )


def delete_tenant(
    tenant_id: str,
    force: Optional[bool] = None,
    if_match: Optional[str] = None,
    dry_run: Optional[bool] = None,
    release: Optional[bool] = None,
) -> Call:
    return Call(
        "DELETE",
        tenant_path(tenant_id),
        query={"force": force, "release": release, "dry_run": dry_run},
        headers={"If-Match": if_match},
        repeatable=dry_run is True,
    )


def roll_back_tenant(tenant_id: str, to: Optional[Mapping[str, Any]], if_match: Optional[str]) -> Call:
    return Call("POST", tenant_path(tenant_id, "/rollback"), body=to or {}, headers={"If-Match": if_match})


def compare_catalog(catalog: Mapping[str, Any]) -> Call:
    return Call("POST", "/catalog/diff", body=catalog, repeatable=True)


def roll_out_catalog(to: Optional[Mapping[str, Any]]) -> Call:
    return Call("POST", "/catalog/rollout", body=to or {})


def get_capacity(request: Mapping[str, Any]) -> Call:
    return Call("POST", "/capacity", body=request, repeatable=True)


def calculate_resources(request: Mapping[str, Any]) -> Call:
    return Call("POST", "/tenants/calculate-resources", body=request, repeatable=True)


def validate_manifest(manifest_content: str, tenant_id: Optional[str]) -> Call:
    body = {"manifest_content": manifest_content}
    if tenant_id is not None:
        body["tenant_id"] = tenant_id
    return Call("POST", "/tenants/validate-manifest", body=body, repeatable=True)


def send_metrics(
    tenant_id: str, metrics: Mapping[str, Any], timestamp: Union[datetime, str, None] = None
) -> Call:
    whole = "metrics" in metrics or "samples" in metrics
    body: dict[str, Any] = dict(metrics) if whole else {"metrics": dict(metrics)}
    if timestamp is not None:
        body["timestamp"] = rfc3339(timestamp)
    return Call("POST", tenant_path(tenant_id, "/monitoring"), body=body)


def list_audit_entries(
    tenant_id: Optional[str],
    actor: Optional[str],
    action: Optional[str],
    outcome: Optional[str],
    of_request: Optional[str],
    since: Union[datetime, str, None],
    until: Union[datetime, str, None],
) -> Call:
    return get(
        "/audit",
        tenant_id=tenant_id,
        actor=actor,
        action=action,
        outcome=outcome,
        request_id=of_request,
        since=None if since is None else rfc3339(since),
        until=None if until is None else rfc3339(until),
    )


def rfc3339(time: Union[datetime, str]) -> str:
    """A time as the API reads it; one without a zone is taken for local time."""
    if isinstance(time, str):
        return time
    text = time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def decode(call: Call, status: int, request_id: Optional[str], text: str) -> Any:
    """Reads an answer as a JSON object."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidResponseError(
            f"{call.method} {call.path}: the answer is not a JSON object: {text[:80]!r}",
            status=status,
            request_id=request_id,
        )
    return value
