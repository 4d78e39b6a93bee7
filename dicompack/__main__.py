"""``python -m dicompack``."""

from dicompack.cli import main

if __name__ == "__main__":  # a worker that is spawned imports this module under another name
    main()
