"""Settings: keyword arguments win over the environment, which wins over config.toml, which wins over defaults."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "STATE_"
DAY = 86400


class Settings(BaseSettings):
    """All settings. In Python the names are lower case without the prefix; everywhere else `STATE_<NAME>`.

    Attributes:
        backend: Where values live: `client`, `memory`, `database`, `redis`, `gcs` or `flask-caching`.
        database_url: Any SQLAlchemy URL. Also read from `SESSION_DB_URI`; `CLOUD_RUN_SESSION_DB_PATH` names a
            SQLite file.
        redis_url: `redis://` or `rediss://`, `redis+cluster://` or `rediss+cluster://`, `redis+sentinel://`.
        gcs_bucket: Name of a Google Cloud Storage bucket. Also `GCS_BUCKET`.
        flask_cache: A `flask_caching.Cache`, or where to import it: `module:name`.
        pool_size: Most connections that one process opens to a server.
        timeout: Seconds that a server may stay silent before it counts as unavailable.
        fallback: What happens to values while the backend is unavailable: `error`, or `client`: they travel to the
            browser as with `dcc.Store`.
        encryption_key: Encrypts payloads at rest. A list rotates: the first encrypts, all decrypt.
        namespace: First part of every key, cookie name and lock: several apps can share one server.
        ttl_default: Lifetime of a value after its last use, in seconds; `inf` for ever. Also `SESSION_TTL_DAYS`, in
            days.
        enable_user_isolation: False puts everybody into one shared scope.
        secret_key: Signs references and cookies. A list (or a comma-separated string) rotates: the first signs,
            all verify. Default: the server's `secret_key`, else one made once and kept in the backend.
        cache_bytes: Size of the process cache; 0 turns it off.
        max_value_bytes: Largest single value.
        max_session_bytes: Most that one session may hold.
        max_versions: Most versions that the head of one store keeps.
        max_store_bytes: Most bytes that the head of one store keeps; two versions are kept whatever their size, and
            each process may write a sixteenth more before it looks.
        compression: `auto`, `none`, `lz4` or `zstd`.
        deduplicate: Keep equal values above 64 KiB once, however many sessions hold them.
        local_tier_bytes: Most bytes of large values of a distant backend that are kept in files, which all workers of
            a machine map into their memory; 0 keeps none. Needs `deduplicate`.
        local_tier_folder: Where those files are; default a folder of this user in the system's temporary one.
        cookie_samesite: `Lax`, `Strict` or `None`; `None` adds Secure and Partitioned.
        cookie_secure: `auto` (where the request came over HTTPS), `true` or `false`.
        cookie_domain: Domain of the session cookie.
        identity: Who the user of `scope="user"` is: `cookie` (the session), `iap` (Google Identity-Aware Proxy),
            `header:NAME` or `module:function`.
        prune_interval: Seconds between prunes; one worker at a time prunes.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    backend: str = "database"
    database_url: str = "sqlite:///state.db"
    redis_url: str = Field("redis://localhost:6379/0", repr=False)
    gcs_bucket: str | None = None
    flask_cache: Any = Field(None, repr=False)
    pool_size: int = Field(16, ge=1)
    timeout: float = Field(1.5, gt=0, allow_inf_nan=False)
    fallback: Literal["error", "client"] = "error"
    encryption_key: tuple[Annotated[str, Field(min_length=16)], ...] = Field((), repr=False)
    namespace: str = Field("dash", pattern=r"^[A-Za-z0-9_.-]{1,32}$")
    ttl_default: float = Field(DAY, gt=0)
    enable_user_isolation: bool = True
    secret_key: tuple[Annotated[str, Field(min_length=1)], ...] = Field((), repr=False)
    cache_bytes: int = Field(256 << 20, ge=0)
    max_value_bytes: int = Field(1 << 30, gt=0)
    max_session_bytes: int = Field(4 << 30, gt=0)
    max_versions: int = Field(64, ge=2)
    max_store_bytes: int = Field(256 << 20, gt=0)
    compression: Literal["auto", "none", "lz4", "zstd"] = "auto"
    deduplicate: bool = True
    local_tier_bytes: int = Field(1 << 30, ge=0)
    local_tier_folder: str | None = None
    cookie_samesite: Literal["Lax", "Strict", "None"] = "Lax"
    cookie_secure: Literal["auto", "true", "false"] = "auto"
    cookie_domain: str | None = None
    identity: str = Field("cookie", pattern=r"^(cookie|iap|header:[A-Za-z0-9-]+|[\w.]+:\w+)$")
    prune_interval: float = Field(300, gt=0)

    @field_validator("secret_key", "encryption_key", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("cookie_secure", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return str(value).lower()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """One source: `load` merges the mappings itself, so that an error can name where a value came from."""
        return (init_settings,)


@dataclass(frozen=True)
class _Given:
    """A setting as it was given: under which key, and where."""

    key: str
    raw: object
    source: str
    value: Any

    def __str__(self) -> str:
        secret = self.key.lower().endswith(("secret_key", "encryption_key"))
        return f"{self.key} = {'***' if secret else repr(self.raw)} in {self.source}"


KEYS = {PREFIX + name.upper(): name for name in Settings.model_fields}
OTHER_KEYS: Mapping[str, tuple[str, Callable[[Any], object]]] = {
    "SESSION_DB_URI": ("database_url", str),
    "CLOUD_RUN_SESSION_DB_PATH": ("database_url", "sqlite:///{}".format),
    "GCS_BUCKET": ("gcs_bucket", str),
    "SESSION_TTL_DAYS": ("ttl_default", lambda days: float(days) * DAY),
}
"""The keys that Cloud Run templates use, in their own units. Where the same source has ours, ours counts."""


def load(config_file: str | Path | None = None, environ: Mapping[str, str] | None = None, **kwargs: Any) -> Settings:
    """Reads the settings from all their sources.

    Args:
        config_file: A TOML file; default `config.toml` in the working directory, which may be missing.
        environ: The environment; default `os.environ`.
        **kwargs: Settings by their Python names.

    Raises:
        ConfigError: A key is unknown or a value is bad; the message names key, value, source and remedy.
    """
    given = _ours(_read_toml(config_file), str(config_file or "config.toml"))
    given |= _ours(os.environ if environ is None else environ, "the environment")
    given |= {name: _Given(name, value, "configure()", value) for name, value in kwargs.items()}
    try:
        return Settings(**{name: setting.value for name, setting in given.items()})
    except ValidationError as exc:
        raise _bad(exc.errors(include_url=False)[0], given) from exc


def _ours(values: Mapping[str, Any], source: str) -> dict[str, _Given]:
    found: dict[str, _Given] = {}
    for key, (name, convert) in OTHER_KEYS.items():
        if key in values:
            found[name] = _converted(key, values[key], source, convert)
    for key, value in values.items():
        if key in KEYS:
            found[KEYS[key]] = _Given(key, value, source, value)
        elif key.startswith(PREFIX) and not key.startswith(PREFIX + "TEST_"):
            raise _unknown(key, source, KEYS)
    return found


def _converted(key: str, raw: object, source: str, convert: Callable[[Any], object]) -> _Given:
    try:
        return _Given(key, raw, source, convert(raw))
    except (TypeError, ValueError) as exc:
        raise ConfigError(f"{key} = {raw!r} in {source} is not valid", "Input should be a number") from exc


def _read_toml(config_file: str | Path | None) -> dict[str, Any]:
    path = Path(config_file or "config.toml")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if config_file is None:
            return {}
        raise ConfigError(f"the configuration file {str(path)!r} does not exist", "Name one that does") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as exc:
        raise ConfigError(f"{path} can't be read as TOML: {exc}", "Mend the file") from exc


def _bad(problem: ErrorDetails, given: Mapping[str, _Given]) -> ConfigError:
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return _unknown(name, given[name].source, Settings.model_fields)
    return ConfigError(f"{given[name]} is not valid", problem["msg"])


def _unknown(key: str, source: str, known: Iterable[str]) -> ConfigError:
    close = difflib.get_close_matches(key, known, n=1)
    advice = f"Did you mean {close[0]}" if close else f"Known keys: {', '.join(sorted(known))}"
    return ConfigError(f"unknown setting {key} in {source}", advice)
