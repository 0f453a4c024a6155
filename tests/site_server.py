"""A static server of one folder, as hosts of pages are: gzip, ETag, and a count of its bytes."""

import gzip
import http.server
import mimetypes
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

PACKED = (".whl", ".zip", ".png", ".gz")
mimetypes.add_type("application/wasm", ".wasm")


@cache
def packed(path):
    """Return the bytes of a file, packed where that helps, once."""
    data = path.read_bytes()
    return data if path.suffix in PACKED else gzip.compress(data, 6)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    sent: list

    def do_GET(self):
        path = self.folder / unquote(urlsplit(self.path).path).lstrip("/")
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        tag = f'"{path.stat().st_mtime_ns}"'
        data = b"" if self.headers.get("If-None-Match") == tag else packed(path)
        self.send_response(200 if data else 304)
        self.send_header("ETag", tag)
        self.send_header("Content-Type", mimetypes.guess_type(path)[0] or "text/plain")
        self.send_header("Content-Length", str(len(data)))
        if data and path.suffix not in PACKED:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(data)
        self.sent.append((path.relative_to(self.folder).as_posix(), len(data)))

    def log_message(self, *args):
        pass


@contextmanager
def served(folder):
    """Serve `folder`; yield its address and the list of (file, bytes) that were sent."""
    handler = type("Served", (Handler,), {"folder": Path(folder), "sent": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.sent
    finally:
        server.shutdown()
        server.server_close()
