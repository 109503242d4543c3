"""Tools beside the core, at the paths where PyTorch's users look for them."""

from framework.utils import checkpoint, data
