"""The cost of this month's jobs, next to the month before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Optional

from mlops_kit.core import job_summary
from mlops_kit.core.files import write_json, write_text

from ..settings import CiPricesConfig
from .github_jobs import Job

JSON = Path("reports/ci-cost.json")
MARKDOWN = Path("reports/ci-cost.md")

_DEAREST = 10


class _Total(NamedTuple):
    jobs: int
    minutes: int
    cost: float


def months(now: datetime) -> tuple[datetime, datetime]:
    """Return the first moments of the previous month and of this month."""
    this = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (this - timedelta(days=1)).replace(day=1), this


def report(jobs: Iterable[Job], prices: CiPricesConfig, now: datetime) -> dict[str, Any]:
    """Return this month's cost so far, its trend, and its most expensive jobs; amounts are in `currency`.

    `trend_percent` compares with the same part of the previous month; it is None where that cost nothing.

    Args:
        jobs: The jobs of both months.
        prices: The price of a minute for each runner label.
        now: The end of the period.
    """
    last_month, this_month = months(now)
    jobs = list(jobs)
    this = [job for job in jobs if this_month <= job.started < now]
    before = [job for job in jobs if last_month <= job.started < this_month]
    until = min(last_month + (now - this_month), this_month)
    same_part = _total([job for job in before if job.started < until], prices)
    total = _total(this, prices)
    return {
        "month": f"{this_month:%Y-%m}",
        "until": now.isoformat(timespec="seconds"),
        "currency": prices.currency,
        "source": prices.source,
        "valid_from": prices.valid_from,
        **total._asdict(),
        "previous": {"month": f"{last_month:%Y-%m}", **_total(before, prices)._asdict()},
        "previous_same_part": same_part._asdict(),
        "trend_percent": round(100 * (total.cost / same_part.cost - 1)) if same_part.cost else None,
        "dearest": _shares(this, prices, lambda job: f"{job.workflow} / {job.name}")[:_DEAREST],
        "runners": _shares(this, prices, lambda job: _runner(job, prices)),
        "unpriced": sorted({_runner(job, prices) for job in this if _price(job, prices) is None}),
    }


def _runner(job: Job, prices: CiPricesConfig) -> str:
    """Return the runner label with the highest price, or all labels of the job if none has a price."""
    priced = [label for label in job.labels if label in prices.per_minute]
    return max(priced, key=prices.per_minute.__getitem__) if priced else ", ".join(job.labels)


def _price(job: Job, prices: CiPricesConfig) -> Optional[float]:
    return prices.per_minute.get(_runner(job, prices))


def _total(jobs: list[Job], prices: CiPricesConfig) -> _Total:
    cost = sum(job.minutes * (_price(job, prices) or 0) for job in jobs)
    return _Total(len(jobs), sum(job.minutes for job in jobs), round(cost, 2))


def _shares(
    jobs: list[Job], prices: CiPricesConfig, key: Callable[[Job], str]
) -> list[dict[str, Any]]:
    """Return the total for each key, the most expensive first."""
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[key(job)].append(job)
    shares = [{"name": name, **_total(group, prices)._asdict()} for name, group in groups.items()]
    return sorted(shares, key=lambda share: (-share["cost"], -share["minutes"], share["name"]))


def title(found: dict[str, Any]) -> str:
    """Return the title of a report."""
    return f"CI cost, {found['month']} so far: {found['cost']:.2f} {found['currency']}"


def sentences(found: dict[str, Any]) -> list[str]:
    """Return the report in sentences."""
    currency, previous, same = found["currency"], found["previous"], found["previous_same_part"]
    lines = [
        f"{found['month']} so far: {found['cost']:.2f} {currency} for {found['minutes']:,} minutes in"
        f" {found['jobs']:,} jobs."
    ]
    trend = found["trend_percent"]
    if trend is not None:
        lines.append(
            f"That is {abs(trend)} % {'less' if trend < 0 else 'more'} than in the same part of"
            f" {previous['month']} ({same['cost']:.2f} {currency}; {previous['cost']:.2f} {currency} in all)."
        )
    lines += [
        f"Runner {name!r} has no price in configs/ci-prices.yaml: its minutes are counted, not priced."
        for name in found["unpriced"]
    ]
    return lines


def write(found: dict[str, Any]) -> None:
    """Write reports/ci-cost.json, reports/ci-cost.md and the section on cost of reports/summary.md.

    Raises:
        OSError: They cannot be written.
    """
    write_json(JSON, found)
    lines = [*sentences(found), ""]
    for heading, key in (("Dearest jobs", "dearest"), ("Runners", "runners")):
        lines += [f"### {heading}", "", *job_summary.table(columns(found), rows(found[key]))]
    lines += [
        f"Prices since {found['valid_from']}, without what a plan includes: {found['source']}",
        "",
    ]
    write_text(MARKDOWN, "\n".join([f"## {title(found)}", "", *lines]))
    job_summary.put_section("CI cost", lines)


def columns(found: dict[str, Any]) -> list[str]:
    """Return the column headings of a table of shares."""
    return ["", "jobs", "minutes", found["currency"]]


def rows(shares: list[dict[str, Any]]) -> list[list[str]]:
    """Return the cells of a table of shares."""
    return [
        [share["name"], f"{share['jobs']:,}", f"{share['minutes']:,}", f"{share['cost']:.2f}"]
        for share in shares
    ]
