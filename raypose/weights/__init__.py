"""Published weights: which there are, where they come from, and the folder they are kept in.

* `published`: MMPose's models by name and alias, with address, digest and reported numbers;
  `trunks`: names of pretrained backbones.
* `cache`: an address to a local file; `transfer` and `file_lock` bring it there safely.
* `digests`: the digest in the name of a file; `addresses`: what is an address.

The environment decides where things are: `RAYPOSE_WEIGHTS_DIR` (the folder), `RAYPOSE_MIRRORS`
(addresses that stand in for the publisher's host) and `RAYPOSE_OFFLINE` (never use the network).
"""

from raypose.weights.addresses import is_address
from raypose.weights.cache import cached_path, fetch, local_file, weights_folder
from raypose.weights.published import (
    PublishedModel,
    address_of,
    find_published,
    published_models,
    published_names,
)

__all__ = [
    "PublishedModel",
    "address_of",
    "cached_path",
    "fetch",
    "find_published",
    "is_address",
    "local_file",
    "published_models",
    "published_names",
    "weights_folder",
]
