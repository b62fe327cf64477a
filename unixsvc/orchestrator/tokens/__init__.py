"""The tokens of a running system: the shared one and its rotation, those with names, and revocations."""
