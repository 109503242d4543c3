"""Data sets of images."""

from hub.archives import download_and_extract_archive, extract_archive
from vision.datasets.caltech import Caltech101, Caltech256
from vision.datasets.captions import SBU, Flickr8k, Flickr30k
from vision.datasets.celeba import CelebA
from vision.datasets.cifar import CIFAR10, CIFAR100
from vision.datasets.cityscapes import Cityscapes
from vision.datasets.clevr import CLEVRClassification
from vision.datasets.coco import CocoCaptions, CocoDetection, CocoIndex
from vision.datasets.digits import RenderedDigits
from vision.datasets.emnist import EMNIST, QMNIST
from vision.datasets.fake import FakeData
from vision.datasets.fer2013 import FER2013
from vision.datasets.fine_grained import FGVCAircraft, Food101, StanfordCars
from vision.datasets.flowers import Flowers102
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
from vision.datasets.folders import GTSRB, Country211, EuroSAT, Imagenette, RenderedSST2
from vision.datasets.imagenet import ImageNet
from vision.datasets.inaturalist import INaturalist
from vision.datasets.kitti import Kitti
from vision.datasets.lfw import LFWPairs, LFWPeople
from vision.datasets.lsun import LSUN, LSUNClass
from vision.datasets.manifest import ManifestDataset
from vision.datasets.masks import decode_mask
from vision.datasets.mnist import KMNIST, MNIST, FashionMNIST, read_idx
from vision.datasets.moving_mnist import MovingMNIST
from vision.datasets.omniglot import Omniglot
from vision.datasets.pcam import PCAM
from vision.datasets.pets import OxfordIIITPet
from vision.datasets.sbd import SBDataset
from vision.datasets.scenes import DTD, SUN397, Places365
from vision.datasets.stl10 import STL10
from vision.datasets.svhn import SVHN
from vision.datasets.usps import SEMEION, USPS
from hub.dataset_files import DatasetNotFound
from vision.datasets.vision import VisionDataset
from vision.datasets.voc import VOCDetection, VOCSegmentation
from vision.datasets.webdataset import WebDataset
from vision.datasets.widerface import WIDERFace
from vision.datasets.wrapping import wrap_dataset_for_transforms_v2
