"""The search for better parameters: candidates, successive halving over a cluster, the runs it leaves."""
