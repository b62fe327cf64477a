"""Serves the figures of all services as metrics for Prometheus; imported if ``[metrics]`` has an address."""
