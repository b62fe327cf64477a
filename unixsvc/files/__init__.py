"""Files of the disk that are sent to clients: their media types, and how they are opened."""
