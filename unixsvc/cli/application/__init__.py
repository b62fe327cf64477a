"""Applications that are built as in a worker, but do not run."""
