"""Requests are prepared inside the event loop that also feeds the device."""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor

import torch
from _common import Network, options, report


def prepare(index):
    state, values = index + 1, []
    for _ in range(50_000):
        state = (state * 1103515245 + 12345) % 2147483648  # <- cause
        if state % 750 == 0:  # <- cause
            values.append(state / 2147483648)  # <- cause
    return torch.tensor((values + [0.0] * 64)[:64])


async def produce(queue, count, pool):
    for index in range(count):
        if pool is None:
            prepared = prepare(index)  # <- cause
        else:
            prepared = await asyncio.get_running_loop().run_in_executor(pool, prepare, index)
        await queue.put(prepared)


async def train(count, pool):
    queue = asyncio.Queue(4)
    producers = [asyncio.create_task(produce(queue, count // 2, pool)) for _ in range(2)]
    model = Network(64, device_ms=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(count):
        x = await queue.get()
        await asyncio.sleep(0.012)
        loss = model(x[None]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    await asyncio.gather(*producers)


def main():
    args = options(__doc__)
    started = time.perf_counter()
    if args.fix:
        with ProcessPoolExecutor(2) as pool:
            asyncio.run(train(200, pool))
    else:
        asyncio.run(train(200, None))
    report(200, started)


if __name__ == "__main__":
    main()
