"""Each metric of each step is sent to a server by a request of its own."""

import json
import multiprocessing
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import torch
from _common import Network, options, report
from torch.utils.data import DataLoader, TensorDataset


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.006)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def collect(port):
    server = HTTPServer(("127.0.0.1", 0), Collector)
    port.send(server.server_port)
    server.serve_forever()


def send(port, values):
    body = json.dumps(values).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/log", body, method="POST")
    urllib.request.urlopen(request).close()  # <- cause


def main():
    args = options(__doc__)
    here, there = multiprocessing.Pipe()
    multiprocessing.Process(target=collect, args=(there,), daemon=True).start()
    port = here.recv()
    data = TensorDataset(torch.randn(1500, 64), torch.randint(0, 10, (1500,)))
    loader = DataLoader(data, batch_size=10, num_workers=1)
    model = Network(64, device_ms=12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    started, steps, kept = time.perf_counter(), 0, []
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values = {"loss": loss.item(), "rate": 0.01, "norm": 1.0}
        if args.fix:
            kept.append(values)
            if steps % 50 == 49:
                send(port, kept)
                kept.clear()
        else:
            for name, value in values.items():
                send(port, {name: value})  # <- cause
        steps += 1
    report(steps, started)


if __name__ == "__main__":
    main()
