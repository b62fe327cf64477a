"""OpenAPI 3.1 documents from contracts."""
