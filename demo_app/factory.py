"""Makes the app."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash

from dash_statemanager import configure

from . import downloads, shell
from .jobs import job_manager
from .pages import plot, profile, query, state

dmc.pre_render_color_scheme()


def create_app(**settings: Any) -> Dash:
    """Makes the Dash app; one per process.

    Args:
        **settings: Settings of dash_statemanager, such as `backend="memory"`. They win over the environment, which
            wins over `config.toml` in the working directory.
    """
    app = Dash(
        "demo_app",
        title="Flight Deck",
        use_pages=True,
        pages_folder="",
        background_callback_manager=job_manager(configure(**settings).settings.backend),
        suppress_callback_exceptions=True,
        update_title="",
    )
    for page in (query, plot, profile, state):
        page.register()
    app.layout = shell.layout
    downloads.add_routes(app.server, app.config.routes_pathname_prefix)
    return app
