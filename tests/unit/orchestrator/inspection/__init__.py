"""Tests of what asks workers."""
