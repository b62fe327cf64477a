"""Validation that finds every problem of a value; msgspec itself stops at the first one."""
