"""CI systems: pipelines, build times, cost, notices, OIDC."""
