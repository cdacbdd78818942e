"""Train a timm model as its documentation shows: create_dataset, create_loader, create_model, create_optimizer_v2."""

import argparse
import time

import torch
from timm.data import create_dataset, create_loader
from timm.loss import LabelSmoothingCrossEntropy
from timm.models import create_model
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import AverageMeter, accuracy, random_seed

parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("--model", default="resnet18")
parser.add_argument("--img-size", type=int, default=96)
parser.add_argument("--batch-size", type=int, default=16)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--aa", default="rand-m9-mstd0.5-inc1")
parser.add_argument("--log-interval", type=int, default=5)


def train_one_epoch(epoch, model, loader, optimizer, loss_fn, args):
    model.train()
    losses = AverageMeter()
    data_time = AverageMeter()
    end = time.time()
    for index, (images, target) in enumerate(loader):
        data_time.update(time.time() - end)
        output = model(images)
        loss = loss_fn(output, target)
        losses.update(loss.item(), images.size(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if index % args.log_interval == 0:
            print(f"Train: {epoch} [{index}/{len(loader)}]  Loss: {losses.avg:.6f}  Data: {data_time.avg:.3f}")
        end = time.time()


@torch.no_grad()
def validate(model, loader):
    model.eval()
    top1 = AverageMeter()
    for images, target in loader:
        output = model(images)
        (acc1,) = accuracy(output, target, topk=(1,))
        top1.update(acc1.item(), images.size(0))
    return top1.avg


def main():
    args = parser.parse_args()
    random_seed(42, 0)
    model = create_model(args.model, num_classes=4)
    dataset_train = create_dataset("", root=args.data, split="train", is_training=True)
    dataset_eval = create_dataset("", root=args.data, split="val")
    common = {
        "input_size": (3, args.img_size, args.img_size),
        "batch_size": args.batch_size,
        "num_workers": args.workers,
        "use_prefetcher": False,
        "device": torch.device("cpu"),
    }
    loader_train = create_loader(dataset_train, is_training=True, auto_augment=args.aa, re_prob=0.25, **common)
    loader_eval = create_loader(dataset_eval, is_training=False, **common)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.01, momentum=0.9)
    scheduler = CosineLRScheduler(optimizer, t_initial=args.epochs)
    loss_fn = LabelSmoothingCrossEntropy(smoothing=0.1)
    for epoch in range(args.epochs):
        train_one_epoch(epoch, model, loader_train, optimizer, loss_fn, args)
        print(f"Test: {epoch}  Acc@1: {validate(model, loader_eval):.4f}")
        scheduler.step(epoch + 1)


if __name__ == "__main__":
    main()
