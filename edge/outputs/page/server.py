"""The page's web server: Starlette on uvicorn, in a thread of its own."""

from __future__ import annotations

import ipaddress
import socket
import threading

import uvicorn

from edge.errors import BusyError
from edge.outputs.metrics import Metrics
from edge.outputs.page.address import require_guarded
from edge.outputs.page.app import build_app
from edge.outputs.page.guard import GuardedHttp, GuardedServer, GuardedSocket, Listener
from edge.outputs.page.hub import Hub
from edge.outputs.page.serving import Serving
from edge.outputs.page.tls import load_tls

_SEND_BUFFER = 1 << 17  # bytes that the kernel keeps for a viewer, twice; its own choice would be megabytes


class PageServer:
    """Serves a hub until `close`."""

    def __init__(self, host: str, port: int, hub: Hub, metrics: Metrics, serving: Serving | None = None):
        """Bind at once, so that a port in use is known before anything starts. Port 0 takes a free one.

        Raises:
            UsageError: other machines could reach the page and nobody has to show who they are.
            ConfigError: the certificate or its key is none.
            BusyError: the port is in use.
        """
        serving = serving or Serving()
        require_guarded(host, port, guarded=serving.tokens is not None)
        context = None if serving.certificate is None else load_tls(serving.certificate, serving.key)
        self._socket = _bind(host, port)
        self.port = int(self._socket.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://{shown}:{self.port}/"
        names = (
            {shown, "localhost", *serving.hosts}
            if ipaddress.ip_address(host).is_loopback
            else {shown, *serving.hosts}
        )
        hosts = {f"{name.lower()}:{self.port}" for name in names}
        if self.port == (80 if context is None else 443):
            hosts |= {name.lower() for name in names}  # browsers leave the usual port out
        config = uvicorn.Config(
            build_app(hub, metrics, serving, hosts),
            http=GuardedHttp,
            ws=GuardedSocket,
            log_config=None,
            log_level="critical",  # a hostile visitor must not be able to fill the log
            access_log=False,
            lifespan="off",
            ws_max_size=4096,
            ws_per_message_deflate=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            server_header=False,
            proxy_headers=False,  # who guesses tokens would give every guess another address
            loop="asyncio",  # see GuardedServer
        )
        config.load()
        config.ssl = context
        self._server = GuardedServer(config)
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def close(self) -> None:
        """Let the viewers go and stop."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def _bind(host: str, port: int) -> socket.socket:
    listener = Listener(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # connections inherit it
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BusyError(
            f"the page cannot use {host}:{port}: {error.strerror}. "
            "End the other program or give another address with --page"
        ) from error
    return listener
