"""Clients in other languages that are generated from the OpenAPI document of the demo."""
