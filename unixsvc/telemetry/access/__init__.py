"""The access log: its events, and their way to the orchestrator."""
