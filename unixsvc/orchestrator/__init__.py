"""The orchestrator: runs services in pools of worker processes."""
