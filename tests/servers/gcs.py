"""A Cloud Storage of the tests' own, which keeps the promises that the PyPI emulator leaves out.

`gcp-storage-emulator` accepts every write, whatever generation it expects. This server enforces preconditions, tells
the generation and the metadata with a download, refuses a custom time that goes back, and fails when it is told to:
what real servers do, and tests need. It knows the calls that the backend makes, and no others.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import google_crc32c

from tests.servers.base import Server, answers

Query = Mapping[str, str]
BUCKET = "bucket"


class GcsServer(Server):
    """The server as a process, and its remote control."""

    @property
    def endpoint(self) -> str:
        """What `STORAGE_EMULATOR_HOST` would hold."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "tests.servers.gcs", str(self.port)]

    def ready(self) -> bool:
        return answers(("127.0.0.1", self.port))

    def environ(self, port: int | None = None) -> Mapping[str, str]:
        return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port or self.port}"}

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        """The endpoint is no setting: it is in `environ`."""
        return {"backend": "gcs", "gcs_bucket": BUCKET}

    def set_read_only(self, on: bool) -> None:
        self.faults(*([{"on": "(POST|PUT|PATCH|DELETE) ", "status": 403, "times": -1}] if on else []))

    def set_full(self, on: bool) -> None:
        self.faults(*([{"on": "(POST|PUT) /upload", "status": 429, "times": -1}] if on else []))

    def faults(self, *faults: Mapping[str, Any]) -> None:
        """What goes wrong from now on, instead of what went wrong before.

        Args:
            *faults: Each with `on`, a regular expression for `METHOD /path?query`; `status` to answer, or `hang` in
                seconds, or `lost` to do it and not tell, or `damaged` to change a byte, or `pace`, bytes of the
                answer at a time, twenty times a second; `times`, -1 for always; `message`.
        """
        self._control("faults", list(faults))

    def requests(self) -> list[str]:
        """The requests since this was asked last, as `METHOD /path?query`."""
        return list(self._control("requests", None))

    def peak(self) -> int:
        """Most requests that were under way at the same time since this was asked last."""
        return int(self._control("peak", None))

    def wipe(self) -> None:
        """Makes it as new: one empty bucket, no faults."""
        self._control("wipe", None)

    def _control(self, what: str, data: Any) -> Any:
        request = urllib.request.Request(f"{self.endpoint}/_control/{what}", json.dumps(data).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@dataclass
class Object:
    """An object of a bucket."""

    data: bytes
    generation: int
    fields: dict[str, Any]
    metageneration: int = 1

    def resource(self, bucket: str, name: str) -> dict[str, Any]:
        """As the JSON API describes it."""
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(len(self.data)),
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "crc32c": crc32c(self.data),
            **self.fields,
        }


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass
class Upload:
    """A resumable upload that is under way."""

    bucket: str
    name: str
    fields: dict[str, Any]
    query: Query
    data: bytearray = field(default_factory=bytearray)


class Storage:
    """The buckets, under one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.generations = itertools.count(1_700_000_000_000_000)
        self.wipe()

    def wipe(self) -> None:
        self.buckets: dict[str, dict[str, Object]] = {BUCKET: {}}
        self.uploads: dict[str, Upload] = {}
        self.faults: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.inside = self.peak = 0

    def bucket(self, name: str) -> dict[str, Object]:
        if name not in self.buckets:
            raise Refused(404, "The specified bucket does not exist.")
        return self.buckets[name]

    def find(self, bucket: str, name: str, query: Query) -> Object:
        """The object, if it is there and as the query expects it."""
        there = self.bucket(bucket).get(name)
        if there is None or query.get("generation", str(there.generation)) != str(there.generation):
            raise Refused(404, f"No such object: {bucket}/{name}")
        self.check(there, query)
        return there

    def check(self, there: Object | None, query: Query) -> None:
        generation, metageneration = (there.generation, there.metageneration) if there else (0, 0)
        if query.get("ifGenerationMatch", str(generation)) != str(generation):
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")
        if query.get("ifMetagenerationMatch", str(metageneration)) != str(metageneration):
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")

    def insert(self, bucket: str, name: str, data: bytes, fields: dict[str, Any], query: Query) -> dict[str, Any]:
        objects = self.bucket(bucket)
        self.check(objects.get(name), query)
        expected = fields.pop("crc32c", None)
        if expected not in (None, crc32c(data)):
            raise Refused(400, "Provided CRC32C doesn't match calculated CRC32C.")
        fields = {key: fields[key] for key in ("metadata", "customTime", "contentType") if key in fields}
        objects[name] = Object(data, next(self.generations), fields)
        return objects[name].resource(bucket, name)

    def patch(self, bucket: str, name: str, changes: dict[str, Any], query: Query) -> dict[str, Any]:
        there = self.find(bucket, name, query)
        old, new = (fields.get("customTime") for fields in (there.fields, {**there.fields, **changes}))
        if old and (new is None or moment(new) < moment(old)):
            raise Refused(400, "Custom time cannot be removed or set to an earlier time.")
        if "metadata" in changes:
            merged = {**there.fields.get("metadata", {}), **changes.pop("metadata")}
            there.fields["metadata"] = {key: value for key, value in merged.items() if value is not None}
        there.fields.update({key: changes[key] for key in ("customTime", "contentType") if key in changes})
        there.metageneration += 1
        return there.resource(bucket, name)

    def list(self, bucket: str, query: Query) -> dict[str, Any]:
        names = sorted(name for name in self.bucket(bucket) if name.startswith(query.get("prefix", "")))
        names = [name for name in names if name > query.get("pageToken", "")]
        most = min(int(query.get("maxResults", 1000)), 1000)
        items = [self.buckets[bucket][name].resource(bucket, name) for name in names[:most]]
        page = {"kind": "storage#objects", "items": items}
        return page if len(names) <= most else {**page, "nextPageToken": names[most - 1]}


def moment(text: str) -> str:
    """Comparable, whether it has a fraction of a second or not."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction:0<6}"


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for a storage."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    storage: ClassVar[Storage]

    def serve(self) -> None:
        """Answers one request, or fails as it is told to."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        if url.path.startswith("/_control/"):
            return self.send(200, self.control(url.path.rpartition("/")[2], json.loads(body)))
        line = f"{self.command} {unquote(self.path)}"
        fault = self.fault(line)
        time.sleep(fault.get("hang", 0))
        answer = self.answer(url, body, fault)
        with self.storage.lock:
            self.storage.inside -= 1
        if "lost" in fault:
            self.close_connection = True
            return None
        return self.send(*answer, pace=fault.get("pace"))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815

    def answer(self, url: SplitResult, body: bytes, fault: Mapping[str, Any]) -> tuple[int, Any, dict[str, str]]:
        try:
            if "status" in fault:
                raise Refused(fault["status"], fault.get("message", "told to fail"))
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            with self.storage.lock:
                status, answer, headers = self.route(url.path, query, body)
        except Refused as exc:
            return exc.status, self.complaint(url.path, exc), {}
        return status, bytes([answer[0] ^ 1]) + answer[1:] if "damaged" in fault else answer, headers

    def control(self, what: str, data: Any) -> Any:
        with self.storage.lock:
            if what == "wipe":
                self.storage.wipe()
            elif what == "faults":
                self.storage.faults = data
            elif what == "requests":
                answer, self.storage.requests = self.storage.requests, []
                return answer
            elif what == "peak":
                peak, self.storage.peak = self.storage.peak, 0
                return peak
        return None

    def fault(self, line: str) -> dict[str, Any]:
        with self.storage.lock:
            self.storage.requests.append(line)
            self.storage.inside += 1
            self.storage.peak = max(self.storage.peak, self.storage.inside)
            for fault in self.storage.faults:
                if fault.get("times", 1) and re.match(fault["on"], line):
                    fault["times"] = fault.get("times", 1) - 1
                    return fault
        return {}

    def complaint(self, path: str, exc: Refused) -> object:
        if path.startswith(("/storage/", "/upload/")):
            return {"error": {"code": exc.status, "message": exc.message}}
        code = {403: "AccessDenied", 404: "NoSuchBucket" if "bucket does" in exc.message else "NoSuchKey"}
        text = f"<?xml version='1.0'?><Error><Code>{code.get(exc.status, 'Error')}</Code></Error>"
        return text.encode()

    def route(self, path: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        for pattern, method in ROUTES:
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                return method(self, *map(unquote, match.groups()), query, body)
        raise Refused(501, f"not known here: {self.command} {path}")

    def make_bucket(self, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        name = json.loads(body)["name"]
        if name in self.storage.buckets:
            raise Refused(409, "Your previous request to create the named bucket succeeded and you already own it.")
        self.storage.buckets[name] = {}
        return 200, {"kind": "storage#bucket", **json.loads(body)}, {}

    def list_objects(self, bucket: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        return 200, self.storage.list(bucket, query), {}

    def describe(self, bucket: str, name: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        return 200, self.storage.find(bucket, name, query).resource(bucket, name), {}

    def change(self, bucket: str, name: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        return 200, self.storage.patch(bucket, name, json.loads(body), query), {}

    def remove(self, bucket: str, name: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        self.storage.find(bucket, name, query)
        del self.storage.buckets[bucket][name]
        return 204, b"", {}

    def download(self, bucket: str, name: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """A download by the XML API: the metadata comes in headers."""
        there = self.storage.find(bucket, name, query)
        headers = {
            "x-goog-generation": str(there.generation),
            "x-goog-metageneration": str(there.metageneration),
            "x-goog-hash": f"crc32c={crc32c(there.data)}",
            **{f"x-goog-meta-{key}": value for key, value in there.fields.get("metadata", {}).items()},
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted:
            return 200, there.data, headers
        first, last = int(wanted[1]), min(int(wanted[2]), len(there.data) - 1)
        if first > last:
            raise Refused(416, "The requested range cannot be satisfied.")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(there.data)}"
        return 206, there.data[first : last + 1], headers

    def upload(self, bucket: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if query["uploadType"] == "resumable":
            return self.begin_upload(bucket, query, json.loads(body))
        message = message_from_bytes(b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
        boundary = b"\r\n--" + message.get_boundary("").encode()
        description, _, media = body.partition(boundary)[0], None, body.partition(boundary)[2]
        fields = json.loads(description.partition(b"\r\n\r\n")[2])
        data = media.partition(b"\r\n\r\n")[2]
        data = data[: data.rindex(boundary)]
        return 200, self.storage.insert(bucket, fields["name"], data, fields, query), {}

    def begin_upload(self, bucket: str, query: Query, fields: Any) -> tuple[int, Any, dict[str, str]]:
        self.storage.check(self.storage.bucket(bucket).get(fields["name"]), query)
        name = str(next(self.storage.generations))
        self.storage.uploads[name] = Upload(bucket, fields["name"], fields, query)
        url = f"http://{self.headers['Host']}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={name}"
        return 200, b"", {"Location": url}

    def go_on(self, bucket: str, query: Query, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Takes a chunk, or tells how far an upload is."""
        upload = self.storage.uploads[query["upload_id"]]
        first, _, total = re.fullmatch(r"bytes (\*|(\d+)-\d+)/(\d+)", self.headers["Content-Range"]).groups()  # type: ignore[union-attr]
        if first != "*":
            upload.data[int(first.partition("-")[0]) :] = body
        if len(upload.data) < int(total):
            return 308, b"", {"Range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        data = bytes(upload.data)
        return 200, self.storage.insert(upload.bucket, upload.name, data, upload.fields, upload.query), {}

    def send(self, status: int, answer: object, headers: Mapping[str, str] = {}, pace: int | None = None) -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "application/octet-stream" if isinstance(answer, bytes) else "application/json"
        self.send_response_only(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if pace is None:
            self.wfile.write(body)
        else:
            for at in range(0, len(body), pace):
                self.wfile.write(body[at : at + pace])
                self.wfile.flush()
                time.sleep(0.05)
        self.wfile.flush()


ROUTES: list[tuple[str, Callable[..., tuple[int, Any, dict[str, str]]]]] = [
    (r"POST /storage/v1/b", Handler.make_bucket),
    (r"GET /storage/v1/b/([^/]+)/o", Handler.list_objects),
    (r"GET /storage/v1/b/([^/]+)/o/([^/]+)", Handler.describe),
    (r"PATCH /storage/v1/b/([^/]+)/o/([^/]+)", Handler.change),
    (r"DELETE /storage/v1/b/([^/]+)/o/([^/]+)", Handler.remove),
    (r"POST /upload/storage/v1/b/([^/]+)/o", Handler.upload),
    (r"PUT /upload/storage/v1/b/([^/]+)/o", Handler.go_on),
    (r"GET /([^/]+)/(.+)", Handler.download),
]


class Threads(ThreadingHTTPServer):
    """A thread for each connection, and room for many that come at once."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no errors."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main() -> None:
    Handler.storage = Storage()
    Threads(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


class Emulator(Server):
    """`gcp-storage-emulator`: written by others, so it shows that the requests are as they should be."""

    def command(self) -> Sequence[str]:
        program = Path(sys.executable).with_name("gcp-storage-emulator")
        options = ["--host=127.0.0.1", f"--port={self.port}", "--in-memory", f"--default-bucket={BUCKET}"]
        return [str(program), "start", *options]

    def ready(self) -> bool:
        return answers(("127.0.0.1", self.port))

    @property
    def endpoint(self) -> str:
        """What `STORAGE_EMULATOR_HOST` would hold."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, port: int | None = None, *, password: str | None = None) -> Mapping[str, Any]:
        return {"backend": "gcs", "gcs_bucket": BUCKET}

    def set_read_only(self, on: bool) -> None:
        raise NotImplementedError

    def set_full(self, on: bool) -> None:
        raise NotImplementedError


if __name__ == "__main__":
    main()
