"""From a path and a method to an action with checked arguments."""
