"""Parameters of actions that come from something other than path, data or query."""
