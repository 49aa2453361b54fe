"""A server that answers as the cases of unhappy.json say: slowly, in part, with refusals or nonsense.

It stands for what a healthy server can not be made to do. Standard library only.
"""

import base64
import hashlib
import json
import socket
import struct
import sys
import threading
import time
from pathlib import Path

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}


class Cases:
    """The cases, and what each was sent."""

    def __init__(self, cases):
        self._cases = {case["name"]: case for case in cases}
        self._requests = {name: [] for name in self._cases}
        self._lock = threading.Lock()

    def take(self, name, request):
        """Records a request and says how to answer it."""
        with self._lock:
            seen = self._requests[name]
            seen.append(request)
            answers = self._cases[name]["answers"]
            return answers[min(len(seen), len(answers)) - 1]

    def requests(self, name):
        with self._lock:
            return list(self._requests[name])

    def __contains__(self, name):
        return name in self._cases


def read_request(stream):
    """One request of a connection, or nothing at its end."""
    line = stream.readline().decode("latin-1").split()
    if len(line) < 3:
        return None
    headers = {}
    while True:
        text = stream.readline().decode("latin-1").strip()
        if not text:
            break
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
    else:
        body = stream.read(int(headers.get("content-length", 0)))
    return {"method": line[0], "path": line[1], "headers": headers, "body": body.decode("utf-8", "replace")}


def http_answer(answer, request_id="req-unhappy"):
    """The bytes of an answer, and where its body begins."""
    body = answer.get("body", "")
    kind = "text/plain" if isinstance(body, str) else "application/json"
    payload = (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()
    status = answer.get("status", 200)
    headers = {"content-type": kind, "content-length": str(len(payload)), "x-request-id": request_id}
    headers.update(answer.get("headers", {}))
    head = f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    return head.encode() + payload, len(head)


def frame(opcode, payload):
    """A WebSocket frame of a server: whole, without a mask."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, size)
    return head + payload


def read_frame(stream):
    """Reads one short frame of a client."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    size = head[1] & 0x7F
    if size == 126:
        size = struct.unpack("!H", stream.read(2))[0]
    mask = stream.read(4)
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(stream.read(size)))


def answer_socket(connection, stream, request, answer):
    key = request["headers"].get("sec-websocket-key", "")
    accept = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    head += f"sec-websocket-accept: {accept}\r\n"
    protocols = request["headers"].get("sec-websocket-protocol", "")
    if protocols:
        head += f"sec-websocket-protocol: {protocols.split(',')[0].strip()}\r\n"
    connection.sendall((head + "\r\n").encode())
    if answer.get("after_hello"):
        read_frame(stream)
    for value in answer["socket"]:
        text = value if isinstance(value, str) else json.dumps(value)
        connection.sendall(frame(0x1, text.encode()))
    if "close" in answer:
        connection.sendall(frame(0x8, struct.pack("!H", answer["close"])))
        read_frame(stream)


def serve_connection(connection, cases):
    with connection, connection.makefile("rb") as stream:
        while request := read_request(stream):
            name, _, rest = request["path"].lstrip("/").partition("/")
            if name not in cases:
                connection.sendall(http_answer({"status": 404, "body": f"no case {name!r}"})[0])
                continue
            if rest == "requests":
                connection.sendall(http_answer({"body": cases.requests(name)})[0])
                continue
            request["path"] = "/" + rest
            answer = cases.take(name, request)
            time.sleep(answer.get("delay_ms", 0) / 1000)
            if answer.get("hang_up"):
                return
            if "bytes" in answer:
                connection.sendall(answer["bytes"].encode())
                return
            if "socket" in answer:
                if "sec-websocket-key" not in request["headers"]:
                    connection.sendall(http_answer({"status": 426, "body": "a WebSocket only"})[0])
                    continue
                answer_socket(connection, stream, request, answer)
                return
            data, body_at = http_answer(answer)
            if "cut_after" in answer:
                connection.sendall(data[: body_at + answer["cut_after"]])
                return
            connection.sendall(data)


def serve_quietly(connection, cases):
    try:
        serve_connection(connection, cases)
    except OSError:
        pass  # The client hung up first, as some cases want it to.


def main():
    cases = Cases(json.loads((Path(__file__).parent / "unhappy.json").read_text("utf-8")))
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    # Whoever started the server holds its input: when it ends, so does the server.
    threading.Thread(target=lambda: (sys.stdin.read(), listener.shutdown(socket.SHUT_RDWR)), daemon=True).start()
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_quietly, args=(connection, cases), daemon=True).start()


if __name__ == "__main__":
    main()
