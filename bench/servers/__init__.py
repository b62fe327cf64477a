"""The peers: each serves the same two things, in the manner that its users would have them."""
