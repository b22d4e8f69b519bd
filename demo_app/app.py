"""The app for a WSGI server: `gunicorn demo_app.app:server`."""

from __future__ import annotations

from .factory import create_app

app = create_app()
server = app.server

# Dash gets ready during its first request, and fails those that other threads answer meanwhile: let it be this one.
server.test_client().get("/_favicon.ico").close()
