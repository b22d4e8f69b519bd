"""The tables and columns that can be asked for. Nothing that is not listed here ever becomes SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "category", "date"]


@dataclass(frozen=True)
class Table:
    """A table that can be joined to the flights.

    Attributes:
        name: Its name in forms.
        label: Its name on the page.
        about: One line for people.
        join: How it is joined, as SQL. At most one of its rows meets a flight, so no join changes the count.
    """

    name: str
    label: str
    about: str
    join: str


@dataclass(frozen=True)
class Column:
    """A column of the result.

    Attributes:
        name: Its name in the result; unique over all tables.
        table: The table that it comes from.
        sql: The expression that gives it.
        kind: How it is filtered and drawn.
        label: Its name on the page.
        unit: Its unit, or an empty string.
    """

    name: str
    table: str
    sql: str
    kind: Kind
    label: str
    unit: str = ""

    @property
    def title(self) -> str:
        """Label and unit: `Departure delay (min)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


TABLES = (
    Table("flights", "Flights", "336,776 departures from EWR, JFK and LGA", "FROM flights"),
    Table("airlines", "Airlines", "full names of carriers", "LEFT JOIN airlines ON airlines.carrier = flights.carrier"),
    Table("planes", "Planes", "model, age, seats and engines", "LEFT JOIN planes ON planes.tailnum = flights.tailnum"),
    Table(
        "origins",
        "Origin airports",
        "name, position and time zone",
        "LEFT JOIN airports AS origins ON origins.faa = flights.origin",
    ),
    Table(
        "dests",
        "Destination airports",
        "name, position and time zone",
        "LEFT JOIN airports AS dests ON dests.faa = flights.dest",
    ),
    Table(
        "weather",
        "Weather",
        "at the origin, in the hour of departure",
        "LEFT JOIN weather ON weather.origin = flights.origin AND weather.time_hour = flights.time_hour",
    ),
)


def _columns(table: str, *rows: tuple[str, Kind, str, str], prefix: str = "") -> list[Column]:
    return [Column(prefix + name, table, f"{table}.{name}", kind, label, unit) for name, kind, label, unit in rows]


def _airport(table: str, prefix: str, label: str) -> list[Column]:
    return _columns(
        table,
        ("name", "category", f"{label} airport", ""),
        ("lat", "number", f"{label} latitude", "°"),
        ("lon", "number", f"{label} longitude", "°"),
        ("alt", "number", f"{label} altitude", "ft"),
        ("tzone", "category", f"{label} time zone", ""),
        prefix=prefix,
    )


COLUMNS = (
    *_columns(
        "flights",
        ("date", "date", "Date", ""),
        ("scheduled", "date", "Scheduled departure", "local"),
        ("year", "number", "Year", ""),
        ("month", "number", "Month", ""),
        ("day", "number", "Day of month", ""),
        ("hour", "number", "Hour", ""),
        ("minute", "number", "Minute", ""),
        ("weekday", "category", "Weekday", ""),
        ("carrier", "category", "Carrier", ""),
        ("flight", "number", "Flight number", ""),
        ("tailnum", "category", "Tail number", ""),
        ("origin", "category", "Origin", ""),
        ("dest", "category", "Destination", ""),
        ("dep_time", "number", "Departure time", "hhmm"),
        ("sched_dep_time", "number", "Scheduled departure time", "hhmm"),
        ("dep_delay", "number", "Departure delay", "min"),
        ("arr_time", "number", "Arrival time", "hhmm"),
        ("sched_arr_time", "number", "Scheduled arrival time", "hhmm"),
        ("arr_delay", "number", "Arrival delay", "min"),
        ("air_time", "number", "Air time", "min"),
        ("distance", "number", "Distance", "mi"),
        ("time_hour", "date", "Hour of departure", "UTC"),
    ),
    *_columns("airlines", ("airline", "category", "Airline", "")),
    *_columns(
        "planes",
        ("plane_year", "number", "Plane built", "year"),
        ("plane_type", "category", "Plane type", ""),
        ("manufacturer", "category", "Manufacturer", ""),
        ("model", "category", "Model", ""),
        ("engines", "number", "Engines", ""),
        ("seats", "number", "Seats", ""),
        ("speed", "number", "Cruising speed", "mph"),
        ("engine", "category", "Engine", ""),
    ),
    *_airport("origins", "origin_", "Origin"),
    *_airport("dests", "dest_", "Destination"),
    *_columns(
        "weather",
        ("temp", "number", "Temperature", "°F"),
        ("dewp", "number", "Dew point", "°F"),
        ("humid", "number", "Humidity", "%"),
        ("wind_dir", "number", "Wind direction", "°"),
        ("wind_speed", "number", "Wind speed", "mph"),
        ("wind_gust", "number", "Wind gust", "mph"),
        ("precip", "number", "Precipitation", "in"),
        ("pressure", "number", "Pressure", "hPa"),
        ("visib", "number", "Visibility", "mi"),
    ),
)

TABLE = {table.name: table for table in TABLES}
COLUMN = {column.name: column for column in COLUMNS}


def columns_of(tables: Iterable[str]) -> list[Column]:
    """The columns of the flights and of the named tables, in the order of the whitelist."""
    chosen = {"flights", *tables}
    return [column for column in COLUMNS if column.table in chosen]


# Numbers that are names, and so have no separator of thousands: years, clock times, flight numbers.
PLAIN_NUMBERS = frozenset(
    ("year", "plane_year", "flight", "dep_time", "sched_dep_time", "arr_time", "sched_arr_time", "time_hour")
)


def title(name: str) -> str:
    """What to call a column on the page; its own name where the whitelist doesn't have it."""
    return COLUMN[name].title if name in COLUMN else name
