"""The header that marks a request as a probe: it tests whether the service responds, and its rows are no traffic."""

PROBE_HEADER = "X-Probe"
