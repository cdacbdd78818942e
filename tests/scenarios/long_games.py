"""Eight games whose moves take long are played one after the other; the fix plays them in processes of their own."""

from _common import options
from small_games import Apart, Together, train


def main():
    args = options(__doc__)
    train(Apart(2.0) if args.fix else Together(2.0), updates=20)


if __name__ == "__main__":
    main()
