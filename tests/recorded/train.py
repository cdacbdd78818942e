"""A small training with everything that is recorded: workers, transforms, evaluation, a checkpoint, collections."""

import gc

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Photos(Dataset):
    def __init__(self, n):
        self.n = n
        self.transform = v2.Compose([v2.RandomHorizontalFlip(), v2.Resize(24), v2.RandomCrop(16)])

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        total = 0
        for value in range(20000):
            total += value * index
        picture = torch.full((3, 32, 32), float(total % 7))
        return self.transform(picture), index % 4


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    train, test = DataLoader(Photos(240), batch_size=8, num_workers=2), DataLoader(Photos(16), batch_size=8)
    for _epoch in range(3):
        for pictures, labels in train:
            loss = torch.nn.functional.cross_entropy(model(pictures), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            for pictures, _ in test:
                model(pictures)
        torch.save(model.state_dict(), "model.pt")
        gc.collect()
    print(f"loss {loss.item():.9f}")


main()
