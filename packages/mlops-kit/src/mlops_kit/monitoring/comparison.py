"""The comparison of champion and challenger, and its report: reports/compare.json and a section of the summary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Optional

from mlops_kit.core import job_summary
from mlops_kit.core.files import write_json
from mlops_kit.experiments.metrics import Estimate
from mlops_kit.experiments.promotion import COMPARISON, WORSE
from mlops_kit.experiments.report.numbers import interval, number, signed
from mlops_kit.serving.settings import SHADOW

from .agreement import Agreement
from .latency import Latency
from .recorded_rows import title
from .result import INSUFFICIENT_DATA

BETTER, NO_DIFFERENCE = "better", "no difference shown"
COLUMNS = ["metric", "champion", "challenger", "gain", "interval"]


@dataclass(frozen=True)
class Measured:
    """A metric of both versions, and the gain of the challenger (negative: it is worse)."""

    champion: Estimate
    challenger: Estimate
    gain: Estimate


@dataclass
class Comparison:
    """The comparison of two versions; times are ISO 8601 strings in UTC.

    In `mode` shadow both predicted the same rows, in share each predicted its own. `rows` and `labels` are the numbers of
    compared ones, of the champion and of the challenger; `latencies` are those of their requests. `sentence` is the
    `result` with its reason; `more_rows` and `more_labels` are how many are missing for a result.
    """

    model: str
    champion: str
    challenger: str
    since: str
    until: str
    metric: str
    mode: str = ""
    result: str = INSUFFICIENT_DATA
    sentence: str = ""
    rows: tuple[int, int] = (0, 0)
    labels: tuple[int, int] = (0, 0)
    more_rows: int = 0
    more_labels: int = 0
    agreement: Optional[Agreement] = None
    latencies: tuple[Latency, ...] = ()
    metrics: dict[str, Measured] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set_result(self, least: int, has_labels: bool) -> None:
        """Set the result by the interval of the gain; with fewer than `least` rows or labels it is "insufficient data"."""
        self.more_rows, self.more_labels = (
            max(0, least - min(counts)) for counts in (self.rows, self.labels)
        )
        why = ""
        if self.more_rows:
            why = (
                f"{self._counted('rows', self.rows)}, {least:,} are needed: {self.more_rows:,} more"
            )
        elif not has_labels:
            why = f"no labels are named (DATA=…), {least:,} are needed"
        elif self.more_labels:
            why = f"{self._counted('labels', self.labels)}, {least:,} are needed: {self.more_labels:,} more"
        elif not self._is_defined():
            why = f"{self.metric} is not defined on these rows"
        if why:
            self.result, self.sentence = INSUFFICIENT_DATA, f"{INSUFFICIENT_DATA}: {why}"
            return
        gain = self.metrics[self.metric].gain
        self.result = BETTER if gain.lower > 0 else WORSE if gain.upper < 0 else NO_DIFFERENCE
        found = f"gain in {self.metric} {signed(gain.value)} ({interval(vars(gain))})"
        self.sentence = f"{self.result}: {found} on {self._counted('labels', self.labels)}"

    def rows_of_metrics(self) -> list[list[str]]:
        """Return a row of the table for each metric, with the columns COLUMNS."""
        return [
            [
                name,
                number(each.champion.value),
                number(each.challenger.value),
                signed(each.gain.value),
                interval(vars(each.gain)),
            ]
            for name, each in self.metrics.items()
        ]

    def agrees(self) -> str:
        """Return a sentence about the agreement of the predictions, or an empty string where no row has both."""
        found = self.agreement
        if found is None:
            return ""
        share = f"{found.share:.1%} ({found.lower:.1%} to {found.upper:.1%})"
        return f"the same answer to {share} of {self.rows[0]:,} rows; they differ by {number(found.difference)} on average"

    def took(self) -> str:
        """Return a sentence about the latency of both versions, or an empty string where one has no row."""
        sides = [
            f"{name} {each.median:.2f} ms (p99 {each.p99:.2f} ms)"
            for name, each in zip(("champion", "challenger"), self.latencies)
        ]
        if sides and self.mode == SHADOW:
            sides.append("whose process comes last on the processor")
        return ", ".join(sides)

    def write(self) -> None:
        """Write the file and the section of the summary, which has no value of the data.

        Raises:
            OSError: A file cannot be written.
        """
        write_json(COMPARISON, asdict(self))
        rivals = f"{title(self.model, self.challenger)} against version {self.champion}"
        lines = [f"{rivals}, from {self.since} to {self.until}.", "", f"**{self.sentence}.**", ""]
        found = [("agreement", self.agrees()), ("latency", self.took())]
        lines += [f"- {what}: {sentence}" for what, sentence in found if sentence]
        lines += [f"- {each}" for each in self.notes]
        if self.metrics:
            lines += ["", *job_summary.table(COLUMNS, self.rows_of_metrics())]
        job_summary.put_section("Compare", lines)

    def _counted(self, what: str, counts: tuple[int, int]) -> str:
        if self.mode == SHADOW:
            return f"{counts[0]:,} {what} that both versions have"
        return f"{counts[0]:,} {what} of version {self.champion} and {counts[1]:,} of version {self.challenger}"

    def _is_defined(self) -> bool:
        gain = self.metrics[self.metric].gain
        return gain.lower == gain.lower and gain.value == gain.value
