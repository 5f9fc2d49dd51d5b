"""What every room needs: errors, files, console, config loading, provenance, small HTTP."""
