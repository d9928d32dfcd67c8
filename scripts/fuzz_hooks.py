"""What Schemathesis loads first: it cannot send NDJSON by itself, which the contract describes as text."""

import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
