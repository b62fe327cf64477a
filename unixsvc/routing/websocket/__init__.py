"""WebSockets as actions."""
