"""Pages: what the Klein routes of an application share with its actions."""
