"""What builds take and cost."""
