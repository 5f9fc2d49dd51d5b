"""What CI systems need: pipelines, times, cost, notices, OIDC."""
