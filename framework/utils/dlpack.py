"""Memory shared with other libraries by the DLPack protocol."""

from framework.ops.values import from_dlpack as from_dlpack
from framework.ops.values import to_dlpack as to_dlpack
