"""The listening sockets that the orchestrator owns."""
