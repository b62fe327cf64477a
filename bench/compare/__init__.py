"""``python -m bench compare``: two revisions of unixsvc under the same loads."""
