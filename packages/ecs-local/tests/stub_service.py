"""A service that starts at once and is controlled by variables: VERSION, READY, CRASH, SECONDS, KEEP_ALIVE."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = float(os.environ.get("KEEP_ALIVE", "75"))  # seconds that a connection may be idle

    def do_GET(self):
        if self.path == "/exit":
            os._exit(7)
        ready = os.environ.get("READY", "yes") == "yes"
        self._answer(200 if ready or self.path != "/readyz" else 503)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(float(os.environ.get("SECONDS", "0")))
        self._answer(200)

    def _answer(self, status):
        settings = {"version": os.environ.get("VERSION"), "secret": os.environ.get("SECRET")}
        body = json.dumps({**settings, "pid": os.getpid(), "headers": dict(self.headers)}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if os.environ.get("CRASH"):
    sys.exit(int(os.environ["CRASH"]))
server = ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(json.dumps({"event": "serving", "version": os.environ.get("VERSION")}), flush=True)
server.serve_forever(poll_interval=0.05)
