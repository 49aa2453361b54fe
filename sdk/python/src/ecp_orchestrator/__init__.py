"""Client of the ECP-AI Kubernetes Orchestrator."""

from ._sender import AsyncMetricsSender, MetricsSender
from ._streams import AsyncSubscription, Gap, Subscription
from ._transport import ECPWarning, RequestOptions, Response, RetryPolicy
from .async_client import AsyncECPClient
from .client import ECPClient
from .errors import (
    AuthError,
    ConflictError,
    DeploymentFailedError,
    ECPConnectionError,
    ECPError,
    ECPTimeoutError,
    FieldFault,
    InvalidResponseError,
    NotFoundError,
    RateLimitError,
    ServerError,
    ValidationError,
)

__all__ = [
    "AsyncECPClient",
    "AsyncMetricsSender",
    "AsyncSubscription",
    "AuthError",
    "ConflictError",
    "DeploymentFailedError",
    "ECPClient",
    "ECPConnectionError",
    "ECPError",
    "ECPTimeoutError",
    "ECPWarning",
    "FieldFault",
    "Gap",
    "InvalidResponseError",
    "MetricsSender",
    "NotFoundError",
    "RateLimitError",
    "RequestOptions",
    "Response",
    "RetryPolicy",
    "ServerError",
    "Subscription",
    "ValidationError",
]
