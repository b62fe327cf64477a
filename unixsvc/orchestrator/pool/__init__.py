"""A pool: the worker processes of one service, and the policy that supervises them."""
