"""Classes of texts."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import framework as F
import hub
import text
from framework.data import DataLoader, LengthBucketSampler
from framework.errors import ArgumentError, StateError, nearest
from framework.io import atomic_write
from support import run as runs
from support.corpus import save_config
from support.encoders import Encoded, Padded, Subwords, Words
from support.goals import Classes, Numbers
from support.placing import pinned
from support.recipe import fill, refuse
from support.tables import Part, is_table, load_tables, read_unlabelled, to_measure
from support.tasks.task import Task, Trained
from text.models import classic, from_config

CLASSIC = hub.list_models(classic)
MAX_LENGTH = 256
TASK = "sequence-classification"
# what is sensible where nothing was said: for each net from scratch, for a whole language model, for its head or adapters
_RECIPES: dict[str, dict[str, Any]] = {
    "bag": {"epochs": 5, "batch_size": 64, "lr": 5e-3},
    "textcnn": {"epochs": 8, "batch_size": 50, "lr": 1e-3},
    "bilstm": {"epochs": 8, "batch_size": 50, "lr": 3e-3},
    "whole": {"epochs": 3, "batch_size": 32, "lr": 8e-5, "clip_grad_norm": 1.0},
    "head": {"epochs": 20, "batch_size": 32, "lr": 2e-3},
    "lora": {"epochs": 3, "batch_size": 32, "lr": 2e-3, "clip_grad_norm": 1.0},
}
_FACTORS = {"sgd": 12.0, "lion": 0.1}  # of the learning rate, by optimizer


def one_line(entry: Any) -> str:
    """A text, or a pair of texts, as one line."""
    return " ".join((entry if isinstance(entry, str) else " | ".join(entry)).split())


class TextTask(Task):
    """Texts, or pairs of them, out of tables."""

    kind = "text-classification"
    samples = "texts"

    def __init__(self, args: Any, folder: Path | None = None) -> None:
        tables = load_tables(args)
        self.name, self.classes, self.held_out = tables.name, tables.classes, tables.held_out
        self.tables = tables
        self.goal = Numbers if args.labels == "number" else Classes
        self.encoder: Words | Subwords
        make = self._words if args.model in CLASSIC else self._subwords
        self.encoder, self.model, self.config = make(args, folder)
        self.train = self._encoded(tables.train)
        self.test, self._shown = self._by_length(tables.test)
        self._final = None
        if tables.final is not tables.test:
            self._final, self._shown = self._by_length(tables.final)

    @property
    def final(self) -> Any:
        """The test table, if there is one beside the validation table."""
        return self.test if self._final is None else self._final

    @staticmethod
    def meant_by(args: Any) -> bool:
        """Whether a command line is about texts."""
        model = args.model or ""
        return is_table(args.data) or model in CLASSIC or (Path(model) / "config.json").is_file()

    @staticmethod
    def settle(args: Any) -> None:
        """Fill in what the command line left open, and refuse what is for pictures."""
        pictures = ("augment", "auto_augment", "random_erase", "mixup_alpha", "cutmix_alpha", "image_size")
        refuse(args, "is for pictures", *pictures)
        if args.cache_features > 1:
            raise ArgumentError("--cache-features: there is one view of a text; give 1")
        if args.weights != "none":
            start = runs.read_settings(Path(args.weights))
            args.model = args.model or start["model"]
            if start["model"] != args.model or args.model not in CLASSIC:
                raise ArgumentError(
                    f"--weights {args.weights}: a run of {start['model']!r}; give that of a {', '.join(CLASSIC)}, or a "
                    "language model's folder as --model"
                )
        args.model = args.model or "bag"
        if args.labels == "number":
            refuse(args, "is for classes", "label_smoothing")
        if args.model in CLASSIC:
            refuse(args, f"is for language models; {args.model} is learnt whole", "lora")
        whole = "head" if args.freeze == "backbone" else "whole" if args.lora is None else "lora"
        recipe = dict(_RECIPES.get(args.model, _RECIPES[whole]))
        recipe["lr"] *= _FACTORS.get(args.optimizer, 1.0)
        fill(args, {**recipe, "workers": 0})

    def _words(self, args: Any, folder: Path | None) -> tuple[Words, Any, dict[str, Any]]:
        """The words and the net of a run's folder, of the run to start from, or new ones."""
        length = args.max_length or MAX_LENGTH
        if folder is None and args.weights == "none":
            encoder = Words.learn(self.tables.train, length)
        else:
            encoder = Words.load(folder or Path(args.weights), length)
        config = {"vocab_size": len(encoder.vocab), "num_classes": len(self.classes) or 1}
        model = hub.create(args.model, **config)
        if folder is None and args.weights != "none":
            try:
                print(f"{args.weights}: {hub.load_pretrained(model, Path(args.weights) / runs.WEIGHTS)}")
            except StateError as error:
                raise ArgumentError(f"--weights {args.weights}: {error}") from None
        return encoder, model, config

    def _subwords(self, args: Any, folder: Path | None) -> tuple[Subwords, Any, dict[str, Any]]:
        """The tokenizer and the model of a run's folder, or of a language model's."""
        meant = nearest(args.model, CLASSIC)
        if meant and folder is None and not Path(args.model).is_dir():
            known = ", ".join(CLASSIC)
            raise ArgumentError(f"--model {args.model}: for texts give {known}, or a language model's folder{meant}")
        encoder = Subwords.load(folder or args.model, args.max_length or MAX_LENGTH)
        if folder is not None:
            model = from_config(folder, TASK)
        else:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    names = {"id2label": dict(enumerate(self.classes))} if self.classes else {"num_labels": 1}
                    model = text.from_pretrained(args.model, TASK, **names)
                except StateError as error:
                    raise ArgumentError(f"--model {args.model}: {error}") from None
            for entry in caught:
                print(f"{args.model}: {entry.message}")
            model.config.problem_type = "single_label_classification" if self.classes else "regression"
            if model.config.get("pad_token_id") is None:
                model.config.pad_token_id = encoder.tokenizer.pad_token_id
        places = getattr(model.base_model, "max_length", None) or model.config.get("max_position_embeddings")
        most = min(encoder.tokenizer.model_max_length, places or encoder.max_length)
        if args.max_length is not None and args.max_length > most:
            raise ArgumentError(f"--max-length {args.max_length}: the model takes {most} tokens at most")
        encoder.max_length = min(encoder.max_length, most)
        return encoder, model, {"model_type": model.config.model_type}

    def _encoded(self, part: Part) -> Encoded:
        return Encoded(self.encoder.encode(part), part.targets)

    def _by_length(self, part: Part) -> tuple[Encoded, Part]:
        """The texts from short to long, so that there is little padding in batches in this order."""
        encoded = self._encoded(part)
        order = np.argsort(encoded.lengths, kind="stable")
        return encoded.take(order), Part(part.table, part.rows[order])

    def build(self, args: Any) -> tuple[Any, dict[str, Any]]:
        """The model on its device, and the configuration that builds it again; a language model's is its ``config.json``."""
        return self.model.to(args.device), self.config

    def train_loader(self, args: Any) -> DataLoader:
        """Batches of texts of like length, in a new order each epoch."""
        batches = LengthBucketSampler(self.train.lengths, args.batch_size)
        return DataLoader(
            self.train, batch_sampler=batches, num_workers=args.workers, persistent_workers=args.workers > 0,
            collate_fn=Padded(self.encoder), pin_memory=pinned(args.device),
        )  # fmt: skip

    def test_loader(self, dataset: Any, args: Any) -> DataLoader:
        """Batches in the data's order."""
        size = max(args.batch_size, 64)
        return DataLoader(
            dataset, size, num_workers=args.workers, collate_fn=Padded(self.encoder), pin_memory=pinned(args.device)
        )

    @staticmethod
    def forward(model: Any, x: Any, device: str) -> Any:
        """Class scores, or numbers, of a batch of tokens."""
        out = model(**{name: values.to(device, non_blocking=True) for name, values in x.items()})
        return out if isinstance(out, F.Tensor) else out.logits

    def preparation(self) -> dict[str, Any]:
        """How texts are cut into tokens."""
        encoder = self.encoder
        facts = {"encoder": encoder.kind, "max_length": encoder.max_length, "pairs": self.tables.pairs}
        return facts if self.classes else {**facts, "labels": "number"}

    def keep(self, folder: Path, model: Any) -> None:
        """The vocabulary, or the tokenizer and the model's config, so that the folder is a language model's folder itself."""
        self.encoder.save(folder)
        if isinstance(self.encoder, Subwords):
            save_config(folder, model)

    def show_mistakes(self, folder: Path, scores: Any, targets: Any) -> None:
        """``mistakes.tsv``: the texts of the test that were got wrong, the worst first: by confidence, or by how far off."""
        if not self.classes:
            far = np.abs(scores - targets)
            lines = ["error\tguess\tlabel\ttext\n"]
            for i in np.argsort(-far, kind="stable").tolist():
                lines.append(f"{far[i]:.4f}\t{scores[i]:.4f}\t{targets[i]:.4f}\t{self._words_of(i)}\n")
            atomic_write(folder / "mistakes.tsv", "".join(lines))
            return
        guesses = scores.argmax(1)
        wrong = np.flatnonzero(guesses != targets)
        wrong = wrong[np.argsort(-scores[wrong, guesses[wrong]], kind="stable")]
        lines = ["confidence\tguess\tlabel\ttext\n"]
        for i in wrong.tolist():
            guess, label = self.classes[guesses[i]], self.classes[targets[i]]
            lines.append(f"{scores[i, guesses[i]]:.4f}\t{guess}\t{label}\t{self._words_of(i)}\n")
        atomic_write(folder / "mistakes.tsv", "".join(lines))

    def _words_of(self, place: int) -> str:
        return one_line(self._shown[place])


class TrainedOnTexts(Trained):
    """A classifier of texts."""

    samples = "texts"

    def load(self) -> Any:
        """The model; how texts are cut for it."""
        preparation = self.settings["preparation"]
        self.pairs = preparation["pairs"]
        self.goal = Numbers if preparation.get("labels") == "number" else Classes
        kind = Words if preparation["encoder"] == Words.kind else Subwords
        self.encoder = kind.load(self.folder, preparation["max_length"])
        weights = runs.read_weights(self.folder)
        if kind is Words:
            model = hub.create(self.settings["model"], **self.settings["model_config"])
        else:
            with F.nn.init.skipped():
                model = from_config(self.folder, TASK)
        model.load_state_dict(weights)
        return model

    def inputs(self, given: list[str]) -> list[tuple[str, Any]]:
        """(text, tokens) for each text, or each pair of texts.

        Raises:
            ArgumentError: the model is of pairs, and the number of texts is odd.
        """
        entries: list[Any] = list(given)
        if self.pairs:
            if len(given) % 2:
                raise ArgumentError(f"the model is of pairs of texts; give two for each, got {len(given)} texts")
            entries = list(zip(given[::2], given[1::2], strict=True))
        join = Padded(self.encoder)
        rows = Encoded(self.encoder.encode(entries), np.zeros(len(entries)))
        names = [" | ".join(entry) if self.pairs else entry for entry in entries]
        return [(name, join([rows[i]])[0]) for i, name in enumerate(names)]

    def forward(self, x: Any) -> Any:
        """Class scores, or numbers, of a batch of tokens."""
        return TextTask.forward(self.model, x, self.device)

    def _columns(self) -> Any:
        """The command line of the training; those of older runs say nothing of what labels are."""
        return Namespace(**{"labels": "class", **self.settings["arguments"]})

    def of_table(self, path: Path, args: Any) -> tuple[list[str], Iterator[Any]]:
        """The texts of a table, and batches of their tokens in its order.

        Raises:
            ArgumentError: the model is of pairs and the table of single texts, or the other way round.
        """
        table = read_unlabelled(path, args, self._columns())
        if (table.pairs is not None) != self.pairs:
            wanted = (
                "pairs of texts; name the column with the second ones by --pair-column"
                if self.pairs
                else "single texts"
            )
            raise ArgumentError(f"--data {path}: the model is of {wanted}")
        entries = [table[i][0] for i in range(len(table))]
        rows = Encoded(self.encoder.encode(entries), np.zeros(len(entries)))
        loader = DataLoader(rows, args.batch_size, collate_fn=Padded(self.encoder))
        return [one_line(entry) for entry in entries], (x for x, _ in loader)

    def test_loader(self, args: Any) -> Any:
        """Batches of a table, or of the run's own test texts.

        Raises:
            ArgumentError, FileFormatError: the table has a label that is none of the model's.
        """
        stored = self.settings["arguments"]
        columns = self._columns()
        if args.data is None or args.data == stored["data"]:
            part = load_tables(columns).final
        else:
            part = to_measure(Path(args.data), columns, self.classes)
        rows = Encoded(self.encoder.encode(part), part.targets)
        return DataLoader(
            rows,
            args.batch_size,
            num_workers=args.workers,
            collate_fn=Padded(self.encoder),
            pin_memory=pinned(args.device),
        )
