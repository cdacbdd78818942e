"""Train a convolutional network on photos with model.fit over a PyDataset."""

import argparse
import math
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import layers
from PIL import Image

SIZE = 128


class Photos(keras.utils.PyDataset):
    """Load a batch of JPEG files, resized to what the network takes."""

    def __init__(self, files, labels, batch_size=16, **kwargs):
        super().__init__(**kwargs)
        self.files = files
        self.labels = labels
        self.batch_size = batch_size

    def __len__(self):
        return math.ceil(len(self.files) / self.batch_size)

    def __getitem__(self, index):
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        x = np.stack([self.load(file) for file in self.files[chosen]])
        return x, self.labels[chosen]

    def load(self, file):
        image = Image.open(file).convert("RGB").resize((SIZE, SIZE))
        return np.asarray(image, dtype="float32") / 255.0


def network(classes):
    inputs = keras.Input((SIZE, SIZE, 3))
    x = inputs
    for filters in (16, 32, 64):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--processes", action="store_true")
    args = parser.parse_args()
    keras.utils.set_random_seed(1)
    classes = sorted(os.listdir(args.data))
    files = [
        (os.path.join(args.data, c, f), i)
        for i, c in enumerate(classes)
        for f in sorted(os.listdir(f"{args.data}/{c}"))
    ]
    order = np.random.default_rng(0).permutation(len(files))
    paths, labels = [files[i][0] for i in order], np.array([files[i][1] for i in order])
    cut = len(files) // 10
    options = {"workers": args.workers, "use_multiprocessing": args.processes}
    model = network(len(classes))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        Photos(paths[cut:], labels[cut:], **options),
        validation_data=Photos(paths[:cut], labels[:cut], **options),
        epochs=args.epochs,
        verbose=2,
        callbacks=[keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True)],
    )


if __name__ == "__main__":
    main()
