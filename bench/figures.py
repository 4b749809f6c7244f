"""The arithmetic of the benchmark: rounds in, figures out, and how a figure is printed and stored.

Owns medians, percentiles, ratios and the table. Measuring belongs to servers.py and load.py.
Pure: no clock, no process, no file.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from statistics import median

_BESIDE = {"rps": ",.0f", "p50": ".2f", "p99": ".2f"}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load against one server gave."""

    requests: int
    seconds: float
    server_cpu_seconds: float
    p50_ms: float
    p99_ms: float
    client_cpu_seconds: float = 0.0

    @property
    def cpu_us(self) -> float:
        """Return the server's CPU time for one request, in microseconds."""
        return self.server_cpu_seconds / self.requests * 1e6

    @property
    def per_second(self) -> float:
        """Return the requests answered in a second."""
        return self.requests / self.seconds

    @property
    def client_share(self) -> float:
        """Return how busy the core of the load generator was. Near 1, the rate is that of the load generator."""
        return self.client_cpu_seconds / self.seconds


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result. `ratio_to_bare` is set where the thing was measured beside the bare server."""

    name: str
    value: float
    unit: str
    ratio_to_bare: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The bar that a figure is held to: its ratio or its value, at least or at most so much."""

    figure: str
    bar: float
    on_ratio: bool = False
    at_most: bool = False

    def is_met_by(self, figure: Figure) -> bool:
        """Tell whether `figure` is on the right side. Without a ratio it misses a bar on the ratio."""
        value = figure.ratio_to_bare if self.on_ratio else figure.value
        if value is None:
            return False
        return value <= self.bar if self.at_most else value >= self.bar


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of the ordered values do not exceed (nearest rank).

    An empty sequence has none and raises ValueError.
    """
    if not ordered:
        raise ValueError("no values, no percentile")
    # Rounded first: 100 * 0.07 is a hair above 7 in binary, and the 8th value would be wrong.
    rank = ceil(round(len(ordered) * share, 6))
    return ordered[min(len(ordered), max(1, rank)) - 1]


def ratio_to_bare(bare: Sequence[Round], rounds: Sequence[Round]) -> float:
    """Return what share of the bare server's speed is left: its CPU time a request by ours.

    Rounds are compared pairwise, since a machine's speed drifts in a minute and neighbours share its mood.
    """
    return median(empty.cpu_us / ours.cpu_us for empty, ours in zip(bare, rounds, strict=True))


def figures_of(name: str, rounds: Sequence[Round], bare: Sequence[Round]) -> list[Figure]:
    """Turn one subject's rounds into its figures: CPU time first, under the subject's own name."""
    return [
        Figure(name, median(r.cpu_us for r in rounds), "us CPU/request", ratio_to_bare(bare, rounds)),
        Figure(f"{name}_rps", median(r.per_second for r in rounds), "requests/s"),
        Figure(f"{name}_p50", median(r.p50_ms for r in rounds), "ms"),
        Figure(f"{name}_p99", median(r.p99_ms for r in rounds), "ms"),
    ]


def as_document(figures: Sequence[Figure], *, idle: bool, **more: object) -> dict[str, object]:
    """Return the content of a file of results. `idle` is whether nothing else kept the machine busy."""
    return {"idle": idle, **more, "figures": [asdict(figure) for figure in figures]}


def as_table(figures: Sequence[Figure], budgets: Sequence[Budget], *, judged: bool = True) -> str:
    """Return the figures as lines of text, each with its ratio and its bar where it has them.

    The rate and the latencies of a subject are in its line. Budgets are compared with the figures only if they may be
    judged: see bench/machine.py.
    """
    bars = {budget.figure: budget for budget in budgets}
    known = {figure.name: figure for figure in figures}
    beside = {f"{name}_{suffix}" for name in known for suffix in _BESIDE} - bars.keys()
    lines = [f"{'figure':<44}{'value':>12}  {'unit':<15}{'to bare':>8}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}  budget"]
    for figure in figures:
        if figure.name in beside:
            continue
        ratio = "" if figure.ratio_to_bare is None else f"{figure.ratio_to_bare:.3f}"
        more = "".join(_cell(known.get(f"{figure.name}_{suffix}"), form) for suffix, form in _BESIDE.items())
        bar = _verdict(bars.get(figure.name), figure, judged=judged)
        lines.append(f"{figure.name:<44}{figure.value:>12,.2f}  {figure.unit:<15}{ratio:>8}{more}  {bar}".rstrip())
    lines += [f"{name:<44}{'-':>12}  not measured" for name in bars if name not in known]
    return "\n".join(lines)


def _cell(figure: Figure | None, form: str) -> str:
    return f"{'' if figure is None else format(figure.value, form):>9}"


def _verdict(budget: Budget | None, figure: Figure, *, judged: bool) -> str:
    if budget is None:
        return ""
    bar = f"{'<=' if budget.at_most else '>='} {budget.bar:,g}"
    if not judged:
        return f"{bar} not judged: the machine is not idle"
    return f"{bar} {'met' if budget.is_met_by(figure) else 'MISSED'}"
