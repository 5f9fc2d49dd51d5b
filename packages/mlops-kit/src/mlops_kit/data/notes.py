"""Notes on a table: what was inferred from its values without a setting."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_kit.core.config import as_set
from mlops_kit.core.values import category

from .settings import DataConfig


class Notes(list[str]):
    """Notes in the order of reading; `on_missing_target` is the one among them on why a target is missing, or empty."""

    on_missing_target = ""

    def add_missing_target(self, counts: Mapping[str, int], config: DataConfig) -> None:
        """Note how many values of the target were read as missing, by their text like {"NA": 2}, as they might be classes."""
        found = ", ".join(f"{text!r} ({count:,})" for text, count in counts.items())
        others = [word for word in config.missing_values if category(word) not in counts]
        line = as_set({"data.missing_values": others})
        self.on_missing_target = (
            f"values of the target that mean missing: {found}; where such are values: {line}"
        )
        self.append(self.on_missing_target)
