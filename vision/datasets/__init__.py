"""Data sets of images."""

from vision.datasets.cifar import CIFAR10, CIFAR100
from vision.datasets.digits import RenderedDigits
from vision.datasets.folder import (
    IMG_EXTENSIONS,
    DatasetFolder,
    ImageFolder,
    default_loader,
    find_classes,
    has_file_allowed_extension,
    is_image_file,
    make_dataset,
    pil_loader,
)
from vision.datasets.mnist import KMNIST, MNIST, FashionMNIST, read_idx
from vision.datasets.vision import DatasetNotFound, VisionDataset
