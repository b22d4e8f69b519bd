"""The DataFrame of the current session as a file: Flask routes that read the store by its name."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pandas as pd
from flask import Flask, Response, abort, send_file

from dash_statemanager import get_store

CHUNK_ROWS = 20_000


def add_routes(server: Flask, prefix: str = "/") -> None:
    """Adds `download/flights.csv` and `download/flights.parquet` under the app's prefix."""
    server.add_url_rule(f"{prefix}download/flights.csv", "flights_csv", send_csv)
    server.add_url_rule(f"{prefix}download/flights.parquet", "flights_parquet", send_parquet)


def send_csv() -> Response:
    """CSV, written while it is being sent: no copy of all of it anywhere."""
    headers = {"Content-Disposition": "attachment; filename=flights.csv"}
    return Response(csv_chunks(_flights()), mimetype="text/csv", headers=headers)


def csv_chunks(frame: pd.DataFrame) -> Iterator[str]:
    """The frame as CSV, piece by piece; the first piece has the header."""
    for start in range(0, max(1, len(frame)), CHUNK_ROWS):
        yield frame.iloc[start : start + CHUNK_ROWS].to_csv(index=False, header=start == 0)


def send_parquet() -> Response:
    """Parquet, with all types of the columns."""
    file = io.BytesIO(_flights().to_parquet(index=False))
    mimetype = "application/vnd.apache.parquet"
    return send_file(file, mimetype=mimetype, as_attachment=True, download_name="flights.parquet")


def _flights() -> pd.DataFrame:
    frame = get_store("flights")
    if frame is None:
        abort(404, "There is nothing to download yet: run a query first.")
    return frame
