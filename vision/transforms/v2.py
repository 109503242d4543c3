"""torchvision's name for its present transforms. Here is but one kind, so this module is ``vision.transforms``."""

import sys

from vision import transforms
from vision.transforms import functional

sys.modules[__name__] = transforms
sys.modules[f"{__name__}.functional"] = functional
