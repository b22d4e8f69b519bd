"""The values of pandas columns and indexes as Arrow arrays, with the dtype beside them.

What numpy holds is kept bit for bit, and read back without a copy: booleans as bytes, times as integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timezone
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas._libs.tslibs import timezones

from .judge import Refused
from .objects import read_objects, write_objects

Put = Callable[[Any], int]
"""Takes an Arrow array and gives its number."""
Get = Callable[[int], Any]
"""Gives back the Arrow array of a number."""
Spec = list[Any]

_VIEWS = {"b": "u1", "m": "<i8", "M": "<i8"}


def write_values(values: Any, put: Put, aside: Put) -> Spec:
    """Puts the values of a column, and returns what `read_values` needs beside them.

    Args:
        values: A Series, an Index, or an array of pandas or numpy.
        put: Takes arrays that are as long as the values.
        aside: Takes arrays of other lengths.

    Raises:
        Refused: Arrow can't hold them.
    """
    if isinstance(values.dtype, np.dtype):
        return _write_numpy(values if isinstance(values, np.ndarray) else values.to_numpy(), put, aside)
    write = _WRITERS.get(type(values.dtype).__name__)
    if write is None:
        raise Refused(f"it has the dtype {values.dtype}, which Arrow can't hold", "")
    return write(getattr(values, "array", values), put, aside)


def read_values(spec: Spec, get: Get) -> Any:
    """The array that was written, over the memory of the Arrow arrays where the dtype allows."""
    kind, *details = spec
    return _READERS[kind](get, *details)


def _write_numpy(values: Any, put: Put, aside: Put) -> Spec:
    dtype = values.dtype
    if dtype.kind == "O":
        return _write_objects(values, put, aside)
    if dtype.kind not in "biufmMc" or not dtype.isnative or dtype.itemsize > 8 + 8 * (dtype.kind == "c"):
        raise Refused(f"it has the dtype {dtype}, which Arrow can't hold", "")
    values = np.ascontiguousarray(values)
    if dtype.kind == "c":
        return ["view", aside(pa.array(values.view(f"f{dtype.itemsize // 2}"))), dtype.str]
    if dtype.kind in _VIEWS:
        return ["view", put(pa.array(values.view(_VIEWS[dtype.kind]))), dtype.str]
    return ["numpy", put(pa.array(values))]


def _read_numpy(get: Get, number: int) -> Any:
    return get(number).to_numpy(zero_copy_only=True)


def _read_view(get: Get, number: int, dtype: str) -> Any:
    return _read_numpy(get, number).view(dtype)


def _write_objects(values: Any, put: Put, aside: Put) -> Spec:
    name, array, missing = write_objects(values)
    if missing is None:
        return ["objects", name, put(array), None]
    return ["objects", name, aside(array), put(pa.array(missing))]


def _read_objects(get: Get, name: str, number: int, missing: int | None) -> Any:
    return read_objects(name, get(number), None if missing is None else _read_numpy(get, missing))


def _write_arrow(values: Any, put: Put, aside: Put) -> Spec:
    return ["arrow", put(_one_chunk(pa.array(values)))]


def _read_arrow(get: Get, number: int) -> Any:
    array = get(number)
    return pd.ArrowDtype(array.type).__from_arrow__(pa.chunked_array([array]))


def _write_masked(values: Any, put: Put, aside: Put) -> Spec:
    return ["dtype", put(_one_chunk(pa.array(values))), str(values.dtype)]


def _read_dtype(get: Get, number: int, dtype: str) -> Any:
    return pd.api.types.pandas_dtype(dtype).__from_arrow__(pa.chunked_array([get(number)]))


def _write_string(values: Any, put: Put, aside: Put) -> Spec:
    dtype = values.dtype
    missing = "NA" if dtype.na_value is pd.NA else "nan"
    try:
        array = _one_chunk(pa.array(values, type=pa.large_string(), from_pandas=True))
    except (pa.ArrowException, ValueError) as exc:
        raise Refused(f"it holds a string that Arrow can't hold ({exc})", "") from exc
    return ["string", put(array), dtype.storage, missing]


def _read_string(get: Get, number: int, storage: str, missing: str) -> Any:
    array = get(number)
    if not pa.types.is_large_string(array.type):
        raise ValueError(f"strings in an array of {array.type}")
    return string_dtype(storage, missing).__from_arrow__(pa.chunked_array([array]))


def string_dtype(storage: str, missing: str) -> Any:
    """The dtype of pandas strings; pandas before 2.3 has only those where NA is missing."""
    return pd.StringDtype(storage) if missing == "NA" else pd.StringDtype(storage, na_value=np.nan)


def _write_category(values: Any, put: Put, aside: Put) -> Spec:
    from .indexes import write_index

    codes = ["numpy", put(pa.array(values.codes))]
    return ["category", codes, write_index(values.categories, aside, aside), bool(values.ordered)]


def _read_category(get: Get, codes: Spec, categories: Spec, ordered: bool) -> Any:
    from .indexes import read_index

    dtype = pd.CategoricalDtype(read_index(categories, get), ordered=ordered)
    return pd.Categorical.from_codes(read_values(codes, get), dtype=dtype)


def _write_zoned(values: Any, put: Put, aside: Put) -> Spec:
    return ["zoned", put(pa.array(np.asarray(values.view("i8")))), values.dtype.unit, zone_spec(values.dtype.tz)]


def zone_spec(zone: Any) -> Any:
    """A time zone as `types="python"` keeps it; those of other libraries by their offset, or their name.

    Raises:
        Refused: It has neither.
    """
    if zone is None or type(zone).__module__ in ("datetime", "zoneinfo"):
        return zone
    offset = zone.utcoffset(None)
    return _zone_name(zone) if offset is None else timezone(offset)


def _zone_name(zone: Any) -> str:
    name = timezones.get_timezone(zone)
    try:
        if isinstance(name, str) and pd.DatetimeTZDtype(tz=name) == pd.DatetimeTZDtype(tz=zone):
            return name
    except (KeyError, ValueError, TypeError):
        pass
    raise Refused(f"it has the time zone {zone!r}, which has no name", "Convert it first, with tz_convert('UTC')")


def _read_zoned(get: Get, number: int, unit: str, zone: Any) -> Any:
    stamps = _read_numpy(get, number).view(f"M8[{unit}]")
    return pd.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(zone).array


def _write_period(values: Any, put: Put, aside: Put) -> Spec:
    return ["period", put(pa.array(np.asarray(values.view("i8")))), values.dtype.name]


def _read_period(get: Get, number: int, dtype: str) -> Any:
    return pd.arrays.PeriodArray(_read_numpy(get, number), dtype=pd.PeriodDtype.construct_from_string(dtype))


def _write_interval(values: Any, put: Put, aside: Put) -> Spec:
    sides = [write_values(side, put, aside) for side in (values.left, values.right)]
    return ["interval", *sides, values.closed]


def _read_interval(get: Get, left: Spec, right: Spec, closed: str) -> Any:
    sides = (read_values(side, get) for side in (left, right))
    return pd.arrays.IntervalArray.from_arrays(*sides, closed=closed)


def _write_geometry(values: Any, put: Put, aside: Put) -> Spec:
    import geopandas

    blobs = geopandas.array.to_wkb(values)
    back = geopandas.array.from_wkb(blobs, crs=values.crs)
    same = (back.geom_type == values.geom_type) & back.geom_equals_exact(values, 0)
    if not (same | values.isna()).all():
        raise Refused("it holds geometries that WKB can't hold", "")
    crs = None if values.crs is None else values.crs.to_json()
    return ["geometry", put(pa.array(blobs, type=pa.large_binary())), crs]


def _read_geometry(get: Get, number: int, crs: str | None) -> Any:
    import geopandas

    return geopandas.array.from_wkb(get(number).to_numpy(zero_copy_only=False), crs=crs)


def _one_chunk(array: Any) -> Any:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


_Writer = Callable[[Any, Put, Put], Spec]
_NULLABLE = [
    "BooleanDtype",
    "Float32Dtype",
    "Float64Dtype",
    *(f"{u}Int{n}Dtype" for u in ("", "U") for n in (8, 16, 32, 64)),
]
_WRITERS: Mapping[str, _Writer] = {
    "ArrowDtype": _write_arrow,
    "CategoricalDtype": _write_category,
    "DatetimeTZDtype": _write_zoned,
    "GeometryDtype": _write_geometry,
    "IntervalDtype": _write_interval,
    "PeriodDtype": _write_period,
    "StringDtype": _write_string,
    **dict.fromkeys(_NULLABLE, _write_masked),
}
_READERS: Mapping[str, Callable[..., Any]] = {
    "arrow": _read_arrow,
    "category": _read_category,
    "dtype": _read_dtype,
    "geometry": _read_geometry,
    "interval": _read_interval,
    "numpy": _read_numpy,
    "objects": _read_objects,
    "period": _read_period,
    "string": _read_string,
    "view": _read_view,
    "zoned": _read_zoned,
}
