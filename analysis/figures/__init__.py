"""Matplotlib views, by subject: each takes data and an ``ax`` and returns the artists it drew."""
