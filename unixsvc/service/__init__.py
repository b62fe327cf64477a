"""One service inside one process."""
