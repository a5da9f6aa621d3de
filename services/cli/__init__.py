"""The `eventlog` command, the only part that knows all others."""
