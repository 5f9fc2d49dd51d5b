"""The duration and the cost of builds."""
