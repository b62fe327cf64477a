"""An HTTP/1.1 server on asyncio transports, strict about what it reads."""
