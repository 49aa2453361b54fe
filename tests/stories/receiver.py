"""A receiver of webhooks that fails at first: receiver.py FOLDER FAILURES.

It writes its port into FOLDER/port and a line of JSON for each request into FOLDER/received. What comes to /ecp it
fails the first times, and takes only under a right signature of the secret in FOLDER/secret.
"""

import base64
import hashlib
import hmac
import http.server
import json
import pathlib
import sys

folder, failures = pathlib.Path(sys.argv[1]), int(sys.argv[2])


def signature(message: str) -> str:
    secret = (folder / "secret").read_text().strip().removeprefix("whsec_")
    digest = hmac.new(base64.b64decode(secret), message.encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class Receiver(http.server.BaseHTTPRequestHandler):
    failed = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        message = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.{body}"
        status = 204
        if self.path == "/ecp" and Receiver.failed < failures:
            Receiver.failed, status = Receiver.failed + 1, 503
        elif self.path == "/ecp" and self.headers["webhook-signature"] != signature(message):
            status = 401
        received = {"path": self.path, "id": self.headers["webhook-id"], "status": status, "body": json.loads(body)}
        with (folder / "received").open("a") as file:
            file.write(json.dumps(received) + "\n")
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
(folder / "received").touch()
(folder / "port.new").write_text(str(server.server_port))
(folder / "port.new").rename(folder / "port")
server.serve_forever()
