"""Debug sessions: a worker with the terminal of a person, in place of the workers of a service."""
