"""Interceptors: code of the application around each call, on the server's and on the client's side."""
