"""What all checks share: saying what holds, and asking the deployed API."""

import json
import urllib.parse


class Api:
    """The deployed API, as the world sees it."""

    def __init__(self, aws, url, token=None):
        self.aws, self.host, self.token = aws, urllib.parse.urlsplit(url).netloc, token

    def __call__(self, method, path, body=None, **headers):
        authorization = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return self.aws.request(method, path, None if body is None else json.dumps(body),
                                {"content-type": "application/json", **authorization, **headers}, self.host)


def check(what, holds, seen=None):
    print(f"   {'ok  ' if holds else 'FAIL'} {what}", flush=True)
    if not holds:
        raise SystemExit(f"seen: {json.dumps(seen, indent=2, default=str)}" if seen is not None else 1)
