"""Media types that schemathesis does not know."""
import json

import schemathesis


@schemathesis.serializer("application/x-tar")
def tar(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.deserializer("application/x-ndjson")
def last_line(ctx, response):
    lines = [json.loads(line) for line in response.content.splitlines() if line]
    return lines[-1] if lines else None
