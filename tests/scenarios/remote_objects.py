"""Training data in an object store that is asked over HTTP for each sample (here: a server with latency)."""

import http.server
import io
import threading
import time
import urllib.request

import numpy as np
import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, Dataset


class Store(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.006)
        number = int(self.path.rsplit("/", 1)[1])
        buffer = io.BytesIO()
        np.save(buffer, np.full((64, 64), number % 251, dtype=np.uint8))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(buffer.getvalue())

    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


class Objects(Dataset):
    def __init__(self, address, count, local):
        self.address, self.count = address, count
        self.local = {i: self.fetch(i) for i in range(64)} if local else None

    def fetch(self, index):
        with urllib.request.urlopen(f"{self.address}/train/{index}") as answer:  # <- cause
            return answer.read()

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        data = self.local[index % 64] if self.local else self.fetch(index)
        return torch.from_numpy(np.load(io.BytesIO(data))).float() / 255, index % 10


def main():
    args = options(__doc__)
    loader = DataLoader(Objects(serve(), 960, local=args.fix), batch_size=12, shuffle=True, num_workers=2)
    model = Network(64 * 64, device_ms=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps = time.perf_counter(), 0
    for images, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
