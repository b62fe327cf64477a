"""Fuzzing: random input, most of it almost right, for everything that reads what others have written."""
