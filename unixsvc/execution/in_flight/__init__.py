"""What an operator sees of requests whose reply is not complete. Nothing is recorded while they run."""
