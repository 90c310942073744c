"""`python -m raypose.cli`, the same as the command `raypose`."""

from __future__ import annotations

import sys

from raypose.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
