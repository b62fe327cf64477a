"""What surrounds each call of a service: rate limits, interceptors, the access log."""
