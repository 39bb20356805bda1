"""Counts and times of a server, for Prometheus."""

from collections import Counter
from collections.abc import Iterator

from ..engine.scheduling import Load
from .prometheus import described, single

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


class Histogram:
    """Counts of observed times, by upper bound in seconds."""

    def __init__(self) -> None:
        """Start empty."""
        self._counts = [0] * (len(_BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one more time."""
        place = sum(seconds > bound for bound in _BUCKETS)
        self._counts[place] += 1
        self._sum += seconds

    def lines(self, name: str) -> Iterator[str]:
        """Yield the sample lines of a metric with this name."""
        total = 0
        for bound, count in zip((*_BUCKETS, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """What a server has counted since it started.

    Attributes:
        requests: responses by path and status.
        prompt_tokens: evaluated for completions and embeddings.
        completion_tokens: generated.
        disconnects: requests whose client disconnected before the end.
        first_token: seconds from a request to its first token.
        duration: seconds from a completion request to its end.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.requests: Counter[tuple[str, int]] = Counter()
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.disconnects = 0
        self.first_token = Histogram()
        self.duration = Histogram()

    def text(self, load: Load, open_completions: int) -> str:
        """Return all metrics, with the scheduler's load at this moment."""
        responses = [
            f'distil_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        lines = list(
            described(
                "distil_requests_total",
                "counter",
                "HTTP responses by path and status.",
                responses,
            )
        )
        for name, kind, meaning, value in (
            ("prompt_tokens_total", "counter", "Tokens of prompts and inputs.", self.prompt_tokens),
            ("completion_tokens_total", "counter", "Tokens generated.", self.completion_tokens),
            ("disconnects_total", "counter", "Clients that disconnected early.", self.disconnects),
            ("batch_steps_total", "counter", "Steps of batched decoding.", load.steps),
            ("batch_tokens_total", "counter", "Tokens generated in batch steps.", load.step_tokens),
            ("batch_seconds_total", "counter", "Seconds spent in batch steps.", load.step_seconds),
            ("prompt_seconds_total", "counter", "Seconds spent on prompts.", load.prompt_seconds),
            ("running", "gauge", "Completions being generated.", load.running),
            ("waiting", "gauge", "Completions and inputs waiting.", load.waiting),
            ("open", "gauge", "Completions and inputs not answered yet.", open_completions),
        ):
            lines += single(f"distil_{name}", kind, meaning, value)
        for name, meaning, histogram in (
            ("first_token", "Seconds from a request to its first token.", self.first_token),
            ("completion", "Seconds from a completion request to its end.", self.duration),
        ):
            full_name = f"distil_{name}_seconds"
            lines += described(full_name, "histogram", meaning, list(histogram.lines(full_name)))
        return "\n".join(lines) + "\n"
