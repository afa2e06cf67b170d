"""Base of the simulated voice providers: an HTTP server with outages, and phones that ring."""

import http.server
import threading

import checks

# What a phone does when it is called.
RINGS_OUT, PRESSES_1, PRESSES_2 = "rings out", "presses 1", "presses 2"
# Outages of a provider: it fails requests that place a call, or does not respond to any request.
ANSWERS_500, NEVER_ANSWERS = "answers 500", "never answers"


class Provider:
    """Listens on the loopback during the `with` block, except after `refuse`."""

    def __init__(self, call_back, phones):
        # All providers share the phones: an employee has one phone, whichever provider calls it.
        self.call_back, self.phones = call_back, phones
        # For the checks: calls placed, calls requested during an outage, and the responses of our API to each event.
        self.orders, self.lost, self.answers = [], [], []
        # Called when a call has been placed, before the response is sent; and when an event is sent.
        self.on_order = self.on_event = lambda: None
        self.outage, self.ended, self.port = None, threading.Event(), 0

    def __enter__(self):
        self.listen()
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.refuse()

    def listen(self):
        """Accepts connections, always on the same port."""
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                provider.answer(self)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = checks.Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def refuse(self):
        """Stops accepting connections: the kernel refuses them at once."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        outage, places = self.outage, self.places_a_call(request.command, request.path)
        if places and outage:
            self.lost.append(body)
        if outage == NEVER_ANSWERS:
            # Longer than the client waits.
            self.ended.wait()
            return
        if places and outage == ANSWERS_500:
            status, kind, text = 500, "text/html", "<h1>Internal Server Error</h1>"
        else:
            status, kind, text = self.route(request.command, request.path, request.headers, body)
        request.send_response(status)
        request.send_header("content-type", kind)
        request.send_header("content-length", str(len(text.encode())))
        request.end_headers()
        request.wfile.write(text.encode())

    def places_a_call(self, method, path):
        raise NotImplementedError

    def route(self, method, path, headers, body):
        """Status, content type and text of the response."""
        raise NotImplementedError
