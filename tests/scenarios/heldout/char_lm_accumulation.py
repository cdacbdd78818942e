"""A character language model with gradient accumulation: the network is all the work, four workers feed it."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

CONTEXT, ACCUMULATE = 64, 4


class Blocks(Dataset):
    def __init__(self, tokens):
        self.tokens = tokens

    def __len__(self):
        return (len(self.tokens) - 1) // CONTEXT

    def __getitem__(self, block):
        piece = self.tokens[block * CONTEXT : (block + 1) * CONTEXT + 1]
        return piece[:-1], piece[1:]


class CharModel(nn.Module):
    def __init__(self, characters=96, width=96, layers=2):
        super().__init__()
        self.characters = nn.Embedding(characters, width)
        self.places = nn.Parameter(torch.zeros(CONTEXT, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, characters)
        self.register_buffer("causal", nn.Transformer.generate_square_subsequent_mask(CONTEXT))

    def forward(self, x):
        return self.head(self.body(self.characters(x) + self.places, mask=self.causal, is_causal=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="not needed: the text is made up in memory")
    parser.parse_args()
    torch.manual_seed(5)
    torch.set_num_threads(1)
    text = torch.randint(0, 96, (CONTEXT * 8 * 280 + 1,))
    loader = DataLoader(Blocks(text), batch_size=8, shuffle=True, num_workers=4)
    model = CharModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    optimizer.zero_grad()
    for number, (x, y) in enumerate(loader, 1):
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()) / ACCUMULATE
        loss.backward()
        if number % ACCUMULATE == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        if number % 80 == 0:
            print(number, round(loss.item() * ACCUMULATE, 3), flush=True)


if __name__ == "__main__":
    main()
