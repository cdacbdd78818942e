"""A server without any training prepares requests inside the event loop that also calls its model."""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor

import torch
from _common import Network, options, report

WAITED = []


def prepare(request):
    state, values = request + 1, []
    for _ in range(50_000):  # <- cause
        state = (state * 1103515245 + 12345) % 2147483648  # <- cause
        if state % 750 == 0:  # <- cause
            values.append(state / 2147483648)  # <- cause
    return torch.tensor((values + [0.0] * 64)[:64])


async def ask(requests, queue, pool):
    for request in requests:
        begun = time.perf_counter()
        if pool is None:
            prepared = prepare(request)  # <- cause
        else:
            prepared = await asyncio.get_running_loop().run_in_executor(pool, prepare, request)
        WAITED.append(time.perf_counter() - begun)
        answer = asyncio.get_running_loop().create_future()
        await queue.put((prepared, answer))
        await answer


async def serve(queue):
    model = Network(64, device_ms=30).eval()
    while True:
        prepared, answer = await queue.get()
        with torch.inference_mode():
            scores = model(prepared[None])
        answer.set_result(int(scores.argmax()))


async def run(count, pool):
    queue = asyncio.Queue()
    server = asyncio.create_task(serve(queue))
    await asyncio.gather(*(ask(range(first, count, 4), queue, pool) for first in range(4)))
    server.cancel()


def main():
    args = options(__doc__)
    started = time.perf_counter()
    if args.fix:
        with ProcessPoolExecutor(2) as pool:
            asyncio.run(run(300, pool))
        report(300, started)
    else:
        asyncio.run(run(300, None))
        report(300, started, sum(WAITED))


if __name__ == "__main__":
    main()
