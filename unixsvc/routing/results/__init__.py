"""From what an action returns to a reply."""
