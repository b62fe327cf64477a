"""The client for scripts and threads; it imports neither Twisted nor asyncio."""
