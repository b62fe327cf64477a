"""Builds and installs the distributions as users do, in environments of their own."""
