"""The live page of the orchestrator: its server and its files."""
