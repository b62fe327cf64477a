"""What the system is about, free of Twisted and of input and output."""
