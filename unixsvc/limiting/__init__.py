"""Rate limits: how many requests a caller may make in a time, exact over all workers of a service."""
