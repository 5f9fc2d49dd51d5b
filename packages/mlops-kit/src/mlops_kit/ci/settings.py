"""The settings in configs/ci-prices.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from mlops_kit.core.config import Section, load

CI_PRICES = Path("configs/ci-prices.yaml")


class CiPricesConfig(Section):
    """The price of a minute for each runner label, and the source of the prices."""

    source: str = Field(pattern=r"^https?://", description="the web address of the price list")
    valid_from: str = Field(
        pattern=r"^\d{4}-\d{2}-\d{2}$", description='a date in quotes, like "2026-01-01"'
    )
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="three letters, like USD")
    per_minute: dict[str, Annotated[float, Field(ge=0)]] = Field(
        description="a mapping of runner labels to prices of a minute, 0 or more"
    )


def load_ci_prices() -> CiPricesConfig:
    """Read configs/ci-prices.yaml.

    Raises:
        UserError: As `core.config.load`.
    """
    return load(CiPricesConfig, CI_PRICES, "", "")
