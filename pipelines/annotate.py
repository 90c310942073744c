"""`raypose annotate` as the entrypoint of a Ray job.

    ray job submit --working-dir . -- python pipelines/annotate.py ARGUMENTS

Inside the job the cluster it was submitted to is used; the arguments are those of the command.
"""

from __future__ import annotations

import sys

from raypose.cli import main

if __name__ == "__main__":
    sys.exit(main(["annotate", *sys.argv[1:]]))
