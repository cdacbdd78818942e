"""The words of all texts are stemmed before the training begins; its generator only picks them."""

from _common import options, sentences
from stems_as_it_trains import Corpus, train


def main():
    options(__doc__)
    train(Corpus(sentences(60, 300), size=12, steps=400, ahead=True))


if __name__ == "__main__":
    main()
