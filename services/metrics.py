"""Figures for Prometheus. Labels are small closed sets; no person, no value, no key."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from services.breaker import BreakerState
from services.resilience import Attempt

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 20, 50, 80)


class Metrics:
    """The figures of one process. Each instance has a registry of its own, so that tests can have many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sahha_reads = self._counter("sahha_reads", "Live reads of a person, by result.", "result")
        self.sahha_read_seconds = self._seconds("sahha_read_seconds", "Time of a whole live read.")
        self.sahha_attempts = self._counter(
            "sahha_attempts", "Attempts at a call to Sahha: first, repeated, or withheld by the retry budget.", "attempt"
        )
        self.sahha_breaker_states = Gauge(
            "firstlight_sahha_breaker", "1 for the state that reading Sahha is in.", ["state"], registry=self.registry
        )
        self.sahha_breaker(BreakerState.CLOSED)
        self.fallbacks = self._counter("database_fallbacks", "Reads answered from the database because Sahha failed.")
        self.records = self._counter(
            "health_records", "Rows received, by what became of them: changed, unchanged, repaired, rejected, doubted.", "fate"
        )
        self.archive_failures = self._counter("archive_failures", "Live reads that the database did not take in time.")
        self.refreshes = self._counter(
            "refreshed_people", "People of the refresh job, by result: refreshed, current, passed_by, failed.", "result"
        )
        self.webhook_events = self._counter(
            "webhook_events",
            "Sahha's events, by what became of them: accepted, duplicate, unsigned, malformed, misattributed, applied, kept.",
            "fate",
        )
        self.routines = self._counter("routines", "Routines that became final, by status.", "status")
        self.routine_seconds = self._seconds("routine_seconds", "From acknowledgement to READY.")
        self.fenced = self._counter("fenced_writes", "Final writes refused because another attempt took over.")
        self.model_calls = self._counter("model_calls", "Calls to the model, by how they ended.", "result")
        self.model_call_seconds = self._seconds("model_call_seconds", "Time of a whole call to the model.")
        self.model_tokens = self._counter("model_tokens", "Tokens told by the model: input, cached, output.", "kind")
        self.rate_limited = self._counter(
            "rate_limited", "Operations refused because a budget was spent: key, person, work, unknown_key.", "budget"
        )
        self.shed_operations = self._counter(
            "shed_operations", "Operations turned away because there was no place: reads, mutations.", "lane"
        )
        self.job_runs = self._counter("scheduled_runs", "Runs of scheduled jobs, by job and status.", "job", "status")
        self.open_streams = Gauge(
            "firstlight_open_streams", "Open sockets and event streams: websocket, sse.", ["kind"], registry=self.registry
        )
        self.ended_streams = self._counter(
            "ended_streams",
            "Streams ended early: no_init, too_many, expired, old, slow, silent, stopping.",
            "ending",
        )

    def sahha_attempt(self, attempt: Attempt) -> None:
        """One more attempt at a call to Sahha."""
        self.sahha_attempts.labels(attempt.value).inc()

    def sahha_breaker(self, state: BreakerState) -> None:
        """The state that reading Sahha is in from now on."""
        for each in BreakerState:
            self.sahha_breaker_states.labels(each.value).set(each is state)

    def render(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"firstlight_{name}", text, labels, registry=self.registry)

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(f"firstlight_{name}", text, buckets=SECONDS, registry=self.registry)
