"""A source that lets everybody wait: GET /… answers `[]` once GET /release has come. GET /count tells who waits."""

import asyncio
import sys


async def serve(port):
    waiting, released = [0], asyncio.Event()

    async def answer(reader, writer):
        while line := await reader.readline():
            path = line.split()[1].decode()
            while (await reader.readline()).strip():
                pass
            body = b"[]"
            if path == "/count":
                body = str(waiting[0]).encode()
            elif path == "/release":
                released.set()
            else:
                waiting[0] += 1
                await released.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(body), body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=2048)
    async with server:
        await server.serve_forever()


asyncio.run(serve(int(sys.argv[1])))
