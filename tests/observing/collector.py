"""A receiver of spans by OTLP over HTTP: what the processes of a test send is kept."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Keep the spans by their traces' ids."""

    def __init__(self) -> None:
        self.spans: dict[bytes, list[Any]] = {}
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in part.scope_spans:
                        for span in scope.spans:
                            collector.spans.setdefault(span.trace_id, []).append(span)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()
