"""The client for asyncio programs; it imports no Twisted."""
