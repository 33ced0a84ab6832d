"""``python -m napari_segtrain`` is the command line."""

import sys

from napari_segtrain.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
