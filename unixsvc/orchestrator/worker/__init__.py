"""The worker process, which the orchestrator starts."""
