"""Vision: data sets, transforms and models."""

from vision import datasets, io, models, transforms
