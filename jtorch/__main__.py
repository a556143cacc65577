"""``python -m jtorch``: see :mod:`jtorch.cli`."""

import sys

from jtorch.cli import main

if __name__ == "__main__":
    sys.exit(main())
