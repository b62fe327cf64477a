"""The HTTP peers: the same two routes on each, in its own idiom, each with its own libraries."""
