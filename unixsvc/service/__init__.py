"""One service in one process: its parts, its factory and its lifecycle."""
