"""Shared by all checks: reporting results, and requests to the deployed API."""

import http.server
import json
import sys
import time
import urllib.parse

BEGAN = time.monotonic()


class Server(http.server.ThreadingHTTPServer):
    """HTTP server that ignores broken connections, such as those of a killed function that waits for a response."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Api:
    """Client of the deployed API."""

    def __init__(self, aws, url, token=None):
        self.aws, self.host, self.token = aws, urllib.parse.urlsplit(url).netloc, token

    def __call__(self, method, path, body=None, **headers):
        authorization = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return self.aws.request(method, path, None if body is None else json.dumps(body),
                                {"content-type": "application/json", **authorization, **headers}, self.host)


def stage(title):
    """Prints the title of the checks that follow, and the seconds since the start of the run."""
    print(f"\n== {title} (after {time.monotonic() - BEGAN:.0f} s)", flush=True)


def report(what, holds):
    print(f"   {'ok  ' if holds else 'FAIL'} {what}", flush=True)


def check(what, holds, seen=None):
    report(what, holds)
    if not holds:
        raise SystemExit(f"seen: {json.dumps(seen, indent=2, default=str)}" if seen is not None else 1)
