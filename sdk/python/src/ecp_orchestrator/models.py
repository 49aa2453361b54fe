"""Short names for the models generated from the API's OpenAPI document, and the frames of streams."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from ._generated import AcceptedOut as Accepted
from ._generated import AlertListOut as AlertList
from ._generated import AlertOut as Alert
from ._generated import AllAlertsOut as AllAlerts
from ._generated import AuditEntryOut as AuditEntry
from ._generated import AuditListOut as AuditList
from ._generated import CalculateResourcesIn as CalculateResourcesRequest
from ._generated import CalculationOut as Calculation
from ._generated import CapacityOut as Capacity
from ._generated import CatalogDiffOut as CatalogDiff
from ._generated import CatalogIn as CatalogRequest
from ._generated import CatalogRolloutIn as CatalogRolloutRequest
from ._generated import CreatedTenantOut as CreatedTenant
from ._generated import CreateTenantIn as TenantRequest
from ._generated import DeletionOut as Deletion
from ._generated import DeploymentEntryOut as DeploymentEntry
from ._generated import DeploymentListOut as DeploymentList
from ._generated import DeploymentStatusOut as DeploymentStatus
from ._generated import FailureOut as Failure
from ._generated import HealthOut as Health
from ._generated import MetricsIn as Metrics
from ._generated import MonitoringOut as Monitoring
from ._generated import OverviewOut as Overview
from ._generated import PreviewOut as Preview
from ._generated import RollbackIn as RollbackRequest
from ._generated import SampleIn as Sample
from ._generated import SendMetricsIn as MetricsRequest
from ._generated import StartedRolloutOut as StartedRollout
from ._generated import SystemMetricsOut as SystemMetrics
from ._generated import TenantListOut as TenantList
from ._generated import TenantOut as Tenant
from ._generated import TenantSummaryOut as TenantSummary
from ._generated import UpdateTenantIn as TenantUpdate
from ._generated import ValidateManifestIn as ValidateManifestRequest
from ._generated import ValidationOut as Validation

__all__ = [
    "Accepted",
    "Alert",
    "AlertFrame",
    "AlertList",
    "AllAlerts",
    "AuditEntry",
    "AuditList",
    "CalculateResourcesRequest",
    "Calculation",
    "Capacity",
    "CatalogDiff",
    "CatalogRequest",
    "CatalogRolloutRequest",
    "CreatedTenant",
    "Deletion",
    "DeploymentEntry",
    "DeploymentFrame",
    "DeploymentList",
    "DeploymentStatus",
    "Failure",
    "Health",
    "Metrics",
    "MetricsRequest",
    "Monitoring",
    "MonitoringFrame",
    "Overview",
    "Preview",
    "RollbackRequest",
    "Sample",
    "StartedRollout",
    "SystemMetrics",
    "Tenant",
    "TenantList",
    "TenantRequest",
    "TenantSummary",
    "TenantUpdate",
    "ValidateManifestRequest",
    "Validation",
]


class MonitoringFrame(TypedDict):
    """Newest values of a tenant, one frame an interval."""

    timestamp: str
    tenant_id: str
    metrics: dict[str, float]
    seq: int


class DeploymentFrame(TypedDict):
    """State of a roll-out or deletion."""

    deployment_id: str
    status: str
    progress: int
    phase: str
    message: str
    timestamp: str
    failure: NotRequired[Failure]
    seq: int


class AlertFrame(Alert):
    """A change of an alert; `state` is `opened`, `raised`, `lowered` or `resolved`."""

    seq: int
