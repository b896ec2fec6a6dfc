"""
A company's receiver of webhooks, with nothing but Python: what Massakoppi tells, checked, by line.

    python webhook.py 8900 whsec_…

The secret: what `massakoppi webhook add` showed. It answers 204 once what it was told is kept.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALE_S = 300  # an older signature may be somebody's copy
seen: set[str] = set()
newest: dict[str, int] = {}


class Receiver(BaseHTTPRequestHandler):
    secret = b""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self.is_signed(body):
            self.send_error(401)
            return
        if self.headers["webhook-id"] not in seen:  # the same id again is the same news
            self.keep(json.loads(body))
            seen.add(self.headers["webhook-id"])
        self.send_response(204)
        self.end_headers()

    def is_signed(self, body: bytes) -> bool:
        id, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        digest = hmac.digest(self.secret, f"{id}.{at}.".encode() + body, hashlib.sha256)
        wanted = f"v1,{base64.b64encode(digest).decode()}"
        told = self.headers["webhook-signature"].split()
        fresh = abs(time.time() - int(at)) <= STALE_S
        return fresh and any(hmac.compare_digest(wanted, one) for one in told)

    def keep(self, news: dict) -> None:
        data = news["data"]
        names = ("match_id", "near_miss_id", "forecast_id", "project_id")
        thing = next((data[one] for one in names if one in data), "")
        revision = data.get("revision", 0)
        if revision >= newest.get(thing, 0):  # news may overtake each other: the highest holds
            newest[thing] = revision
            print(json.dumps(news), flush=True)

    def log_message(self, *_: object) -> None:
        """Nothing but what was told is printed."""


if __name__ == "__main__":
    port, secret = int(sys.argv[1]), sys.argv[2]
    Receiver.secret = base64.b64decode(secret.removeprefix("whsec_"))
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
