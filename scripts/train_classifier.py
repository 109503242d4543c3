"""Train a classifier of pictures or of texts, from scratch or from pretrained weights.

Without arguments it learns rendered digits. ``--data`` names MNIST, CIFAR or a folder of pictures, with ``--weights`` to
start from; or a table of texts (``--data reviews.tsv --model FOLDER`` fine-tunes the language model in a folder).

Every step of the training is in ``train`` below; what differs between pictures and texts is in ``support/tasks``. A run's
folder holds ``last.ckpt`` (to go on from with ``--resume``, bit for bit), ``model.safetensors``, ``settings.json`` and
``classes.txt`` (for ``predict.py`` and ``evaluate.py``), ``metrics.jsonl`` and ``summary.json``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from support import cached, lora, mixed
from support import run as runs
from support.console import GracefulStop, Parser, number, progress, run
from support.goals import Goal
from support.images import NAMED
from support.placing import HELP, device
from support.preparation import AUGMENTATIONS, POLICIES
from support.recipe import OPTIMIZERS, SCHEDULES, loss_of, mixing_for, optimizer_for, schedule_for
from support.state import Checkpoints, Losses, State
from support.tasks import Task, task_for, task_of

import framework as F
from framework.errors import ArgumentError
from framework.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from hub import freeze


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="train_classifier.py", description="Train a classifier of pictures or of texts.")
    add = parser.add_argument
    add("--data", default="digits", help=f"digits, {', '.join(NAMED)}, or a folder with one folder of pictures a class; "
        "a table of texts (tsv, csv, jsonl), or a folder with the tables train and test or dev")  # fmt: skip
    add("--data-root", default="data", help="where a named data set's files are, or are downloaded to")
    add("--model", help="a name out of hub.list_models(), such as resnet18, chosen by the pictures' size unless given; for "
        "texts bag, which is the default, textcnn, bilstm, or the folder of a language model")  # fmt: skip
    add(
        "--weights",
        default="none",
        help="weights to start from: a file, a run's folder, a tag such as IMAGENET1K_V1 or DEFAULT",
    )
    add("--text-column", nargs="+", metavar="NAME", help="the column with the texts, by its name or its number from 0; "
        "several are joined; found unless given")  # fmt: skip
    add("--pair-column", metavar="NAME", help="the column with the second texts, for pairs of texts")
    add("--label-column", metavar="NAME", help="the column with the classes; found unless given")
    add("--labels", choices=("class", "number"), default="class", help="what the labels are: classes of texts, or numbers to "
        "predict, such as how alike two texts are")  # fmt: skip
    add("--max-length", type=number(int, 8), help="tokens after which a text is cut; 256, or what the model takes")
    lora.add_flags(add)
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
        help="the learning rate's factor from a layer to the one before; 1, or 0.8 for a whole pretrained net of pictures",
    )
    add("--weight-decay", type=number(float, 0), default=0.01)
    add("--norm-decay", choices=("on", "off"), default="on", help="off: no weight decay for biases and norms")
    add("--optimizer", choices=OPTIMIZERS, default="adamw")
    add("--schedule", choices=SCHEDULES, default="cosine")
    add(
        "--warmup",
        type=number(float, 0),
        help="epochs in which the learning rate rises; half a one, or 1 with --weights",
    )
    add(
        "--clip-grad-norm",
        type=number(float, 0),
        help="the largest norm of a step's gradient, 0 for any; that, or 1 with --weights",
    )
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
        help="pixels a side, for folders of pictures; 224, or what the weights bring",
    )
    add("--device", type=device, help=f"{HELP}; cpu unless given")
    add("--amp", choices=mixed.TYPES, default="off", help=mixed.HELP)
    add("--workers", type=number(int, 0), help="threads that prepare batches; 2 for pictures, 0 for texts")
    add("--seed", type=number(int, 0), default=0)
    add("--out", help="the run's folder; a new one under runs/ unless given")
    add("--resume", help="the folder of a run to go on with; its settings hold, but for --epochs, --workers, --device")
    add("--checkpoint-steps", type=number(int, 1), help="steps between checkpoints; every 20 seconds unless given")
    return parser.parse_args()


def settle(args: Any) -> tuple[type[Task], Path, Path | None]:
    """The task, the folder of the run that goes on and its checkpoint; ``args`` becomes the settings that hold."""
    if args.resume is None:
        task = task_for(args)
        if args.cache_features and args.freeze != "backbone":
            raise ArgumentError("--cache-features: only what is frozen gives the same features; add --freeze backbone")
        if args.freeze and args.freeze_until:
            raise ArgumentError("--freeze-until: give it or --freeze, not both")
        if args.lora is not None and (args.freeze or args.freeze_until):
            raise ArgumentError("--lora: freezes all but adapters and heads; leave out --freeze and --freeze-until")
        lora.settle(args)
        task.settle(args)
        return task, Path(), None
    folder, checkpoint = runs.resume_target(args.resume)
    given = {name: getattr(args, name) for name in ("resume", "device", "checkpoint_steps", "workers", "epochs")}
    for name, value in runs.read_settings(folder)["arguments"].items():
        setattr(args, name, value)
    for name, value in given.items():
        if value is not None or name == "checkpoint_steps":
            setattr(args, name, value)
    args.device = device(args.device)
    return task_of(folder), folder, checkpoint


def evaluate(model: Any, forward: Any, loader: Any, args: Any, goal: Goal) -> tuple[dict[str, float], Any, Any]:
    """Mean loss and what else is measured over a data set, the scores (class probabilities, or numbers), and the targets."""
    model.eval()
    scores, targets, losses = [], [], []
    with F.no_grad():
        for x, y in loader:
            with mixed.autocast(args):
                out = forward(model, x, args.device)
            out = out.float()
            losses.append(goal.loss(out, y.to(args.device, non_blocking=True)))
            scores.append(goal.scores(out))
            targets.append(y)
    found, truth = F.cat(scores).cpu().numpy(), F.cat(targets).numpy()
    loss = sum(F.stack(losses).tolist()) / len(truth)
    return {"loss": loss, **goal.figures(found, truth)}, found, truth


def train(args: Any) -> int:
    """The whole of a run: the exit code."""
    kind, folder, checkpoint = settle(args)
    mixed.check(args)
    F.manual_seed(args.seed)
    task = kind(args) if checkpoint is None else kind(args, folder)
    model, config = task.build(args)
    goal = task.goal
    lora.put_on(model, args, "SEQ_CLS")
    name = Path(args.model).resolve().name  # of a net, or of a language model's folder
    if args.freeze or args.freeze_until:
        freeze(model, args.freeze and args.freeze.split(","), until=args.freeze_until)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if not count:
        raise ArgumentError(f"--freeze {args.freeze or args.freeze_until}: leaves nothing to train")
    optimizer = optimizer_for(model, args)

    if checkpoint is None:
        folder = runs.choose_folder(args.out, f"{task.name}-{name}")
        task.keep(folder, model)
    runs.write_settings(
        folder, args, task=task.kind, model=name, model_config=config, preparation=task.preparation(),
        **({"classes": task.classes} if task.classes else {}),
    )  # fmt: skip
    print(
        f"{name} on {task.name}: {len(task.train)} {task.samples}, {len(task.test)} to test, "
        f"{count:,} parameters to train, with {args.optimizer} at {args.lr:g} for {args.epochs} epochs"
    )

    began = time.monotonic()
    if args.cache_features:
        print(
            f"features are computed once, of {args.cache_features} view(s) of each training sample (--cache-features)"
        )
        learner, forward = cached.Tail(model), cached.forward
        loader, tests = cached.loaders(model, task, args)
    else:
        learner, forward = model, task.forward
        loader, tests = task.train_loader(args), task.test_loader(task.test, args)
    changes = -(-len(loader) // args.accumulate)  # of the weights in an epoch
    schedule = schedule_for(optimizer, args.schedule, round(args.warmup * changes), args.epochs * changes)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(args.ema), use_buffers=True) if args.ema else None
    mixing = mixing_for(args, len(task.classes))
    criterion = goal.criterion(args)
    state = State()
    losses = Losses(state, args.lr, args.device)

    scaler = mixed.scaler_for(args)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "loader": loader, "state": state}
    if scaler.is_enabled():
        parts["scaler"] = scaler
    if average is not None:
        parts["average"] = average
    checkpoints = Checkpoints(parts, args.checkpoint_steps, began)
    if checkpoint is not None:
        checkpoints.load(checkpoint)
        print(f"going on with {folder}: epoch {state.epoch + 1}, step {state.step}")

    whole = model if average is None else average.module
    best = cached.Tail(whole) if args.cache_features else whole
    scores = truth = None
    with GracefulStop() as stop:
        while state.epoch < args.epochs:
            model.train()
            label = f"epoch {state.epoch + 1}/{args.epochs}"
            done = state.step - state.epoch * len(loader)
            for x, y in progress(iter(loader), len(loader), label, done):
                done += 1
                inputs, targets = (x, y) if mixing is None else mixing(x, y)
                with mixed.autocast(args):
                    outputs = forward(learner, inputs, args.device)
                    loss = loss_of(criterion, outputs, targets.to(args.device, non_blocking=True))
                scaler.scale(loss / args.accumulate if args.accumulate > 1 else loss).backward()
                if done % args.accumulate == 0 or done == len(loader):
                    mixed.step(args, model, optimizer, scaler, schedule)
                    if average is not None:
                        average.update_parameters(model)
                losses.add(loss, len(y))
                # between the batches of one step gradients are kept nowhere: a run can go on only from a step's end
                if (stop.requested or checkpoints.due()) and (done % args.accumulate == 0 or done == len(loader)):
                    losses.read()
                    checkpoints.save(folder / runs.CHECKPOINT)
                    if stop.requested:
                        print(
                            f"stopped at step {state.step}; go on with: python scripts/train_classifier.py --resume {folder}"
                        )
                        return 130
            losses.read()
            figures, scores, truth = evaluate(best, forward, tests, args, goal)
            state.epoch += 1
            row = {"epoch": state.epoch, "train_loss": state.loss_sum / max(state.seen, 1), **figures}
            state.history.append(row)
            state.loss_sum, state.seen = 0.0, 0
            print(
                f"{label}: training loss {row['train_loss']:.4f}, {task.held_out} loss {figures['loss']:.4f}, "
                f"{task.held_out} {goal.headline} {goal.shown(figures[goal.headline])}",
                flush=True,
            )
            lora.save_weights(folder, whole)
            runs.write_metrics(folder, state.history)
            checkpoints.save(folder / runs.CHECKPOINT)

    measured = task.held_out if task.final is task.test else "test"
    if task.final is not task.test:
        finals = task.test_loader(task.final, args)
        figures, scores, truth = evaluate(whole, task.forward, finals, args, goal)
    elif scores is None:  # the run was complete already
        figures, scores, truth = evaluate(best, forward, tests, args, goal)
    task.finish(folder, state.history, scores, truth)
    summary = {
        "task": task.kind,
        "model": name,
        "data": task.name,
        "epochs": state.epoch,
        "amp": args.amp,
        "seconds": round(state.seconds, 2),
        "metrics": figures,
    }
    runs.write_json(folder / "summary.json", summary)
    print(json.dumps(summary["metrics"]))
    print(
        f"{measured} {goal.headline} {goal.shown(figures[goal.headline])} after {state.epoch} epochs and {state.seconds:.1f} s; "
        f"the run is in {folder}"
    )
    return 0


if __name__ == "__main__":
    run(lambda: train(parse()), "train_classifier.py")
