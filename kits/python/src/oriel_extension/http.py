"""Outbound HTTP through wasi:http. Needs the host in `network` under `[permissions]`.

    user = http.fetch("https://api.example.com/user", headers={"accept": "application/json"}).json()
"""

import json as _json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ._host import host
from .errors import Denied, LimitExceeded, OrielError, Unavailable

# wasi:io lets one write at most this much before it must be asked again.
_CHUNK = 4096


@dataclass(frozen=True)
class Response:
    """A whole response. Header names are in lower case; repeated headers are joined by `, `."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status < 300

    def text(self) -> str:
        """The body as UTF-8."""
        return self.content.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as JSON."""
        return _json.loads(self.content)

    def raise_for_status(self) -> "Response":
        """Itself, or `Unavailable` when the status is 400 or above."""
        if self.status >= 400:
            raise Unavailable(f"outbound HTTP: status {self.status}")
        return self


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | bytes | None = None,
    json: Any = None,
    timeout_ms: int | None = None,
) -> Response:
    """Sends a request and waits for the whole response.

    Raises `Denied` when the grant does not cover the host, `LimitExceeded` beyond a limit, `Unavailable` when the
    other side fails.
    """
    module = host("http", 'network = ["host"]')
    types = module.types
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(f"not an http(s) URL: {url}")
    fields = types.Fields()
    all_headers = {name.lower(): value for name, value in (headers or {}).items()}
    if json is not None:
        body = _json.dumps(json, ensure_ascii=False)
        all_headers.setdefault("content-type", "application/json")
    content = body.encode() if isinstance(body, str) else body
    if content is not None:
        # Told beforehand: not every server takes a body whose length it learns at its end.
        all_headers.setdefault("content-length", str(len(content)))
    try:
        for name, value in all_headers.items():
            fields.append(name, value.encode())
        request = types.OutgoingRequest(fields)
        known = getattr(types, f"Method_{method.capitalize()}", None)
        request.set_method(known() if known is not None and method.upper() != "OTHER" else types.Method_Other(method))
        request.set_scheme(types.Scheme_Https() if parts.scheme == "https" else types.Scheme_Http())
        request.set_authority(parts.netloc)
        request.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        options = None
        if timeout_ms is not None:
            options = types.RequestOptions()
            options.set_connect_timeout(timeout_ms * 1_000_000)
            options.set_first_byte_timeout(timeout_ms * 1_000_000)
            options.set_between_bytes_timeout(timeout_ms * 1_000_000)
        outgoing = None if content is None else request.body()
        future = module.handler.handle(request, options)
        if outgoing is not None and content is not None:
            _send(types, outgoing, bytes(content))
        with future.subscribe() as ready:
            ready.block()
        response = future.get()
        # Some levels arrive wrapped, some raise: an option of a result of a result.
        while type(response).__name__ in ("Ok", "Some"):
            response = response.value
        if type(response).__name__ == "Err":
            raise response
        return _receive(module, response)
    except OrielError:
        raise
    except Exception as error:
        raise _failure(error) from None


def _send(types: Any, outgoing: Any, body: bytes) -> None:
    try:
        with outgoing.write() as stream:
            for at in range(0, len(body), _CHUNK):
                stream.blocking_write_and_flush(body[at : at + _CHUNK])
        types.OutgoingBody.finish(outgoing, None)
    except Exception as error:
        # Nobody takes the body of a request that was refused or answered early: the response says which.
        if not type(getattr(error, "value", None)).__name__.startswith(("ErrorCode_", "StreamError_")):
            raise


def _receive(module: Any, response: Any) -> Response:
    with response:
        headers: dict[str, str] = {}
        with response.headers() as fields:
            for name, value in fields.entries():
                text = bytes(value).decode("utf-8", errors="replace")
                headers[name] = f"{headers[name]}, {text}" if name in headers else text
        chunks = []
        with response.consume() as body, body.stream() as stream:
            while True:
                try:
                    chunks.append(bytes(stream.blocking_read(65536)))
                except Exception as error:
                    if type(getattr(error, "value", None)).__name__ == "StreamError_Closed":
                        break
                    raise
        return Response(response.status(), headers, b"".join(chunks))


def _failure(error: Exception) -> Exception:
    code = getattr(error, "value", None)
    name = type(code).__name__
    if not name.startswith(("ErrorCode_", "StreamError_", "HeaderError_")):
        return error
    detail = getattr(code, "value", None)
    text = f"outbound HTTP: {name.split('_', 1)[1]}" + ("" if detail is None else f": {detail}")
    if name in ("ErrorCode_HttpRequestDenied", "ErrorCode_DestinationIpProhibited"):
        return Denied(text)
    # wasi:http has no code for the number of requests of a call.
    if name.endswith("Size") or "Limit" in name or str(detail).startswith("http_requests"):
        return LimitExceeded(text)
    return Unavailable(text)
