"""The app of `test_servers`, for the command lines of real servers: which kind it is says the environment."""

from __future__ import annotations

import os

from tests.integration.test_servers import make_app

app = make_app(os.environ["TESTED_SERVER_KIND"])
server = app.server
