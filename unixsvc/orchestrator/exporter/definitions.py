"""The metrics of unixsvc: their names, types and descriptions."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from unixsvc.telemetry.exposition.model import Kind

__all__ = ["DEFINITIONS", "Definition"]


class Definition(Struct, frozen=True):
    """One metric.

    :ivar name: without the suffixes of its samples, as ``_total``. Those of the orchestrator's process have
        the names that all programs use.
    """

    name: str
    kind: Kind
    help: str
    unit: str = ""


_SECONDS: Final = "seconds"
_BYTES: Final = "bytes"

DEFINITIONS: Final = (
    Definition("unixsvc_build", "info", help="The versions of unixsvc, Python and Twisted."),
    Definition("unixsvc_service_up", "gauge", help="Whether a worker of the service is ready."),
    Definition("unixsvc_service_status", "gauge", help="1 for the status, as in unixsvc status."),
    Definition("unixsvc_requests", "counter", help="Requests by service, method, route and status code."),
    Definition("unixsvc_request_errors", "counter", help="Requests with a status code of 500 or more."),
    Definition("unixsvc_request_duration_seconds", "histogram", help="The time to the reply.", unit=_SECONDS),
    Definition("unixsvc_caller_requests", "counter", help="Requests by the token or the user of the caller."),
    Definition("unixsvc_caller_request_errors", "counter", help="Those of them with a code of 500 or more."),
    Definition("unixsvc_probes", "counter", help="Health checks by path and status code; no requests."),
    Definition("unixsvc_wrong_tokens", "counter", help="Wrong tokens that clients have sent."),
    Definition("unixsvc_received_bytes", "counter", help="Bytes that clients have sent.", unit=_BYTES),
    Definition("unixsvc_sent_bytes", "counter", help="Bytes that were sent to clients.", unit=_BYTES),
    Definition("unixsvc_workers", "gauge", help="Workers by their state."),
    Definition("unixsvc_worker_exits", "counter", help="Workers that have ended, by reason."),
    Definition("unixsvc_worker_connections", "gauge", help="Connections of clients."),
    Definition("unixsvc_worker_connections_limit", "gauge", help="max_connections of each worker."),
    Definition("unixsvc_worker_inflight_requests", "gauge", help="Requests without a reply."),
    Definition("unixsvc_worker_queued", "gauge", help="What waits for memory or for a thread."),
    Definition("unixsvc_worker_inflight_requests_limit", "gauge", help="max_inflight of each worker."),
    Definition("unixsvc_worker_resident_memory_bytes", "gauge", help="Resident memory.", unit=_BYTES),
    Definition("unixsvc_worker_shared_memory_bytes", "gauge", help="The shared part of it.", unit=_BYTES),
    Definition("unixsvc_worker_open_fds", "gauge", help="Open file descriptors."),
    Definition("unixsvc_worker_max_fds", "gauge", help="The limit of open file descriptors of each worker."),
    Definition(
        "unixsvc_worker_event_loop_lag_seconds",
        "gauge",
        help="How late the event loop was at the last report, which is requested each second.",
        unit=_SECONDS,
    ),
    Definition(
        "unixsvc_worker_cpu_seconds", "counter", help="CPU time of all workers of the service.", unit=_SECONDS
    ),
    Definition("unixsvc_client_calls", "counter", help="Calls to another service."),
    Definition("unixsvc_client_retries", "counter", help="Attempts after the first one of a call."),
    Definition(
        "unixsvc_client_failures", "counter", help="Calls without a reply, or with a code of 500 or more."
    ),
    Definition("unixsvc_client_refused", "counter", help="Calls that a circuit breaker has refused."),
    Definition(
        "unixsvc_client_duration_seconds",
        "histogram",
        help="The time of a call to another service, with its retries.",
        unit=_SECONDS,
    ),
    Definition("unixsvc_client_connections", "gauge", help="Connections to another service."),
    Definition("unixsvc_client_breakers", "gauge", help="Workers by the state of their circuit breaker."),
    Definition("unixsvc_client_spent_budgets", "gauge", help="Workers whose retry budget is used up."),
    Definition("unixsvc_tasks_running", "gauge", help="Tasks beside requests that run."),
    Definition("unixsvc_tasks", "counter", help="Tasks that have ended, by result."),
    Definition("process_cpu_seconds", "counter", help="CPU time of the orchestrator.", unit=_SECONDS),
    Definition(
        "process_resident_memory_bytes", "gauge", help="Resident memory of the orchestrator.", unit=_BYTES
    ),
    Definition("process_open_fds", "gauge", help="Open file descriptors of the orchestrator."),
    Definition("process_max_fds", "gauge", help="Its limit of open file descriptors."),
)
