"""Listening sockets, and their end without a lost connection.

Owns the sockets that the server and the gateway listen on. The kernel accepts connections for a listening socket before
a process asks for them, and resets those of its queue when the last process closes it. So a process that stops:

1. leads new connections to the next process, if the port is shared with one (SO_REUSEPORT);
2. lets the kernel drop the SYN of new connections, whose clients send it again a second later;
3. accepts the connections that are in the queue or complete their handshake now;
4. closes the socket.

A socket that a service manager gave remains open there, and its queue too: the next process accepts those connections.
Sources: socket(7), SO_ATTACH_FILTER and SO_ATTACH_REUSEPORT_CBPF; Linux, net/ipv4/tcp_ipv4.c and
net/core/sock_reuseport.c.
"""

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Collection, MutableMapping
from contextlib import suppress

from daypass.http.workers import ListenError

BACKLOG = 2048
HANDSHAKE_SECONDS = 0.25
"""How long a handshake that began before `turn_away` may take."""

_FIRST_INHERITED = 3  # the number of the first descriptor of a service manager
_MOST_INHERITED = 64

# Of asm-generic/socket.h, which the socket module does not have.
_SO_ATTACH_FILTER = 26
_SO_ATTACH_REUSEPORT_CBPF = 51
# Instructions of the classic BPF: code, jump if true, jump if false, operand. A packet begins with its TCP header here.
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte of the flags
    (0x45, 0, 1, 0x02),  # is SYN set?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # accept
)
# The second socket that listens on the port. If it does not exist, the kernel chooses as usual.
_TO_THE_NEXT = ((0x06, 0, 0, 1),)


class InheritedListener(socket.socket):
    """A listening socket that a service manager keeps open."""


def open_listener(host: str, port: int, *, remedy: str = "", reuse_port: bool = False) -> socket.socket:
    """Return a socket for an address. Raises ListenError with the remedy.

    It listens already, unless the port is shared: then `start_listening` does it, when the process can serve.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        if not reuse_port:
            listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}. {remedy}".rstrip(". ")) from error
    listener.set_inheritable(True)
    return listener


def inherited_listeners(names: Collection[str], environment: MutableMapping[str, str]) -> dict[str, InheritedListener]:
    """Return the listening sockets of the service manager, by name.

    Without a service manager, there are none. `names` are the names that this program knows, the first of which is that
    of a single socket with any other name. The variables are removed, so that children do not take the sockets for
    theirs. Source: sd_listen_fds(3). Raises ListenError.
    """
    given = [environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")]
    pid, count_text, names_text = given
    if not count_text or pid != str(os.getpid()):
        return {}
    if not (count_text.isascii() and count_text.isdigit()) or not 0 < int(count_text) <= _MOST_INHERITED:
        raise ListenError(
            f"LISTEN_FDS cannot be {count_text!r}: it must be the number of sockets, 1 to {_MOST_INHERITED}"
        )
    count = int(count_text)
    labels = names_text.split(":") if names_text else ["unknown"] * count
    if len(labels) != count:
        raise ListenError(f"LISTEN_FDNAMES has {len(labels)} names, but LISTEN_FDS is {count}")
    known = list(names)
    if count == 1 and labels[0] not in known:
        labels = known[:1]
    found: dict[str, InheritedListener] = {}
    for number, label in enumerate(labels, start=_FIRST_INHERITED):
        if label not in known:
            raise ListenError(
                f"the socket {label!r} (descriptor {number}) has an unknown name: with several sockets, set "
                f"FileDescriptorName to one of {', '.join(known)}"
            )
        if label in found:
            raise ListenError(f"two sockets have the name {label!r}: give one socket for each name")
        found[label] = _checked(number, label)
    return found


def start_listening(listener: socket.socket) -> None:
    """Let the kernel accept connections, if it does not yet.

    Of two processes that share a port, each gets a part of the connections from here on.
    """
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.listen(BACKLOG)


def lead_to_the_next(listener: socket.socket) -> None:
    """Lead new connections to the next process that shares the port.

    If there is none, they still come here. The rule stays after the end of this process: then there is one socket, or
    a next one again.
    """
    # A service manager chooses for its own sockets.
    is_inherited = isinstance(listener, InheritedListener)
    if not is_inherited and listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        _attach(listener, _SO_ATTACH_REUSEPORT_CBPF, _TO_THE_NEXT)


def turn_away(listener: socket.socket) -> None:
    """Drop the packets that begin connections, and keep the queue.

    Where the kernel cannot do that, connections of the last moment are reset.
    """
    if not isinstance(listener, InheritedListener):
        _attach(listener, _SO_ATTACH_FILTER, _DROP_SYN)


def _attach(listener: socket.socket, option: int, program: tuple[tuple[int, int, int, int], ...]) -> None:
    if sys.platform != "linux":
        return
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    with suppress(OSError):  # an old kernel, or one that emulates Linux
        listener.setsockopt(socket.SOL_SOCKET, option, struct.pack("HP", len(program), ctypes.addressof(instructions)))


def _checked(number: int, label: str) -> InheritedListener:
    about = f"the socket {label!r} (descriptor {number})"
    try:
        listener = InheritedListener(fileno=number)
    except OSError as error:
        raise ListenError(f"{about} is not an open socket: {error.strerror}") from error
    if listener.family not in {socket.AF_INET, socket.AF_INET6} or listener.type != socket.SOCK_STREAM:
        raise ListenError(f"{about} is not a TCP socket: use ListenStream with an address and a port")
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ListenError(f"{about} does not listen: use ListenStream, and Accept=no")
    listener.set_inheritable(False)
    return listener
