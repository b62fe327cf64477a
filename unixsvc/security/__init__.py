"""Authentication: tokens and rules about peers."""
