"""Files: weights, plain objects and training checkpoints, none of which can hold code."""

from framework.io.atomic import atomic_path, atomic_write
from framework.io.checkpoint import load_checkpoint, newest, save_checkpoint
from framework.io.serialization import load, save
from framework.io.weights import FileFormatError, load_file, load_with_metadata, save_file
