"""Requests of twisted.web and Klein applications, on our own server and on sites of others."""
