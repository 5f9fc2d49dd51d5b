"""Real containers, for what the kit answers for: refusals, registries, rebuilds. They are run together with tests/image."""

from tests.image.conftest import card, figures, start, tested_image

__all__ = ["card", "figures", "start", "tested_image"]
