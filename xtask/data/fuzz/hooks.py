"""What the fuzzer cannot know: how packages and lines of JSON are written."""

import json

import schemathesis
from schemathesis.transport.requests import REQUESTS_TRANSPORT
from schemathesis.transport.serialization import serialize_binary


@REQUESTS_TRANSPORT.serializer("application/vnd.oriel.package")
def package(ctx, value):
    return {"data": serialize_binary(value)}


@REQUESTS_TRANSPORT.serializer("application/x-ndjson")
def lines(ctx, value):
    return {"data": json.dumps(value).encode() + b"\n"}


@schemathesis.deserializer("application/x-ndjson")
def read_lines(ctx, response):
    """The document describes one line; all of them have its form."""
    read = [json.loads(line) for line in response.content.splitlines()]
    return read[0] if read else {}
