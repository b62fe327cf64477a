"""What happens now in the workers, for operators."""
