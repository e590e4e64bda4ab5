"""Resets a connection as a broken network does: at once, in mid-reply, with everything unsent thrown away."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

NOW = struct.pack("ii", 1, 0)
"""`SO_LINGER`, on, for no seconds: closing sends a reset instead of the rest."""


class ResettableProtocol(H11Protocol):
    """Lets the application have its connection, which ASGI hides."""

    def connection_made(self, transport: Any) -> None:
        """Put the connection where the application finds it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def reset(request: Request) -> None:
    """Reset the connection that this request came by."""
    transport: asyncio.Transport = request.state.transport
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    transport.abort()
