"""Rules for numpy, pandas, polars and pyarrow. Imports of them are inside: whoever has the value has the module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .judge import Refused
from .rules import FRAME, FRAMES, REMEDY, Walk, Writer, read_blob
from .tree import Reader, Revive

_RAW_KINDS = "?biufcmMSUV"


def _frame(tag: int) -> Writer:
    return lambda walk, value: walk.part(walk.codec(tag).freeze(value))


def _described(dtype: Any) -> Any:
    import numpy as np

    if dtype.hasobject or dtype.kind not in _RAW_KINDS:
        raise Refused(f"no codec takes numpy values of dtype {dtype}", REMEDY)
    return np.lib.format.dtype_to_descr(dtype)


def _dtype(description: Any) -> Any:
    import numpy as np

    dtype = np.lib.format.descr_to_dtype(_tuples(description))
    if dtype.hasobject:
        raise ValueError("objects among raw values")
    return dtype


def _tuples(description: Any) -> Any:
    """The description as numpy wants it, fields as tuples; JSON made lists of them."""
    if isinstance(description, str):
        return description
    return [_field(*field) for field in description]


def _field(name: Any, kind: Any, *shape: Any) -> tuple[Any, ...]:
    title = tuple(name) if isinstance(name, list) else name
    return (title, _tuples(kind), *map(tuple, shape))


def _array(walk: Walk, value: Any) -> Any:
    if value.dtype.kind == "O":
        return walk.node("objects", list(value.shape), walk.items(value.ravel().tolist()))
    order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
    return walk.node("array", _described(value.dtype), list(value.shape), order, walk.blob(value.tobytes(order)))


def _read_array(revive: Revive, description: Any, shape: list[int], order: str, blob: Any) -> Any:
    return _raw(revive, description, shape, blob, "F" if order == "F" else "C").copy("K")


def _raw(revive: Revive, description: Any, shape: list[int], blob: Any, order: Any = "C") -> Any:
    """An array over the memory of a blob, which must have just its size."""
    import numpy as np

    data = read_blob(revive, blob)
    array: Any = np.ndarray(shape, _dtype(description), data, order=order)
    if array.nbytes != len(data):
        raise ValueError("an array of another size than its values")
    return array


def _read_objects(revive: Revive, shape: list[int], items: list[Any]) -> Any:
    import numpy as np

    flat = np.empty(len(items), dtype=object)
    for number, item in enumerate(items):
        flat[number] = revive(item)
    return flat.reshape(shape)


def _scalar(walk: Walk, value: Any) -> Any:
    return walk.node("scalar", _described(value.dtype), walk.blob(value.tobytes()))


def _read_scalar(revive: Revive, description: Any, blob: Any) -> Any:
    return _raw(revive, description, [], blob).copy()[()]


def _read_text(revive: Revive, text: Any) -> Any:
    import numpy as np

    return np.str_(revive(text))


def _read_bytes(revive: Revive, blob: Any) -> Any:
    import numpy as np

    return np.bytes_(read_blob(revive, blob))


def _series(walk: Walk, value: Any) -> Any:
    frame = value.to_frame(name="values")
    frame.attrs = value.attrs
    return walk.node("series", walk(frame), walk(value.name))


def _read_series(revive: Revive, part: Any, name: Any) -> Any:
    frame = revive(part)
    series = frame["values"]
    series.name = revive(name)
    series.attrs = frame.attrs
    return series


def _index(walk: Walk, value: Any) -> Any:
    import pandas as pd

    return walk.node("index", walk(pd.DataFrame(index=value)))


def _extension(walk: Walk, value: Any) -> Any:
    import pandas as pd

    return walk.node("extension", walk(pd.DataFrame({"values": value})))


def _timestamp(walk: Walk, value: Any) -> Any:
    from .columns import zone_spec

    return walk.node("timestamp", int(value.asm8.view("i8")), value.unit, walk(zone_spec(value.tz)))


def _read_timestamp(revive: Revive, number: int, unit: str, zone: Any) -> Any:
    import numpy as np
    import pandas as pd

    stamp = pd.Timestamp(np.int64(number).view(f"M8[{unit}]"))
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(revive(zone))


def _timedelta(walk: Walk, value: Any) -> Any:
    return walk.node("pandas-timedelta", int(value.asm8.view("i8")), value.unit)


def _read_timedelta(revive: Revive, number: int, unit: str) -> Any:
    import numpy as np
    import pandas as pd

    return pd.Timedelta(np.int64(number).view(f"m8[{unit}]"))


def _period(walk: Walk, value: Any) -> Any:
    return walk.node("period", value.ordinal, value.freqstr)


def _read_pandas(name: str) -> Reader:
    def read(revive: Revive, *content: Any) -> Any:
        import pandas as pd

        return getattr(pd, name)(*map(revive, content))

    return read


def _read_period(revive: Revive, ordinal: int, freq: str) -> Any:
    import pandas as pd

    return pd.Period(ordinal=ordinal, freq=freq)


def _missing(name: str) -> Reader:
    def read(revive: Revive) -> Any:
        import pandas as pd

        return getattr(pd, name)

    return read


WRITERS: Mapping[str, Writer] = {
    **{name: _frame(tag) for name, tag in FRAMES.items()},
    "numpy.ndarray": _array,
    "pandas.Series": _series,
    "pandas.Timestamp": _timestamp,
    "pandas.Timedelta": _timedelta,
    "pandas.Period": _period,
    "pandas.Interval": lambda walk, value: walk.node(
        "pandas-interval", walk(value.left), walk(value.right), value.closed
    ),
    "pandas.NaTType": lambda walk, value: walk.node("NaT"),
    "pandas.NAType": lambda walk, value: walk.node("NA"),
}

FAMILY_WRITERS: Mapping[str, Writer] = {
    "pandas.DataFrame": _frame(FRAME),
    "numpy.generic": _scalar,
    "numpy.str_": lambda walk, value: walk.node("numpy-str", walk.text(str(value))),
    "numpy.bytes_": lambda walk, value: walk.node("numpy-bytes", walk.blob(bytes(value))),
    "pandas.Index": _index,
    "pandas.ExtensionArray": _extension,
}

READERS: Mapping[str, Reader] = {
    "array": _read_array,
    "objects": _read_objects,
    "scalar": _read_scalar,
    "numpy-str": _read_text,
    "numpy-bytes": _read_bytes,
    "series": _read_series,
    "index": lambda revive, part: revive(part).index,
    "extension": lambda revive, part: revive(part)["values"].array.copy(),
    "timestamp": _read_timestamp,
    "pandas-timedelta": _read_timedelta,
    "period": _read_period,
    "pandas-interval": _read_pandas("Interval"),
    "NaT": _missing("NaT"),
    "NA": _missing("NA"),
}
