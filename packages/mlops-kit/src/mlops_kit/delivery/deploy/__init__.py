"""From an image to what users get: releases, the rollout on ECS, the probe, rollback."""
