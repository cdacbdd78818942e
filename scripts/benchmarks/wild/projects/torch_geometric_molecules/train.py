"""Regression on molecules as in torch-geometric's graph_gps.py: random-walk positional encodings, GPS layers of GINE."""

import argparse
import json
from pathlib import Path

import torch
import torch_geometric.transforms as T
from torch.nn import BatchNorm1d, Embedding, Linear, ModuleList, ReLU, Sequential
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINEConv, global_add_pool
from torch_geometric.utils import to_undirected

parser = argparse.ArgumentParser()
parser.add_argument("root", type=Path)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument(
    "--pre-transform", action="store_true", help="compute the encodings once, when the data is processed"
)
args = parser.parse_args()


class Molecules(InMemoryDataset):
    @property
    def raw_file_names(self):
        return ["molecules.jsonl"]

    @property
    def processed_dir(self):
        return str(Path.cwd() / "processed")

    @property
    def processed_file_names(self):
        return ["data.pt"]

    def process(self):
        graphs = []
        for line in Path(self.raw_paths[0]).read_text().splitlines():
            molecule = json.loads(line)
            edge_index, edge_attr = to_undirected(
                torch.tensor(molecule["bonds"]).t().contiguous(), torch.tensor(molecule["orders"])
            )
            x = torch.tensor(molecule["atoms"]).unsqueeze(-1)
            graphs.append(Data(x=x, edge_index=edge_index, edge_attr=edge_attr, y=torch.tensor([molecule["y"]])))
        if self.pre_transform is not None:
            graphs = [self.pre_transform(graph) for graph in graphs]
        self.save(graphs, self.processed_paths[0])

    def __init__(self, root, transform=None, pre_transform=None):
        super().__init__(root, transform, pre_transform)
        self.load(self.processed_paths[0])


class GNN(torch.nn.Module):
    def __init__(self, channels, pe_dim, num_layers):
        super().__init__()
        self.node_emb = Embedding(28, channels - pe_dim)
        self.pe_lin = Linear(20, pe_dim)
        self.pe_norm = BatchNorm1d(20)
        self.edge_emb = Embedding(4, channels)
        self.convs = ModuleList()
        for _ in range(num_layers):
            nn = Sequential(Linear(channels, channels), ReLU(), Linear(channels, channels))
            self.convs.append(GINEConv(nn))
        self.mlp = Sequential(Linear(channels, channels // 2), ReLU(), Linear(channels // 2, 1))

    def forward(self, x, pe, edge_index, edge_attr, batch):
        x_pe = self.pe_norm(pe)
        x = torch.cat((self.node_emb(x.squeeze(-1)), self.pe_lin(x_pe)), 1)
        edge_attr = self.edge_emb(edge_attr)
        for conv in self.convs:
            x = conv(x, edge_index, edge_attr=edge_attr).relu()
        return self.mlp(global_add_pool(x, batch))


torch.manual_seed(12345)
encoding = T.AddRandomWalkPE(walk_length=20, attr_name="pe")
if args.pre_transform:
    dataset = Molecules(args.root, pre_transform=encoding)
else:
    dataset = Molecules(args.root, transform=encoding)
train_dataset, val_dataset = dataset[: len(dataset) * 9 // 10], dataset[len(dataset) * 9 // 10 :]
train_loader = DataLoader(train_dataset, batch_size=32, shuffle=True)
val_loader = DataLoader(val_dataset, batch_size=64)

model = GNN(channels=64, pe_dim=8, num_layers=5)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, weight_decay=1e-5)


def train():
    model.train()
    total_loss = 0
    for data in train_loader:
        optimizer.zero_grad()
        out = model(data.x, data.pe, data.edge_index, data.edge_attr, data.batch)
        loss = (out.squeeze() - data.y).abs().mean()
        loss.backward()
        total_loss += loss.item() * data.num_graphs
        optimizer.step()
    return total_loss / len(train_loader.dataset)


@torch.no_grad()
def test(loader):
    model.eval()
    total_error = 0
    for data in loader:
        out = model(data.x, data.pe, data.edge_index, data.edge_attr, data.batch)
        total_error += (out.squeeze() - data.y).abs().sum().item()
    return total_error / len(loader.dataset)


for epoch in range(1, args.epochs + 1):
    loss = train()
    val_mae = test(val_loader)
    print(f"Epoch: {epoch:02d}, Loss: {loss:.4f}, Val: {val_mae:.4f}")
