"""Header fields: negotiation, validators, CORS."""
