"""Train an image classifier: on rendered digits without arguments, on MNIST, CIFAR or a folder of pictures with ``--data``.

Every step of the training is in ``train`` below. A run's folder holds ``last.ckpt`` (to go on from with ``--resume``, bit
for bit), ``model.safetensors`` and ``settings.json`` (for ``predict.py``), ``metrics.jsonl`` and ``summary.json``.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from support import run as runs
from support.console import GracefulStop, Parser, number, progress, run
from support.images import AUGMENTATIONS, NAMED, Images, load_images

import framework as F
from framework import nn, optim
from framework.data import DataLoader
from framework.errors import ArgumentError
from framework.io import load_checkpoint, save_checkpoint
from framework.optim.lr_scheduler import LambdaLR
from framework.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from hub import create, freeze, list_models, load_pretrained, read_state_dict

OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p, lr, decay: optim.SGD(p, lr=lr, momentum=0.9, nesterov=True, weight_decay=decay),
    "adam": lambda p, lr, decay: optim.Adam(p, lr=lr, weight_decay=decay),
    "adamw": lambda p, lr, decay: optim.AdamW(p, lr=lr, weight_decay=decay),
    "rmsprop": lambda p, lr, decay: optim.RMSprop(p, lr=lr, momentum=0.9, weight_decay=decay),
    "lion": lambda p, lr, decay: optim.Lion(p, lr=lr, weight_decay=decay),
    "lamb": lambda p, lr, decay: optim.Lamb(p, lr=lr, weight_decay=decay),
}
# the learning rate's factor at a share t of the way from the end of the warm-up to the end of training
SCHEDULES: dict[str, Any] = {
    "cosine": lambda t: 0.5 * (1 + math.cos(math.pi * t)),
    "linear": lambda t: 1 - t,
    "constant": lambda t: 1.0,
    "step": lambda t: 0.1 ** int(3 * t),
}
CHECKPOINT_SECONDS = 20.0
SMALL_PICTURES = 32  # data sets of pictures up to this size train the small net by default


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="train_classifier.py", description="Train an image classifier.")
    add = parser.add_argument
    add("--data", default="digits", help=f"digits, {', '.join(NAMED)}, or a folder with one folder of pictures a class")
    add("--data-root", default="data", help="where a named data set's files are, or are downloaded to")
    add("--model", help=f"one of {', '.join(list_models())}")
    add("--weights", default="none", help="a file of weights to start from, or none")
    add("--freeze", help="parts not to train: backbone for all but the head, or dotted names with commas between")
    add("--epochs", type=number(int, 1), help="passes over the training set; 5 unless given")
    add("--batch-size", type=number(int, 1), default=100)
    add("--lr", type=number(float, 0), default=None, help="the highest learning rate")
    add("--weight-decay", type=number(float, 0), default=0.01)
    add("--optimizer", choices=OPTIMIZERS, default="adamw")
    add("--schedule", choices=SCHEDULES, default="cosine")
    add("--warmup", type=number(float, 0), default=0.5, help="epochs in which the learning rate rises")
    add("--label-smoothing", type=number(float, 0, 1), default=0.0)
    add("--ema", type=number(float, 0, 1), default=0.0, help="decay of a moving average of the weights; 0 for none")
    add("--augment", choices=AUGMENTATIONS, default="none")
    add("--image-size", type=number(int, 8), default=224, help="pixels a side, for folders of pictures")
    add("--device", default="cpu")
    add("--workers", type=number(int, 0), default=2, help="threads that prepare pictures")
    add("--seed", type=number(int, 0), default=0)
    add("--out", help="the run's folder; a new one under runs/ unless given")
    add("--resume", help="the folder of a run to go on with; its settings hold, but for --epochs, --workers, --device")
    add("--checkpoint-steps", type=number(int, 1), help="steps between checkpoints; every 20 seconds unless given")
    return parser.parse_args()


class State:
    """Where a run stands, beside what the model, the optimizer and the loader keep themselves."""

    def __init__(self) -> None:
        self.epoch = 0
        self.step = 0  # in all
        self.loss_sum = 0.0  # over the current epoch
        self.seen = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what ``state_dict`` gave."""
        vars(self).update(state)


def settle(args: Any) -> tuple[Any, Path, Path | None]:
    """The settings that hold (those of the run that goes on, if one does), its folder, and its checkpoint."""
    if args.resume is None:
        args.epochs = args.epochs or 5
        return args, Path(), None
    folder, checkpoint = runs.resume_target(args.resume)
    stored = runs.read_settings(folder)["arguments"]
    given = vars(args)
    kept = {name: given[name] for name in ("workers", "device", "resume", "checkpoint_steps")}
    if given["epochs"] is not None:
        kept["epochs"] = given["epochs"]
    for name, value in {**stored, **kept}.items():
        setattr(args, name, value)
    return args, folder, checkpoint


def build(args: Any, images: Images) -> tuple[Any, dict[str, Any], list[Any]]:
    """The model, its configuration, and the modules that stay frozen."""
    name = args.model or ("small_cnn" if images.preparation.size <= SMALL_PICTURES else "resnet18")
    args.model = name
    config = {"num_classes": len(images.classes), "in_channels": images.preparation.channels}
    model = create(name, **config)
    if args.weights != "none":
        if not os.path.exists(args.weights):
            raise FileNotFoundError(f"--weights {args.weights}: there is no such file; give a file of weights, or none")
        try:
            print(f"{args.weights}: {load_pretrained(model, read_state_dict(args.weights))}")
        except RuntimeError as error:
            raise ArgumentError(f"--weights {args.weights}: {error}") from None
    frozen = freeze(model, args.freeze.split(",")) if args.freeze else []
    return model.to(args.device), config, frozen


def evaluate(model: Any, loader: Any, device: str) -> tuple[float, float, Any, Any]:
    """Mean loss and accuracy over a data set, the class probabilities (N, classes), and the targets (N)."""
    model.eval()
    scores, targets, total = [], [], 0.0
    with F.no_grad():
        for x, y in loader:
            out = model(x.to(device))
            total += nn.functional.cross_entropy(out, y.to(device), reduction="sum").item()
            scores.append(out.softmax(1).cpu())
            targets.append(y)
    probabilities, truth = F.cat(scores).numpy(), F.cat(targets).numpy()
    return total / len(truth), float((probabilities.argmax(1) == truth).mean()), probabilities, truth


def train(args: Any) -> int:
    """The whole of a run: the exit code."""
    args, folder, checkpoint = settle(args)
    F.manual_seed(args.seed)
    images = load_images(args.data, args.data_root, args.augment, args.image_size, args.seed)
    model, config, frozen = build(args, images)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ArgumentError(f"--freeze {args.freeze}: leaves nothing to train")
    args.lr = {"sgd": 0.05, "lion": 4e-4}.get(args.optimizer, 4e-3) if args.lr is None else args.lr
    optimizer = OPTIMIZERS[args.optimizer](parameters, args.lr, args.weight_decay)

    loader = DataLoader(
        images.train, args.batch_size, shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0
    )
    tests = DataLoader(images.test, max(args.batch_size, 200), num_workers=args.workers)
    warmup, total = round(args.warmup * len(loader)), args.epochs * len(loader)
    shape = SCHEDULES[args.schedule]
    schedule = LambdaLR(
        optimizer,
        lambda s: (s + 1) / (warmup + 1) if s < warmup else shape(min(1.0, (s - warmup) / max(1, total - warmup))),
    )
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(args.ema), use_buffers=True) if args.ema else None
    criterion = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)
    state = State()

    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "loader": loader, "state": state}
    if average is not None:
        parts["average"] = average
    if checkpoint is not None:
        try:
            load_checkpoint(checkpoint, **parts)
        except (RuntimeError, KeyError) as error:
            raise ArgumentError(f"{checkpoint}: does not fit this model and data: {error}") from None
        print(f"going on with {folder}: epoch {state.epoch + 1}, step {state.step}")
    else:
        folder = runs.choose_folder(args.out, f"{images.name}-{args.model}")
    settings = {
        "task": "image-classification",
        "model": args.model,
        "model_config": config,
        "classes": images.classes,
        "preparation": images.preparation.as_dict(),
        "arguments": {k: v for k, v in vars(args).items() if k not in ("resume", "out")},
    }
    runs.write_json(folder / runs.SETTINGS, settings)
    count = sum(p.numel() for p in parameters)
    print(
        f"{args.model} on {images.name}: {len(images.train)} pictures, {len(images.test)} to test, {count:,} parameters to train"
    )

    began = time.monotonic() - state.seconds
    saved = time.monotonic()

    def save() -> None:
        state.seconds = time.monotonic() - began
        save_checkpoint(folder / runs.CHECKPOINT, **parts)

    scores = truth = None
    with GracefulStop() as stop:
        while state.epoch < args.epochs:
            model.train()
            for module in frozen:
                module.eval()
            label = f"epoch {state.epoch + 1}/{args.epochs}"
            batches = iter(loader)
            done = state.step - state.epoch * len(loader)
            for x, y in progress(batches, len(loader), label, done):
                loss = criterion(model(x.to(args.device)), y.to(args.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                if average is not None:
                    average.update_parameters(model)
                state.step += 1
                state.loss_sum += loss.item() * len(y)
                state.seen += len(y)
                if not math.isfinite(state.loss_sum):
                    raise ArgumentError(
                        f"the loss is not finite at step {state.step}; try a smaller --lr (it is {args.lr})"
                    )
                due = args.checkpoint_steps and state.step % args.checkpoint_steps == 0
                if (
                    stop.requested
                    or due
                    or (not args.checkpoint_steps and time.monotonic() - saved > CHECKPOINT_SECONDS)
                ):
                    save()
                    saved = time.monotonic()
                if stop.requested:
                    print(
                        f"stopped at step {state.step}; go on with: python scripts/train_classifier.py --resume {folder}"
                    )
                    return 130
            best = average.module if average is not None else model
            loss_, accuracy, scores, truth = evaluate(best, tests, args.device)
            state.epoch += 1
            row = {
                "epoch": state.epoch,
                "train_loss": state.loss_sum / max(state.seen, 1),
                "loss": loss_,
                "accuracy": accuracy,
            }
            state.history.append(row)
            state.loss_sum, state.seen = 0.0, 0
            print(
                f"{label}: training loss {row['train_loss']:.4f}, test loss {loss_:.4f}, test accuracy {100 * accuracy:.2f} %",
                flush=True,
            )
            runs.save_weights(folder, best)
            runs.write_metrics(folder, state.history)
            save()
            saved = time.monotonic()

    if scores is None:  # the run was complete already
        best = average.module if average is not None else model
        loss_, accuracy, scores, truth = evaluate(best, tests, args.device)
    runs.draw_curves(folder, state.history)
    runs.draw_mistakes(folder, images.test, images.classes, scores, truth)
    summary = {
        "task": "image-classification",
        "model": args.model,
        "data": images.name,
        "epochs": state.epoch,
        "seconds": round(state.seconds, 2),
        "metrics": {"accuracy": accuracy, "loss": loss_},
    }
    runs.write_json(folder / "summary.json", summary)
    print(json.dumps(summary["metrics"]))
    print(
        f"test accuracy {100 * accuracy:.2f} % after {state.epoch} epochs and {state.seconds:.1f} s; the run is in {folder}"
    )
    return 0


if __name__ == "__main__":
    run(lambda: train(parse()), "train_classifier.py")
