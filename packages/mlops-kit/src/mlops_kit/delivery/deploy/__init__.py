"""Deployment of an image: releases, the rollout on ECS, the probe, rollback."""
