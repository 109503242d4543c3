"""What can be learnt by ``train_classifier.py``: the classes of pictures, and those of texts."""

from support.tasks.choosing import task_for, task_of, trained_in
from support.tasks.task import Task, Trained
