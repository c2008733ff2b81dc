"""As much of curl as docs/api.md uses, for machines without it: -X, -H, -d, -u, -D and the URL, with -sSf implied where given."""

from __future__ import annotations

import argparse
import base64
import sys
import urllib.error
import urllib.request
from pathlib import Path


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("-X", dest="method")
    options.add_argument("-H", dest="headers", action="append", default=[])
    options.add_argument("-d", dest="data", action="append", default=[])
    options.add_argument("-u", dest="user")
    options.add_argument("-D", dest="dump")
    options.add_argument("-sS", dest="silent", action="store_true")
    options.add_argument("-sSf", dest="fail", action="store_true")
    options.add_argument("url")
    given = options.parse_args()
    body = "&".join(given.data).encode() if given.data else None
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    headers |= dict(header.split(": ", 1) for header in given.headers)
    if given.user:
        headers["Authorization"] = f"Basic {base64.b64encode(given.user.encode()).decode()}"
    request = urllib.request.Request(given.url, body, headers, method=given.method)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if given.fail:
            sys.stderr.write(f"curl: (22) The requested URL returned error: {error.code}\n")
            return 22
        answer = error
    with answer:
        if given.dump:
            Path(given.dump).write_text("".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()), encoding="utf-8")
        sys.stdout.buffer.write(answer.read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
