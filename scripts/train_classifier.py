"""Train an image classifier: on rendered digits without arguments, on MNIST, CIFAR or a folder of pictures with ``--data``;
from scratch, or from pretrained weights with ``--weights``.

Every step of the training is in ``train`` below. A run's folder holds ``last.ckpt`` (to go on from with ``--resume``, bit
for bit), ``model.safetensors``, ``settings.json`` and ``classes.txt`` (for ``predict.py`` and ``evaluate.py``),
``metrics.jsonl`` and ``summary.json``.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from support import cached, pictures, pretrained
from support import run as runs
from support.console import GracefulStop, Parser, number, progress, run
from support.images import NAMED, Images, load_images
from support.preparation import AUGMENTATIONS, POLICIES, Augmentation
from support.recipe import OPTIMIZERS, SCHEDULES, fill_defaults, loss_of, mixing_for, optimizer_for, schedule_for

import framework as F
from framework import nn
from framework.data import DataLoader
from framework.errors import ArgumentError
from framework.io import load_checkpoint, save_checkpoint
from framework.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from hub import freeze

CHECKPOINT_SECONDS = 20.0


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="train_classifier.py", description="Train an image classifier.")
    add = parser.add_argument
    add("--data", default="digits", help=f"digits, {', '.join(NAMED)}, or a folder with one folder of pictures a class")
    add("--data-root", default="data", help="where a named data set's files are, or are downloaded to")
    add("--model", help="a name out of hub.list_models(), such as resnet18; chosen by the pictures' size unless given")
    add(
        "--weights",
        default="none",
        help="weights to start from: a file, a run's folder, a tag such as IMAGENET1K_V1 or DEFAULT",
    )
    add("--freeze", help="parts not to train: backbone for all but the head, or dotted names with commas between")
    add("--freeze-until", metavar="PART", help="do not train this part and all before it")
    add("--cache-features", type=number(int, 0), default=0, metavar="VIEWS",
        help="with --freeze backbone: compute the backbone's features once, of so many views of each picture, and train on "
        "them; 1 view is the picture itself, more are augmented")  # fmt: skip
    add(
        "--epochs",
        type=number(int, 1),
        help="passes over the training set; 5, or 12 with --weights, 30 for a head alone",
    )
    add("--batch-size", type=number(int, 1), help="100, or 32 with --weights")
    add("--accumulate", type=number(int, 1), default=1, metavar="N", help="batches whose gradients make one step")
    add(
        "--lr",
        type=number(float, 0),
        help="the highest learning rate; by the optimizer and by what is trained unless given",
    )
    add(
        "--layer-decay",
        type=number(float, 0.01, 1),
        default=1.0,
        help="the learning rate's factor from a layer to the one before",
    )
    add("--weight-decay", type=number(float, 0), default=0.01)
    add("--norm-decay", choices=("on", "off"), default="on", help="off: no weight decay for biases and norms")
    add("--optimizer", choices=OPTIMIZERS, default="adamw")
    add("--schedule", choices=SCHEDULES, default="cosine")
    add("--warmup", type=number(float, 0), default=0.5, help="epochs in which the learning rate rises")
    add("--clip-grad-norm", type=number(float, 0), default=0.0, help="the largest norm of a step's gradient; 0 for any")
    add("--label-smoothing", type=number(float, 0, 1), default=0.0)
    add("--mixup-alpha", type=number(float, 0), default=0.0, help="mix pairs of pictures; 0.2 is usual, 0 for none")
    add("--cutmix-alpha", type=number(float, 0), default=0.0, help="paste parts of pictures; 1.0 is usual, 0 for none")
    add("--ema", type=number(float, 0, 1), default=0.0, help="decay of a moving average of the weights; 0 for none")
    add("--augment", choices=AUGMENTATIONS, help="none, or basic with --weights, unless given")
    add("--auto-augment", choices=POLICIES, help="a policy of augmentation beside --augment")
    add("--random-erase", type=number(float, 0, 1), default=0.0, help="the share of pictures of which a part is erased")
    add(
        "--image-size",
        type=number(int, 8),
        default=224,
        help="pixels a side, for folders of pictures; weights bring theirs",
    )
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
        self.step = 0  # batches in all
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
        fill_defaults(args)
        if args.cache_features and args.freeze != "backbone":
            raise ArgumentError("--cache-features: only what is frozen gives the same features; add --freeze backbone")
        if args.freeze and args.freeze_until:
            raise ArgumentError("--freeze-until: give it or --freeze, not both")
        if args.cache_features and (args.mixup_alpha or args.cutmix_alpha):
            raise ArgumentError(
                "--cache-features: --mixup-alpha and --cutmix-alpha mix pictures, not features; leave them out"
            )
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
    source = pretrained.find(args)
    kind = "none" if args.cache_features == 1 else args.augment
    augmentation = Augmentation(kind, args.auto_augment, args.random_erase)
    images = load_images(args.data, args.data_root, augmentation, args.image_size, args.seed, source.preparation)
    model, config = pretrained.build(args, source, images.preparation, len(images.classes))
    if args.freeze or args.freeze_until:
        freeze(model, args.freeze and args.freeze.split(","), until=args.freeze_until)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if not count:
        raise ArgumentError(f"--freeze {args.freeze or args.freeze_until}: leaves nothing to train")
    optimizer = optimizer_for(model, args)

    if checkpoint is None:
        folder = runs.choose_folder(args.out, f"{images.name}-{args.model}")
    runs.write_settings(folder, args, config, images)
    print(
        f"{args.model} on {images.name}: {len(images.train)} pictures, {len(images.test)} to test, "
        f"{count:,} parameters to train, with {args.optimizer} at {args.lr:g} for {args.epochs} epochs"
    )

    clock = time.monotonic()
    train_set, test_set, tail = images.train, images.test, lambda whole: whole
    if args.cache_features:
        print(
            f"features are computed once, of {args.cache_features} view(s) of each training picture (--cache-features)"
        )
        train_set = cached.Views(*cached.compute(model, images.train, args, args.cache_features, "training"))
        test_set = cached.Views(*cached.compute(model, images.test, args, 1, "test"))
        tail = cached.Tail
    uneven = len(train_set) > args.batch_size and len(train_set) % args.batch_size == 1
    loader = DataLoader(
        train_set, args.batch_size, shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0,
        drop_last=uneven,  # a batch of one picture has no statistics for batch norm
    )  # fmt: skip
    tests = DataLoader(test_set, max(args.batch_size, 200), num_workers=args.workers)
    schedule = schedule_for(optimizer, args, len(loader))
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(args.ema), use_buffers=True) if args.ema else None
    mixing = mixing_for(args, len(images.classes))
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

    began = clock - state.seconds
    saved = time.monotonic()

    def save() -> None:
        state.seconds = time.monotonic() - began
        save_checkpoint(folder / runs.CHECKPOINT, **parts)

    learner = tail(model)
    best = tail(average.module if average is not None else model)
    scores = truth = None
    with GracefulStop() as stop:
        while state.epoch < args.epochs:
            model.train()
            label = f"epoch {state.epoch + 1}/{args.epochs}"
            done = state.step - state.epoch * len(loader)
            for x, y in progress(iter(loader), len(loader), label, done):
                done += 1
                mixed, targets = (x, y) if mixing is None else mixing(x, y)
                loss = loss_of(criterion, learner(mixed.to(args.device)), targets.to(args.device))
                (loss / args.accumulate if args.accumulate > 1 else loss).backward()
                if done % args.accumulate == 0 or done == len(loader):
                    if args.clip_grad_norm:
                        nn.utils.clip_grad_norm_(model.parameters(), args.clip_grad_norm)
                    optimizer.step()
                    optimizer.zero_grad()
                    if average is not None:
                        average.update_parameters(model)
                schedule.step()
                state.step += 1
                state.loss_sum += loss.item() * len(y)
                state.seen += len(y)
                if not math.isfinite(state.loss_sum):
                    raise ArgumentError(
                        f"the loss is not finite at step {state.step}; try a smaller --lr (it is {args.lr})"
                    )
                due = args.checkpoint_steps and state.step % args.checkpoint_steps == 0
                late = not args.checkpoint_steps and time.monotonic() - saved > CHECKPOINT_SECONDS
                # between the batches of one step gradients are kept nowhere: a run can go on only from a step's end
                if (stop.requested or due or late) and (done % args.accumulate == 0 or done == len(loader)):
                    save()
                    saved = time.monotonic()
                    if stop.requested:
                        print(
                            f"stopped at step {state.step}; go on with: python scripts/train_classifier.py --resume {folder}"
                        )
                        return 130
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
            runs.save_weights(folder, model if average is None else average.module)
            runs.write_metrics(folder, state.history)
            save()
            saved = time.monotonic()

    if scores is None:  # the run was complete already
        loss_, accuracy, scores, truth = evaluate(best, tests, args.device)
    return finish(folder, args, images, state, (loss_, accuracy, scores, truth))


def finish(folder: Path, args: Any, images: Images, state: State, result: tuple[float, float, Any, Any]) -> int:
    """Write what a run ends with, and print it."""
    loss, accuracy, scores, truth = result
    pictures.draw_curves(folder, state.history)
    pictures.draw_mistakes(folder, images.test, images.classes, scores, truth)
    summary = {
        "task": "image-classification",
        "model": args.model,
        "data": images.name,
        "epochs": state.epoch,
        "seconds": round(state.seconds, 2),
        "metrics": {"accuracy": accuracy, "loss": loss},
    }
    runs.write_json(folder / "summary.json", summary)
    print(json.dumps(summary["metrics"]))
    print(
        f"test accuracy {100 * accuracy:.2f} % after {state.epoch} epochs and {state.seconds:.1f} s; the run is in {folder}"
    )
    return 0


if __name__ == "__main__":
    run(lambda: train(parse()), "train_classifier.py")
