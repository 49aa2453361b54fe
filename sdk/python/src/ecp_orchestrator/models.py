"""Short names for the models generated from the API's OpenAPI document."""

from __future__ import annotations

from typing import Literal, Optional

from typing_extensions import NotRequired, TypedDict

from ._generated import AcceptedOut as Accepted
from ._generated import AlertFrame, DeploymentFrame, MonitoringFrame
from ._generated import AlertListOut as AlertList
from ._generated import AlertOut as Alert
from ._generated import AlertRulesIn as AlertRulesRequest
from ._generated import AlertRulesOut as AlertRules
from ._generated import AllAlertsOut as AllAlerts
from ._generated import AuditEntryOut as AuditEntry
from ._generated import AuditListOut as AuditList
from ._generated import CalculateResourcesIn as CalculateResourcesRequest
from ._generated import CalculationOut as Calculation
from ._generated import CapacityOut as Capacity
from ._generated import CatalogDiffOut as CatalogDiff
from ._generated import CatalogIn as CatalogRequest
from ._generated import CatalogRolloutIn as CatalogRolloutRequest
from ._generated import CostsOut as Costs
from ._generated import CreatedTenantOut as CreatedTenant
from ._generated import CreateTenantIn as TenantRequest
from ._generated import DeletionOut as Deletion
from ._generated import DeliveryListOut as DeliveryList
from ._generated import DeliveryOut as Delivery
from ._generated import DeploymentEntryOut as DeploymentEntry
from ._generated import DeploymentListOut as DeploymentList
from ._generated import DeploymentStatusOut as DeploymentStatus
from ._generated import EventOut as ClusterEvent
from ._generated import EventsOut as Events
from ._generated import FailureOut as Failure
from ._generated import HealthOut as Health
from ._generated import MonitoringOut as Monitoring
from ._generated import NodesOut as Nodes
from ._generated import OverviewOut as Overview
from ._generated import PreviewOut as Preview
from ._generated import ReceiverIn as ReceiverRequest
from ._generated import ReceiverListOut as ReceiverList
from ._generated import ReceiverOut as Receiver
from ._generated import RecommendationOut as Recommendation
from ._generated import RollbackIn as RollbackRequest
from ._generated import SilenceIn as SilenceRequest
from ._generated import SilenceListOut as SilenceList
from ._generated import SilenceOut as Silence
from ._generated import SilenceTrialOut as SilenceTrial
from ._generated import StartedRolloutOut as StartedRollout
from ._generated import SystemMetricsOut as SystemMetrics
from ._generated import TenantCostOut as TenantCost
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
    "AlertRules",
    "AlertRulesRequest",
    "AlertState",
    "AlertType",
    "AllAlerts",
    "AuditEntry",
    "AuditList",
    "CalculateResourcesRequest",
    "Calculation",
    "Capacity",
    "CatalogDiff",
    "CatalogRequest",
    "CatalogRolloutRequest",
    "ClusterEvent",
    "Costs",
    "CreatedTenant",
    "Deletion",
    "Delivery",
    "DeliveryList",
    "DeploymentEntry",
    "DeploymentFrame",
    "DeploymentList",
    "DeploymentStatus",
    "Events",
    "Failure",
    "Health",
    "Interval",
    "ManifestFormat",
    "MetricType",
    "Metrics",
    "MetricsRequest",
    "Monitoring",
    "MonitoringFrame",
    "Nodes",
    "Overview",
    "Preset",
    "Preview",
    "Receiver",
    "ReceiverList",
    "ReceiverRequest",
    "Recommendation",
    "RollbackRequest",
    "Sample",
    "Series",
    "Severity",
    "Silence",
    "SilenceList",
    "SilenceRequest",
    "SilenceTrial",
    "StartedRollout",
    "SystemMetrics",
    "Tenant",
    "TenantCost",
    "TenantExpansion",
    "TenantList",
    "TenantRequest",
    "TenantSort",
    "TenantStatus",
    "TenantSummary",
    "TenantUpdate",
    "ValidateManifestRequest",
    "Validation",
]


Preset = Literal["micro", "small", "medium", "large"]
TenantStatus = Literal["pending", "running", "failed", "deleting"]
TenantSort = Literal[
    "name",
    "-name",
    "status",
    "-status",
    "created_at",
    "-created_at",
    "gpu",
    "-gpu",
    "cost",
    "-cost",
    "cpu_usage",
    "-cpu_usage",
    "gpu_usage",
    "-gpu_usage",
    "response_time",
    "-response_time",
]
"""What a list of tenants is ordered by; `-` for descending."""
TenantExpansion = Literal["metrics", "alerts", "cost", "failure"]
AlertState = Literal["open", "resolved", "all"]
Severity = Literal["warning", "critical"]
AlertType = Literal["resource_usage", "performance", "availability", "deployment_failed"]
Interval = Literal["1m", "5m", "1h"]
ManifestFormat = Literal["yaml", "json"]
MetricType = Literal[
    "cpu", "memory", "gpu", "network", "storage", "request_count", "response_time", "error_rate"
]
Series = Literal[MetricType, "network_in", "network_out"]
"""What a stream of samples can be asked for: the two series of `network` apart, too."""


class Metrics(TypedDict, total=False):
    """What was measured, at least one. The short names `cpu`, `memory` and `gpu` mean the long ones."""

    cpu: Optional[float]
    """Percent."""
    memory: Optional[float]
    """Percent."""
    gpu: Optional[float]
    """Percent."""
    cpu_usage: Optional[float]
    """Percent."""
    memory_usage: Optional[float]
    """Percent."""
    gpu_usage: Optional[float]
    """Percent."""
    network_in: Optional[float]
    """Bytes a second."""
    network_out: Optional[float]
    """Bytes a second."""
    storage_used: Optional[float]
    """Bytes."""
    request_count: Optional[float]
    """Requests since the last sample."""
    response_time: Optional[float]
    """Mean, in milliseconds."""
    error_rate: Optional[float]
    """Percent."""


class Sample(TypedDict):
    """One sample of a batch."""

    metrics: Metrics
    timestamp: NotRequired[Optional[str]]
    """When it was measured, RFC 3339; left out, now."""


class MetricsRequest(TypedDict, total=False):
    """One sample with its time, or a batch of them, all or none of which is stored."""

    timestamp: Optional[str]
    metrics: Optional[Metrics]
    samples: Optional[list[Sample]]
