"""The header that marks a request as a probe: it tests whether the service responds; its rows are not traffic."""

PROBE_HEADER = "X-Probe"
