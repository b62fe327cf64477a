"""The pool of worker processes of one service."""
