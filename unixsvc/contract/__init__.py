"""The contract: a machine-readable description of a service's routes and types."""
