"""Where the servers are, as `STATE_REDIS_URL` says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ...errors import ConfigError

__all__ = ["Address", "Target", "parse"]

Address = tuple[str, int]
Kind = Literal["single", "cluster", "sentinel"]

SCHEMES: Mapping[str, Kind] = {"": "single", "cluster": "cluster", "sentinel": "sentinel"}
OPTIONS = {
    *("ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"),
    *("sentinel_password", "sentinel_username"),
}
REMEDY = (
    "Write redis://user:password@host:6379/0 (rediss:// for TLS), redis+cluster://host:6379,host:6379 or "
    "redis+sentinel://host:26379,host:26379/service/0, with special characters of a password percent-encoded"
)


@dataclass(frozen=True)
class Target:
    """The servers to connect to.

    Attributes:
        kind: One server, a cluster, or Sentinels that know the server.
        addresses: Host and port; with several, any of them may be away.
        service: What the Sentinels call the server.
        options: Arguments of each connection to a Redis server.
        sentinel_options: Arguments of each connection to a Sentinel.
        tls: Whether connections are encrypted.
        location: For people, without credentials.
    """

    kind: Kind
    addresses: tuple[Address, ...]
    service: str
    options: Mapping[str, Any] = field(repr=False)
    sentinel_options: Mapping[str, Any] = field(repr=False)
    tls: bool
    location: str


def parse(url: str) -> Target:
    """Reads the URL.

    Raises:
        ConfigError: It is malformed; the message does not repeat it, since it may hold a password.
    """
    try:
        return _target(urlsplit(url))
    except ValueError as exc:
        reason = exc.args[0] if isinstance(exc, _Malformed) else "has a malformed host or port"
        raise ConfigError(f"STATE_REDIS_URL {reason}", REMEDY) from None


class _Malformed(ValueError):
    """A reason that repeats nothing of the URL."""


def _target(url: SplitResult) -> Target:
    scheme, _, kind = url.scheme.partition("+")
    if scheme not in ("redis", "rediss") or kind not in SCHEMES:
        raise _Malformed("has an unknown scheme")
    place, hosts = SCHEMES[kind], url.netloc.rpartition("@")[2]
    addresses = tuple(_address(host, 26379 if place == "sentinel" else 6379) for host in hosts.split(","))
    if place == "single" and len(addresses) > 1:
        raise _Malformed("names several hosts")
    service, db = _path(place, url.path)
    options, sentinel_options = _options(url, scheme == "rediss")
    names = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses)
    location = f"{url.scheme}://{names}" + (f"/{service}" if service else "") + (f"/{db}" if place != "cluster" else "")
    options["db"] = db
    return Target(place, addresses, service, options, sentinel_options, scheme == "rediss", location)


def _address(text: str, port: int) -> Address:
    host = urlsplit(f"//{text}")
    if not host.hostname:
        raise _Malformed("names no host")
    return host.hostname, port if host.port is None else host.port


def _path(kind: Kind, path: str) -> tuple[str, int]:
    words = [word for word in path.split("/") if word]
    service = words.pop(0) if kind == "sentinel" and words else ""
    if kind == "sentinel" and not service:
        raise _Malformed("names no service of the Sentinels")
    db = words.pop(0) if words else "0"
    if words or not db.isdecimal():
        raise _Malformed("has a path that is no number of a database")
    if kind == "cluster" and db != "0":
        raise _Malformed("names a database, and a cluster has only number 0")
    return service, int(db)


def _options(url: SplitResult, tls: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if query.keys() - OPTIONS:
        raise _Malformed(f"has an unknown option; known are {', '.join(sorted(OPTIONS))}")
    user, _, password = url.netloc.rpartition("@")[0].partition(":")
    credentials = {"username": unquote(user), "password": unquote(password)}
    sentinel = {name: query.pop(f"sentinel_{name}", "") for name in credentials}
    encryption = _encryption(query) if tls else {}
    return (
        {name: value for name, value in credentials.items() if value} | encryption,
        {name: value for name, value in sentinel.items() if value} | encryption,
    )


def _encryption(query: Mapping[str, str]) -> dict[str, Any]:
    checked = query.get("ssl_cert_reqs", "required") != "none"
    words = {"true": True, "false": False}
    check = query.get("ssl_check_hostname", str(checked).lower()).lower()
    if check not in words:
        raise _Malformed("has an ssl_check_hostname that is neither true nor false")
    if query.get("ssl_cert_reqs", "required") not in ("none", "optional", "required"):
        raise _Malformed("has an ssl_cert_reqs that is not none, optional or required")
    return {**query, "ssl_check_hostname": words[check] and checked}
