"""Figures and logs."""
