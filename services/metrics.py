"""Figures for Prometheus. Labels are small closed sets; no person, no value, no key."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 20, 50, 80)


class Metrics:
    """The figures of one process. Each instance has a registry of its own, so that tests can have many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sahha_reads = Counter(
            "firstlight_sahha_reads", "Live reads of a person, by result.", ["result"], registry=self.registry
        )
        self.sahha_read_seconds = Histogram(
            "firstlight_sahha_read_seconds", "Time of a whole live read.", buckets=SECONDS, registry=self.registry
        )
        self.fallbacks = Counter(
            "firstlight_database_fallbacks",
            "Reads answered from the database because Sahha failed.",
            registry=self.registry,
        )
        self.records = Counter(
            "firstlight_health_records",
            "Rows received, by what became of them: changed, unchanged, repaired, rejected.",
            ["fate"],
            registry=self.registry,
        )
        self.archive_failures = Counter(
            "firstlight_archive_failures", "Live reads that the database did not take in time.", registry=self.registry
        )
        self.routines = Counter(
            "firstlight_routines", "Routines that became final, by status.", ["status"], registry=self.registry
        )
        self.routine_seconds = Histogram(
            "firstlight_routine_seconds", "From acknowledgement to READY.", buckets=SECONDS, registry=self.registry
        )
        self.fenced = Counter(
            "firstlight_fenced_writes",
            "Final writes refused because another attempt took over.",
            registry=self.registry,
        )
        self.job_runs = Counter(
            "firstlight_scheduled_runs",
            "Runs of scheduled jobs, by job and status.",
            ["job", "status"],
            registry=self.registry,
        )

    def render(self) -> bytes:
        """The figures in Prometheus' text format."""
        return generate_latest(self.registry)
