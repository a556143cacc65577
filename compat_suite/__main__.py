"""``python -m compat_suite [--backend torch] [--curve losses.json]``: exits with 1 when a block fails."""

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="compat_suite", description="Run the PyTorch tutorial, unmodified.")
    parser.add_argument("--backend", choices=("jtorch", "torch"), default="jtorch", help="whose torch to run it on")
    parser.add_argument("--curve", type=Path, metavar="FILE", help="write the training loop's losses as JSON")
    options = parser.parse_args()
    if options.backend == "jtorch":
        import jtorch.alias

        jtorch.alias.enable()
    else:  # torch.load('model.pth') of a whole model, which torch has refused since 2.6 unless told otherwise
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    from compat_suite import suite

    return 1 if suite.run(options.backend, options.curve) else 0


if __name__ == "__main__":
    sys.exit(main())
