"""The worker process: started by the orchestrator, never by hand."""
