"""Settings: where they come from, who wins, and what a mistake is told."""

from __future__ import annotations

import math
import traceback
from pathlib import Path
from typing import Any

import pytest

from dash_statemanager.config import Settings, load
from dash_statemanager.errors import ConfigError


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_keyword_arguments_win_over_environment_over_file_over_defaults(toml: Path) -> None:
    toml.write_text("STATE_NAMESPACE = 'file'\nSTATE_TTL_DEFAULT = 1\nSTATE_CACHE_BYTES = 1\n")
    settings = load(toml, {"STATE_NAMESPACE": "env", "STATE_TTL_DEFAULT": "2"}, namespace="kwargs")
    assert (settings.namespace, settings.ttl_default, settings.cache_bytes) == ("kwargs", 2, 1)
    assert settings.max_versions == 64


def test_config_toml_of_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("STATE_NAMESPACE = 'here'\nanother_tool = true\n")
    monkeypatch.chdir(tmp_path)
    assert load(environ={}).namespace == "here"


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_NAMESPACE", "process")
    assert load().namespace == "process"


def test_the_defaults_are_those_of_the_design() -> None:
    assert load(environ={}).model_dump() == {
        "backend": "database",
        "database_url": "sqlite:///state.db",
        "redis_url": "redis://localhost:6379/0",
        "gcs_bucket": None,
        "flask_cache": None,
        "pool_size": 16,
        "timeout": 1.5,
        "fallback": "error",
        "encryption_key": (),
        "namespace": "dash",
        "ttl_default": 86400,
        "enable_user_isolation": True,
        "secret_key": (),
        "cache_bytes": 268435456,
        "max_value_bytes": 2**30,
        "max_session_bytes": 4 * 2**30,
        "max_versions": 64,
        "max_store_bytes": 256 * 2**20,
        "compression": "auto",
        "deduplicate": True,
        "local_tier_bytes": 2**30,
        "local_tier_folder": None,
        "cookie_samesite": "Lax",
        "cookie_secure": "auto",
        "cookie_domain": None,
        "identity": "cookie",
        "prune_interval": 300,
    }


@pytest.mark.parametrize(
    ("environ", "name", "value"),
    [
        ({"SESSION_DB_URI": "sqlite:///other.db"}, "database_url", "sqlite:///other.db"),
        ({"CLOUD_RUN_SESSION_DB_PATH": "/mnt/state.db"}, "database_url", "sqlite:////mnt/state.db"),
        ({"GCS_BUCKET": "states"}, "gcs_bucket", "states"),
        ({"STATE_ENCRYPTION_KEY": "n" * 16 + ", " + "o" * 16}, "encryption_key", ("n" * 16, "o" * 16)),
        ({"SESSION_TTL_DAYS": "0.5"}, "ttl_default", 43200),
        ({"SESSION_TTL_DAYS": "2", "STATE_TTL_DEFAULT": "5"}, "ttl_default", 5),
        ({"STATE_TTL_DEFAULT": "inf"}, "ttl_default", math.inf),
        ({"STATE_ENABLE_USER_ISOLATION": "false"}, "enable_user_isolation", False),
        ({"STATE_SECRET_KEY": "new, old"}, "secret_key", ("new", "old")),
        ({"STATE_SECRET_KEY": ""}, "secret_key", ()),
        ({"STATE_COOKIE_SECURE": "True"}, "cookie_secure", "true"),
        ({"STATE_IDENTITY": "header:X-User"}, "identity", "header:X-User"),
        ({"STATE_IDENTITY": "my.auth:current_user"}, "identity", "my.auth:current_user"),
    ],
)
def test_texts_of_the_environment_become_values(environ: dict[str, str], name: str, value: object) -> None:
    assert getattr(load(environ=environ), name) == value


def test_other_names_in_the_environment_win_over_the_file(toml: Path) -> None:
    toml.write_text("STATE_TTL_DEFAULT = 1\n")
    assert load(toml, {"SESSION_TTL_DAYS": "2"}).ttl_default == 2 * 86400


def test_a_list_in_the_file_rotates_secrets(toml: Path) -> None:
    toml.write_text("STATE_SECRET_KEY = ['new', 'old']\n")
    assert load(toml, {}).secret_key == ("new", "old")


@pytest.mark.parametrize(
    ("environ", "kwargs", "parts"),
    [
        (
            {"STATE_CACHE_BYTES": "-1"},
            {},
            ["STATE_CACHE_BYTES = '-1'", "the environment", "greater than or equal to 0"],
        ),
        ({"STATE_MAX_VERSIONS": "1"}, {}, ["STATE_MAX_VERSIONS", "greater than or equal to 2"]),
        ({"STATE_TTL_DEFAULT": "soon"}, {}, ["STATE_TTL_DEFAULT = 'soon'", "number"]),
        ({"STATE_TTL_DEFAULT": "nan"}, {}, ["STATE_TTL_DEFAULT = 'nan'", "greater than 0"]),
        ({"STATE_TIMEOUT": "inf"}, {}, ["STATE_TIMEOUT = 'inf'", "finite number"]),
        ({"STATE_NAMESPACE": "a/b"}, {}, ["STATE_NAMESPACE = 'a/b'", "pattern"]),
        ({"STATE_IDENTITY": "me"}, {}, ["STATE_IDENTITY = 'me'", "pattern"]),
        ({"STATE_COMPRESSION": "gzip"}, {}, ["STATE_COMPRESSION = 'gzip'", "'lz4' or 'zstd'"]),
        ({"SESSION_TTL_DAYS": "many"}, {}, ["SESSION_TTL_DAYS = 'many'", "the environment", "a number"]),
        ({"SESSION_TTL_DAYS": "-1"}, {}, ["SESSION_TTL_DAYS = '-1'", "greater than 0"]),
        ({"STATE_BAKCEND": "memory"}, {}, ["STATE_BAKCEND", "the environment", "Did you mean STATE_BACKEND"]),
        ({"STATE_XYZZY_Q": "fine"}, {}, ["STATE_XYZZY_Q", "Known keys: STATE_BACKEND, "]),
        ({}, {"ttl_default": 0}, ["ttl_default = 0 in configure()", "greater than 0"]),
        ({}, {"bakcend": "memory"}, ["bakcend", "configure()", "Did you mean backend"]),
        ({}, {"cookie_samesite": "lax"}, ["cookie_samesite = 'lax'", "'Lax', 'Strict' or 'None'"]),
    ],
)
def test_a_mistake_names_key_value_source_and_remedy(
    environ: dict[str, str], kwargs: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ=environ, **kwargs)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_mistake_in_the_file_names_the_file(toml: Path) -> None:
    toml.write_text("STATE_CACHE_BYTES = 'x'\n")
    with pytest.raises(ConfigError, match=r"STATE_CACHE_BYTES = 'x' in .*config\.toml"):
        load(toml, {})


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load(tmp_path / "nowhere.toml", {})


@pytest.mark.parametrize("content", [b"STATE_", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_an_error(toml: Path, content: bytes) -> None:
    toml.write_bytes(content)
    with pytest.raises(ConfigError, match="can't be read as TOML"):
        load(toml, {})


def test_settings_do_not_show_the_secret() -> None:
    assert "hush-hush" not in repr(load(environ={}, secret_key=["hush-hush"]))


@pytest.mark.parametrize("secret", [["hush-hush", ""], ["hush-hush", 7], {"hush-hush": 1}])
def test_neither_a_mistake_nor_its_traceback_shows_the_secret(secret: Any) -> None:
    with pytest.raises(ConfigError, match=r"secret_key = \*\*\* in configure") as caught:
        load(environ={}, secret_key=secret)
    assert "hush-hush" not in "".join(traceback.format_exception(caught.value))


def test_an_empty_secret_in_a_list_is_refused() -> None:
    with pytest.raises(ConfigError, match="secret_key"):
        load(environ={}, secret_key=["", "old"])


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(environ={}).namespace = "other"


def test_every_setting_is_documented() -> None:
    assert [name for name in Settings.model_fields if f"        {name}: " not in (Settings.__doc__ or "")] == []
