# Generated from async_client.py by generate_sync.py (`make sdk-python-generate`): change that one.
"""The client: one method for each operation of the API, and what is built from them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar, Union

import httpx
from typing_extensions import Self, Unpack

from . import _calls as calls
from . import models
from ._sender import MetricsSender
from ._streams import Gap, Listener, OnEnd, Stream, Subscription
from ._sync_transport import Transport
from ._transport import RequestOptions, RetryPolicy, Settings, pause, token_or_environment
from .errors import ConflictError, DeploymentFailedError, ECPError, ECPTimeoutError, NotFoundError

Frame = TypeVar("Frame")


class ECPClient:
    """A client of the ECP-AI Kubernetes Orchestrator. Safe to share.

    Every call takes `timeout`, `request_id`, `debug` and `on_response` beside its own arguments, and raises
    `ECPError` where it fails.
    """

    def __init__(
        self,
        base_url: str,
        is_demo: bool,
        *,
        token: Optional[str] = None,
        language: Optional[str] = None,
        timeout: float = 30.0,
        retry: Optional[RetryPolicy] = None,
        http_client: Optional[httpx.Client] = None,
    ) -> None:
        """
        base_url: address of the API, with its path: `http://localhost:8001/api/v1`.
        is_demo: which of the two separate worlds, simulated (True) or real.
        token: bearer token, where the server requires one; left out, that of the environment variable
            ECP_TOKEN, where it is set.
        language: of messages, `ko` (the server's default) or `en`.
        timeout: seconds that a whole call may take, its retries and their pauses included.
        retry: when calls are repeated; three times, after 0.2 to 10 s, where left out.
        http_client: instead of one of its own, such as one with a proxy; it is not closed.
        """
        if not isinstance(is_demo, bool):
            raise TypeError("is_demo must be True or False: it chooses the simulated or the real cluster")
        settings = Settings(
            calls.Addresses.of(base_url),
            is_demo,
            token_or_environment(token),
            language,
            timeout,
            retry or RetryPolicy(),
        )
        self._settings = settings
        self._transport = Transport(settings, http_client)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    # Tenants

    def list_tenants(
        self,
        *,
        preset: Optional[models.Preset] = None,
        status: Optional[models.TenantStatus] = None,
        q: Optional[str] = None,
        sort: Optional[models.TenantSort] = None,
        expand: Union[models.TenantExpansion, Sequence[models.TenantExpansion], None] = None,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.TenantList:
        """Lists tenants, oldest first unless `sort` says otherwise (`-cost` for descending).

        `q` searches id and name; `expand` names what is added to each: metrics, alerts, cost, failure.
        """
        call = calls.get(
            "/tenants/",
            preset=preset,
            status=status,
            q=q,
            sort=sort,
            expand=expand,
            skip=skip,
            limit=limit,
        )
        return self._json(call, options)

    def iterate_tenants(
        self,
        *,
        preset: Optional[models.Preset] = None,
        status: Optional[models.TenantStatus] = None,
        q: Optional[str] = None,
        sort: Optional[models.TenantSort] = None,
        expand: Union[models.TenantExpansion, Sequence[models.TenantExpansion], None] = None,
        limit: int = 100,
        **options: Unpack[RequestOptions],
    ) -> Iterator[models.TenantSummary]:
        """All tenants, page by page. `limit` is the size of a page."""
        call = calls.get("/tenants/", preset=preset, status=status, q=q, sort=sort, expand=expand)
        return self._pages(call, "tenants", limit, options)

    def create_tenant(
        self,
        tenant: models.TenantRequest,
        *,
        idempotency_key: Optional[str] = None,
        **options: Unpack[RequestOptions],
    ) -> models.CreatedTenant:
        """Creates a tenant; answers when the intent is on disk. Repeated only with an `idempotency_key`."""
        return self._json(calls.create_tenant(tenant, idempotency_key), options)

    def preview_create_tenant(
        self,
        tenant: models.TenantRequest,
        **options: Unpack[RequestOptions],
    ) -> models.Preview:
        """Says what a creation would do, and does nothing."""
        return self._json(calls.create_tenant(tenant, None, dry_run=True), options)

    def get_tenant(self, tenant_id: str, **options: Unpack[RequestOptions]) -> models.Tenant:
        """A tenant with all its services. Its `generation` in double quotes is its ETag."""
        return self._json(calls.get(calls.tenant_path(tenant_id)), options)

    def update_tenant(
        self,
        tenant_id: str,
        change: models.TenantUpdate,
        *,
        if_match: Optional[str] = None,
        rollback: Optional[bool] = None,
        **options: Unpack[RequestOptions],
    ) -> models.Tenant:
        """Changes what is named and leaves the rest; a service set to 0 is removed.

        if_match: the ETag of the tenant as it was read; a `ConflictError` (412) where it has changed since.
        rollback: brings the last good revision back where the roll-out fails.
        """
        return self._json(calls.update_tenant(tenant_id, change, if_match, rollback), options)

    def preview_update_tenant(
        self,
        tenant_id: str,
        change: models.TenantUpdate,
        *,
        if_match: Optional[str] = None,
        **options: Unpack[RequestOptions],
    ) -> models.Preview:
        """Says what a change would do, and does nothing."""
        return self._json(calls.update_tenant(tenant_id, change, if_match, dry_run=True), options)

    def delete_tenant(
        self,
        tenant_id: str,
        *,
        force: Optional[bool] = None,
        release: Optional[bool] = None,
        if_match: Optional[str] = None,
        **options: Unpack[RequestOptions],
    ) -> models.Deletion:
        """Starts the deletion. `force` skips grace periods; `release` leaves a namespace in which
        others keep something to them."""
        return self._json(calls.delete_tenant(tenant_id, force, if_match, release=release), options)

    def preview_delete_tenant(self, tenant_id: str, **options: Unpack[RequestOptions]) -> models.Preview:
        """Says what a deletion would do, and does nothing."""
        return self._json(calls.delete_tenant(tenant_id, dry_run=True), options)

    def calculate_resources(
        self,
        request: models.CalculateResourcesRequest,
        **options: Unpack[RequestOptions],
    ) -> models.Calculation:
        """Sizes a load; stores nothing."""
        return self._json(calls.calculate_resources(request), options)

    # Monitoring

    def get_monitoring(
        self,
        tenant_id: str,
        *,
        metric_type: Union[models.MetricType, Sequence[models.MetricType], None] = None,
        hours: Optional[int] = None,
        interval: Optional[models.Interval] = None,
        **options: Unpack[RequestOptions],
    ) -> models.Monitoring:
        """Values of the last `hours` (24), one for each `interval` (`1m`, `5m`, `1h`)."""
        path = calls.tenant_path(tenant_id, "/monitoring")
        return self._json(calls.get(path, metric_type=metric_type, hours=hours, interval=interval), options)

    def send_metrics(
        self,
        tenant_id: str,
        metrics: Union[models.Metrics, models.MetricsRequest],
        timestamp: Union[datetime, str, None] = None,
        **options: Unpack[RequestOptions],
    ) -> models.Accepted:
        """Stores one sample (`{"cpu": 65.5}`, now or of `timestamp`) or a batch (`{"samples": [...]}`)."""
        return self._json(calls.send_metrics(tenant_id, metrics, timestamp), options)

    def create_metrics_sender(
        self,
        tenant_id: str,
        *,
        batch_size: int = 500,
        flush_interval: float = 1.0,
        max_queue: int = 10_000,
        on_error: Optional[Callable[[ECPError], None]] = None,
    ) -> MetricsSender:
        """Sends samples in the background: in batches, at the latest every `flush_interval` seconds.

        max_queue: samples kept at most; the oldest go first, and are counted.
        """

        def store(samples: list[models.Sample]) -> models.Accepted:
            return self.send_metrics(tenant_id, {"samples": samples})

        return MetricsSender(store, batch_size, flush_interval, max_queue, on_error)

    def list_alerts(
        self,
        tenant_id: str,
        *,
        status: Optional[models.AlertState] = None,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.AlertList:
        """Lists a tenant's alerts, newest first: `open`, `resolved`, or all."""
        path = calls.tenant_path(tenant_id, "/alerts")
        return self._json(calls.get(path, status=status, skip=skip, limit=limit), options)

    def iterate_alerts(
        self,
        tenant_id: str,
        *,
        status: Optional[models.AlertState] = None,
        limit: int = 100,
        **options: Unpack[RequestOptions],
    ) -> Iterator[models.Alert]:
        """All alerts of a tenant, page by page."""
        path = calls.tenant_path(tenant_id, "/alerts")
        return self._pages(calls.get(path, status=status), "alerts", limit, options)

    def list_all_alerts(
        self,
        *,
        tenant_id: Optional[str] = None,
        severity: Optional[models.Severity] = None,
        type: Optional[models.AlertType] = None,
        status: Optional[models.AlertState] = None,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.AllAlerts:
        """Lists the alerts of all tenants, newest first; a token for some tenants alone has to name one."""
        call = calls.get(
            "/alerts",
            tenant_id=tenant_id,
            severity=severity,
            type=type,
            status=status,
            skip=skip,
            limit=limit,
        )
        return self._json(call, options)

    def get_system_metrics(self, **options: Unpack[RequestOptions]) -> models.SystemMetrics:
        """What the cluster has, and how much of it is used."""
        return self._json(calls.get("/monitoring/system"), options)

    def get_recommendation(
        self, tenant_id: str, *, hours: Optional[int] = None, **options: Unpack[RequestOptions]
    ) -> models.Recommendation:
        """What fits a tenant by what was measured of it. Changes nothing; ``apply`` is what would."""
        call = calls.get(calls.tenant_path(tenant_id, "/recommendation"), hours=hours)
        return self._json(call, options)

    def list_deployments(
        self,
        tenant_id: str,
        *,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.DeploymentList:
        """Lists what was done to a tenant, newest first: who, when, what changed and how it ended."""
        call = calls.get(calls.tenant_path(tenant_id, "/deployments")).page(skip, limit)
        return self._json(call, options)

    def iterate_deployments(
        self, tenant_id: str, *, limit: int = 100, **options: Unpack[RequestOptions]
    ) -> Iterator[models.DeploymentEntry]:
        """All that was done to a tenant, page by page."""
        call = calls.get(calls.tenant_path(tenant_id, "/deployments"))
        return self._pages(call, "deployments", limit, options)

    def roll_back_tenant(
        self,
        tenant_id: str,
        to: Optional[models.RollbackRequest] = None,
        *,
        if_match: Optional[str] = None,
        **options: Unpack[RequestOptions],
    ) -> models.Tenant:
        """Goes back to a deployment that ran whole, or to the last that did and is not what runs now."""
        return self._json(calls.roll_back_tenant(tenant_id, to, if_match), options)

    def get_catalog_diff(self, **options: Unpack[RequestOptions]) -> models.CatalogDiff:
        """What the server's catalog would change of tenants that run with another one."""
        return self._json(calls.get("/catalog/diff"), options)

    def compare_catalog(
        self,
        catalog: models.CatalogRequest,
        **options: Unpack[RequestOptions],
    ) -> models.CatalogDiff:
        """What another catalog would change."""
        return self._json(calls.compare_catalog(catalog), options)

    def roll_out_catalog(
        self,
        to: Optional[models.CatalogRolloutRequest] = None,
        **options: Unpack[RequestOptions],
    ) -> models.StartedRollout:
        """Rolls the server's catalog out to the tenants that are named, or to all, a few at a time."""
        return self._json(calls.roll_out_catalog(to), options)

    def get_overview(self, **options: Unpack[RequestOptions]) -> models.Overview:
        """Everything at a glance, and what somebody should look at now, worst first."""
        return self._json(calls.get("/overview"), options)

    def list_nodes(self, **options: Unpack[RequestOptions]) -> models.Nodes:
        """What each node has, what is taken of it, and why tenants' pods stay away where they do."""
        return self._json(calls.get("/nodes"), options)

    def get_alert_rules(self, tenant_id: str, **options: Unpack[RequestOptions]) -> models.AlertRules:
        """A tenant's alert rules, as they are in force."""
        return self._json(calls.get(calls.tenant_path(tenant_id, "/alert-rules")), options)

    def set_alert_rules(
        self, tenant_id: str, rules: models.AlertRulesRequest, **options: Unpack[RequestOptions]
    ) -> models.AlertRules:
        """Sets a tenant's alert rules; what is not named is the default."""
        call = calls.Call("PUT", calls.tenant_path(tenant_id, "/alert-rules"), body=rules, repeatable=True)
        return self._json(call, options)

    def list_silences(
        self,
        *,
        status: Optional[str] = None,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.SilenceList:
        """Silences, newest first."""
        return self._json(calls.get("/silences", status=status, skip=skip, limit=limit), options)

    def create_silence(
        self, silence: models.SilenceRequest, **options: Unpack[RequestOptions]
    ) -> models.Silence:
        """Keeps the alerts that it matches from being told, for an hour where it does not say otherwise."""
        return self._json(calls.create_silence(silence), options)

    def preview_create_silence(
        self, silence: models.SilenceRequest, **options: Unpack[RequestOptions]
    ) -> models.SilenceTrial:
        """Says which open alerts a silence would hit, and makes none."""
        return self._json(calls.create_silence(silence, dry_run=True), options)

    def get_silence(self, silence_id: str, **options: Unpack[RequestOptions]) -> models.Silence:
        """One silence."""
        return self._json(calls.get(calls.silence_path(silence_id)), options)

    def delete_silence(self, silence_id: str, **options: Unpack[RequestOptions]) -> models.Silence:
        """Ends a silence, and answers it as it was."""
        return self._json(calls.Call("DELETE", calls.silence_path(silence_id)), options)

    def list_receivers(
        self,
        *,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.ReceiverList:
        """Who is told of alerts, oldest first. For admins, as is all about receivers."""
        return self._json(calls.get("/receivers", skip=skip, limit=limit), options)

    def create_receiver(
        self, receiver: models.ReceiverRequest, **options: Unpack[RequestOptions]
    ) -> models.Receiver:
        """Has a receiver told from now on; a webhook's `secret` is answered where it was made here."""
        return self._json(calls.Call("POST", "/receivers", body=receiver), options)

    def get_receiver(self, receiver_id: str, **options: Unpack[RequestOptions]) -> models.Receiver:
        """One receiver."""
        return self._json(calls.get(calls.receiver_path(receiver_id)), options)

    def update_receiver(
        self, receiver_id: str, receiver: models.ReceiverRequest, **options: Unpack[RequestOptions]
    ) -> models.Receiver:
        """Changes a receiver as a whole; a secret that is left out is kept."""
        return self._json(calls.Call("PUT", calls.receiver_path(receiver_id), body=receiver), options)

    def delete_receiver(self, receiver_id: str, **options: Unpack[RequestOptions]) -> models.Receiver:
        """Removes a receiver with what waits for it, and answers it as it was."""
        return self._json(calls.Call("DELETE", calls.receiver_path(receiver_id)), options)

    def list_deliveries(
        self,
        receiver_id: str,
        *,
        status: Optional[str] = None,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.DeliveryList:
        """What a receiver was told, what waits and what was given up, newest first."""
        path = calls.receiver_path(receiver_id, "/deliveries")
        return self._json(calls.get(path, status=status, skip=skip, limit=limit), options)

    def test_receiver(self, receiver_id: str, **options: Unpack[RequestOptions]) -> models.Delivery:
        """Sends a receiver a test and answers what came of it."""
        return self._json(calls.Call("POST", calls.receiver_path(receiver_id, "/test")), options)

    def list_events(
        self, tenant_id: str, *, limit: Optional[int] = None, **options: Unpack[RequestOptions]
    ) -> models.Events:
        """What happened to a tenant's objects, newest first."""
        return self._json(calls.get(calls.tenant_path(tenant_id, "/events"), limit=limit), options)

    def read_logs(
        self,
        tenant_id: str,
        *,
        service: Optional[str] = None,
        pod: Optional[str] = None,
        container: Optional[str] = None,
        previous: Optional[bool] = None,
        tail: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> str:
        """What a tenant's containers wrote, each line with its pod's name where there are several."""
        call = calls.get(
            calls.tenant_path(tenant_id, "/logs"),
            service=service,
            pod=pod,
            container=container,
            previous=previous,
            tail=tail,
        )
        return self._transport.text(call, options)

    def follow_logs(
        self,
        tenant_id: str,
        *,
        service: Optional[str] = None,
        pod: Optional[str] = None,
        container: Optional[str] = None,
        tail: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> Iterator[str]:
        """Each line as it is written, until the loop ends or the server stops."""
        call = calls.get(
            calls.tenant_path(tenant_id, "/logs"),
            service=service,
            pod=pod,
            container=container,
            tail=tail,
            follow=True,
        )
        for line in self._transport.lines(call, options):
            yield line

    def get_costs(self, *, month: Optional[str] = None, **options: Unpack[RequestOptions]) -> models.Costs:
        """What tenants paid and cost in a month such as `2026-11`; the present one by default."""
        return self._json(calls.get("/costs", month=month), options)

    def get_costs_csv(self, *, month: Optional[str] = None, **options: Unpack[RequestOptions]) -> str:
        """The same as CSV, a row a tenant and the total last."""
        return self._transport.text(calls.get("/costs", month=month, format="csv"), options)

    def get_capacity(
        self,
        request: models.CalculateResourcesRequest,
        **options: Unpack[RequestOptions],
    ) -> models.Capacity:
        """How many more tenants of this demand would be admitted, and what runs out first."""
        return self._json(calls.get_capacity(request), options)

    # Manifests and deployments

    def get_manifest(
        self,
        tenant_id: str,
        *,
        format: Optional[models.ManifestFormat] = None,
        include_monitoring: Optional[bool] = None,
        include_ingress: Optional[bool] = None,
        namespace: Optional[str] = None,
        redact: Optional[bool] = None,
        **options: Unpack[RequestOptions],
    ) -> str:
        """The manifest as text: YAML, or JSON where `format` says so."""
        call = calls.get(
            calls.tenant_path(tenant_id, "/manifest"),
            format=format,
            include_monitoring=include_monitoring,
            include_ingress=include_ingress,
            namespace=namespace,
            redact=redact,
        )
        return self._transport.text(call, options)

    def validate_manifest(
        self,
        manifest_content: str,
        tenant_id: Optional[str] = None,
        **options: Unpack[RequestOptions],
    ) -> models.Validation:
        """The verdict on a manifest; with `tenant_id`, its objects must be in that tenant's namespace."""
        return self._json(calls.validate_manifest(manifest_content, tenant_id), options)

    def get_deployment_status(
        self,
        tenant_id: str,
        *,
        deployment_id: Optional[str] = None,
        **options: Unpack[RequestOptions],
    ) -> models.DeploymentStatus:
        """Where the newest roll-out or deletion of a tenant stands, or the one that is named."""
        path = calls.tenant_path(tenant_id, "/deployment-status")
        return self._json(calls.get(path, deployment_id=deployment_id), options)

    def wait_until_running(
        self,
        tenant_id: str,
        *,
        deployment_id: Optional[str] = None,
        timeout: float = 1800.0,
        poll: float = 1.0,
        on_progress: Optional[Callable[[models.DeploymentStatus], None]] = None,
    ) -> models.DeploymentStatus:
        """Waits until a roll-out has ended and runs; a server that restarts meanwhile is waited for.

        The roll-out is the one named, as a creation or an update answered it, or the one that is the
        tenant's newest when the wait begins. Raises `DeploymentFailedError` with the reason where that one
        fails, is taken back or is replaced by a newer one, `ECPTimeoutError` after `timeout` seconds. `poll`
        is the pause between looks; `on_progress` sees each state that differs.
        """
        until = time.monotonic() + timeout
        shown: Optional[tuple[Any, ...]] = None
        while True:
            try:
                left = max(until - time.monotonic(), 0.001)
                status = self.get_deployment_status(
                    tenant_id, deployment_id=deployment_id, timeout=min(left, self._settings.timeout)
                )
            except ECPError as error:
                if not (error.is_transient or isinstance(error, ECPTimeoutError)):
                    raise
            else:
                deployment_id = status["deployment_id"]
                state = (deployment_id, status["status"], status["phase"], status["progress"])
                if state != shown and on_progress is not None:
                    on_progress(status)
                shown = state
                if status["status"] == "running":
                    return status
                if status["status"] not in ("pending", "deploying"):
                    raise DeploymentFailedError(status)
            if time.monotonic() + poll > until:
                raise ECPTimeoutError(f"{tenant_id} is not running after {timeout} s; last seen: {shown}")
            pause(poll)

    def wait_until_deleted(
        self,
        tenant_id: str,
        *,
        deletion_id: Optional[str] = None,
        timeout: float = 1800.0,
        poll: float = 1.0,
        on_progress: Optional[Callable[[models.DeploymentStatus], None]] = None,
    ) -> None:
        """Waits until a tenant that is being deleted is gone; a server that restarts meanwhile is waited for.

        deletion_id: as the deletion answered it; a tenant that has been created anew under the id since
            then is not waited for. Without it, raises `ConflictError` where nobody is deleting the tenant.
        timeout: seconds, after which `ECPTimeoutError` says what is still in the way.
        """
        until = time.monotonic() + timeout
        shown: Optional[tuple[Any, ...]] = None
        last = "nothing"
        while True:
            try:
                left = max(until - time.monotonic(), 0.001)
                status = self.get_deployment_status(tenant_id, timeout=min(left, self._settings.timeout))
            except NotFoundError:
                return
            except ECPError as error:
                if not (error.is_transient or isinstance(error, ECPTimeoutError)):
                    raise
            else:
                if deletion_id is None and status["status"] != "deleting":
                    raise ConflictError(
                        f"{tenant_id} is not being deleted: it is {status['status']}", code="CONFLICT"
                    )
                deletion_id = deletion_id or status["deployment_id"]
                if status["deployment_id"] != deletion_id or status["status"] == "deleted":
                    return
                logs = status["logs"]
                last = logs[-1]["message"] if logs else status["phase"]
                state = (status["phase"], status["progress"], last)
                if state != shown and on_progress is not None:
                    on_progress(status)
                shown = state
            if time.monotonic() + poll > until:
                raise ECPTimeoutError(f"{tenant_id} is not gone after {timeout:g} s; last seen: {last}")
            pause(poll)

    # Audit trail and server

    def list_audit_entries(
        self,
        *,
        tenant_id: Optional[str] = None,
        actor: Optional[str] = None,
        action: Optional[str] = None,
        outcome: Optional[str] = None,
        of_request: Optional[str] = None,
        since: Union[datetime, str, None] = None,
        until: Union[datetime, str, None] = None,
        skip: Optional[int] = None,
        limit: Optional[int] = None,
        **options: Unpack[RequestOptions],
    ) -> models.AuditList:
        """Lists who changed what, newest first; for administrators. `of_request` is a request's id."""
        call = calls.list_audit_entries(tenant_id, actor, action, outcome, of_request, since, until)
        return self._json(call.page(skip, limit), options)

    def iterate_audit_entries(
        self,
        *,
        tenant_id: Optional[str] = None,
        actor: Optional[str] = None,
        action: Optional[str] = None,
        outcome: Optional[str] = None,
        of_request: Optional[str] = None,
        since: Union[datetime, str, None] = None,
        until: Union[datetime, str, None] = None,
        limit: int = 100,
        **options: Unpack[RequestOptions],
    ) -> Iterator[models.AuditEntry]:
        """The whole audit trail, page by page."""
        call = calls.list_audit_entries(tenant_id, actor, action, outcome, of_request, since, until)
        return self._pages(call, "entries", limit, options)

    def get_health(self, **options: Unpack[RequestOptions]) -> models.Health:
        """Is the server there?"""
        return self._json(calls.get("/healthz", at_root=True), options)

    def get_readiness(self, **options: Unpack[RequestOptions]) -> models.Health:
        """Can the server work? Raises `ServerError` (503) while it can not."""
        return self._json(calls.get("/readyz", at_root=True), options)

    def get_metrics(self, **options: Unpack[RequestOptions]) -> str:
        """The server's own metrics, in the Prometheus text format."""
        return self._transport.text(calls.get("/metrics", at_root=True), options)

    # Streams

    def subscribe_to_monitoring(
        self,
        tenant_id: str,
        callback: Optional[Callable[[models.MonitoringFrame], object]] = None,
        *,
        metrics: Optional[Sequence[models.Series]] = None,
        interval: float = 5.0,
        on_gap: Optional[Callable[[Gap], None]] = None,
        on_error: Optional[Callable[[ECPError], None]] = None,
        on_open: Optional[Callable[[], None]] = None,
        on_end: OnEnd = None,
    ) -> Subscription[models.MonitoringFrame]:
        """Follows a tenant's newest values, one frame every `interval` seconds (0.1-3600).

        Iterate over it; with a `callback` it is read in the background.
        """
        hello: dict[str, Any] = {"action": "subscribe", "interval": round(interval * 1000)}
        if metrics is not None:
            hello["metrics"] = list(metrics)
        stream = Stream("monitoring", tenant_id, hello=hello, lossy=True)
        return self._subscribe(stream, callback, on_end, Listener(on_gap, on_error, on_open))

    def subscribe_to_deployment(
        self,
        deployment_id: str,
        callback: Optional[Callable[[models.DeploymentFrame], object]] = None,
        *,
        on_error: Optional[Callable[[ECPError], None]] = None,
        on_open: Optional[Callable[[], None]] = None,
        on_end: OnEnd = None,
    ) -> Subscription[models.DeploymentFrame]:
        """Follows a roll-out or a deletion to its end."""
        stream = Stream("deployment", deployment_id, ends=True)
        return self._subscribe(stream, callback, on_end, Listener(None, on_error, on_open))

    def subscribe_to_alerts(
        self,
        tenant_id: str,
        callback: Optional[Callable[[models.AlertFrame], object]] = None,
        *,
        since: Optional[str] = None,
        on_gap: Optional[Callable[[Gap], None]] = None,
        on_error: Optional[Callable[[ECPError], None]] = None,
        on_open: Optional[Callable[[], None]] = None,
        on_end: OnEnd = None,
    ) -> Subscription[models.AlertFrame]:
        """Follows a tenant's alerts: the open ones, then each change, over reconnects without loss.

        since: goes on after the opening of this alert instead of starting with the open ones.
        """
        stream = Stream("alerts", tenant_id, resumes=True, since=since)
        return self._subscribe(stream, callback, on_end, Listener(on_gap, on_error, on_open))

    def subscribe_to_all_alerts(
        self,
        callback: Optional[Callable[[models.AlertFrame], object]] = None,
        *,
        since: Optional[str] = None,
        on_gap: Optional[Callable[[Gap], None]] = None,
        on_error: Optional[Callable[[ECPError], None]] = None,
        on_open: Optional[Callable[[], None]] = None,
        on_end: OnEnd = None,
    ) -> Subscription[models.AlertFrame]:
        """Follows the alerts of all tenants, as `subscribe_to_alerts` does those of one."""
        stream = Stream("alerts", resumes=True, since=since)
        return self._subscribe(stream, callback, on_end, Listener(on_gap, on_error, on_open))

    def _subscribe(
        self,
        stream: Stream,
        callback: Optional[Callable[[Frame], object]],
        on_end: OnEnd,
        listener: Listener,
    ) -> Subscription[Frame]:
        subscription: Subscription[Frame] = Subscription(self._settings, stream, listener)
        return subscription if callback is None else subscription.deliver(callback, on_end)

    def _json(self, call: calls.Call, options: RequestOptions) -> Any:
        return self._transport.json(call, options)

    def _pages(self, call: calls.Call, entries: str, limit: int, options: RequestOptions) -> Iterator[Any]:
        skip = 0
        while True:
            page = self._json(call.page(skip, limit), options)
            for entry in page[entries]:
                yield entry
            skip += len(page[entries])
            if not page[entries] or not page["pagination"]["has_more"]:
                return
