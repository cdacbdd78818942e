"""The planted line writes a checkpoint every ten steps."""

import io
import time

import torch
from _truth import Truth, loader, options, until


def main():
    args, truth = options(__doc__), Truth()
    torch.set_num_threads(1)
    model = torch.nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    state = {"ballast": torch.randn(30_000_000)}
    for number, batch in enumerate(until(args.seconds, loader(args, [torch.ones(8)] * 1_000_000)), 1):
        with truth.work:
            loss = model(batch).square().mean()
            time.sleep(0.010)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if number % 10 == 0:
                with truth.planted:
                    torch.save(state, io.BytesIO())  # <- planted
    truth.tell("trainer")


if __name__ == "__main__":
    main()
