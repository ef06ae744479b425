"""Metrics of the service in Prometheus' format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from leser.serving.service import Expanded, Service

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class Metrics:
    """Requests by route and status with their time, expansions by source, and the state of store and policy."""

    def __init__(self, service: Service) -> None:
        self._kept = CollectorRegistry()
        ProcessCollector(registry=self._kept)
        self._requests = Counter("leser_requests", "Requests", ["route", "status"], registry=self._kept)
        self._seconds = Histogram(
            "leser_request_seconds", "Time of a request", ["route"], buckets=BUCKETS, registry=self._kept
        )
        self._expanded = Counter("leser_expansions", "Answers of /v1/expand", ["source", "reason"], registry=self._kept)
        self._gauge("leser_store_generation", "Generation that is served", lambda: _number(service))
        self._gauge("leser_store_ok", "1 where the store could be read", lambda: float(not service.head.trouble))
        self._gauge("leser_answers_not_stored", "Live answers that the store did not take", lambda: service.not_stored)
        if tail := service.tail:
            self._gauge(
                "leser_policy_ready",
                "1 where the policy, or the baseline in its place, answers",
                lambda: float(tail.live.proposer.ready),
            )
            self._gauge("leser_policy_restarts", "Restarts of its process", lambda: max(tail.live.proposer.restarts, 0))
            self._gauge("leser_run_swaps", "Changed runs that were taken over", lambda: tail.swaps)
            self._gauge("leser_run_refusals", "Changed runs that were refused", lambda: tail.refusals)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def expanded(self, found: Expanded) -> None:
        """Count an answer."""
        self._expanded.labels(found.source, found.reason).inc()

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._kept)

    def _gauge(self, name: str, said: str, value: object) -> None:
        Gauge(name, said, registry=self._kept).set_function(value)  # type: ignore[arg-type]


def _number(service: Service) -> float:
    return float(service.head.generation.number) if service.head.generation else 0.0
