"""Reads request after request and answers with the number of bytes. usage: swallow.py PORT"""

import socket
import sys
import threading

BUFFER = 1 << 20


def serve(connection):
    space = bytearray(BUFFER)
    rest = b""
    while True:
        while b"\r\n\r\n" not in rest:
            piece = connection.recv(BUFFER)
            if not piece:
                return
            rest += piece
        head, rest = rest.split(b"\r\n\r\n", 1)
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                       if line.startswith(b"content-length:")), 0)
        left = length - len(rest)
        rest = b""
        while left > 0:
            count = connection.recv_into(space, min(left, BUFFER))
            if not count:
                return
            left -= count
        body = str(length).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
