"""An application on FastAPI, and the same one here."""
