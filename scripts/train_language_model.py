"""Train a language model: a new small GPT-2 on the characters of a text, or with ``--tokens bpe`` on its subwords; or go on
with the model of a folder with ``--model``, of which ``--lora`` trains low-rank adapters alone.

Every step of the training is in ``train`` below. A run's folder holds ``last.ckpt`` (to go on from with ``--resume``, bit
for bit), the model as a folder of transformers' layout (``config.json``, ``model.safetensors``, ``tokenizer.json``; for
``generate.py``), ``settings.json``, ``metrics.jsonl`` with the samples, and ``summary.json``.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from support import corpus as corpora
from support import lora, mixed
from support import run as runs
from support.console import GracefulStop, Parser, number, progress, run
from support.pictures import draw_losses
from support.placing import HELP, device, pinned
from support.recipe import OPTIMIZERS, SCHEDULES, fill, optimizer_for, refuse, schedule_for
from support.state import Checkpoints, Losses, State
from support.writing import write

import framework as F
from framework import nn
from framework.data import DataLoader, RandomSampler
from framework.errors import ArgumentError
from framework.random import Generator

KIND = "language-modeling"
EVALUATED = 256  # blocks that are measured on the way; at the end all are
_NEW = {"block_size": 64, "lr": 2e-3, "tokens": "chars", "layers": 4, "heads": 4, "width": 128, "dropout": 0.0}


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="train_language_model.py", description="Train a language model on a text.")
    add = parser.add_argument
    add("--data", help="a text file, whose last tenth is held out; or a folder with train.txt and valid.txt")
    add("--model", metavar="FOLDER", help="the folder, or the name on the hub, of a language model to go on with")
    add(
        "--tokens", choices=("chars", "bpe"), help="what a new model reads: characters, or subwords; chars unless given"
    )
    add("--vocab-size", type=number(int, 300), help="how many subwords; 4000 unless given")
    add("--layers", type=number(int, 1), help="of a new model; 4 unless given")
    add("--heads", type=number(int, 1), help="of a new model; 4 unless given")
    add("--width", type=number(int, 1), help="of a new model's states; 128 unless given")
    add("--dropout", type=number(float, 0, 1), help="of a new model; 0 unless given")
    add("--block-size", type=number(int, 2), help="tokens that are read at once; 64, or 128 with --model")
    add("--steps", type=number(int, 1), help="batches to learn from; 2000 unless given")
    add("--batch-size", type=number(int, 1), default=12, help="blocks a batch")
    add("--accumulate", type=number(int, 1), default=1, metavar="N", help="batches whose gradients make one step")
    lora.add_flags(add)
    add("--lr", type=number(float, 0), help="the highest learning rate; 2e-3, 5e-5 with --model, or 5e-4 with --lora")
    add("--layer-decay", type=number(float, 0.01, 1), default=1.0, help="its factor from a layer to the one before")
    add("--weight-decay", type=number(float, 0), default=0.1)
    add("--norm-decay", choices=("on", "off"), default="off", help="off: no weight decay for biases and norms")
    add("--optimizer", choices=OPTIMIZERS, default="adamw")
    add("--schedule", choices=SCHEDULES, default="cosine")
    add("--warmup", type=number(int, 0), default=100, help="batches in which the learning rate rises")
    add("--clip-grad-norm", type=number(float, 0), default=1.0, help="the largest norm of a step's gradient; 0 for any")
    add("--eval-every", type=number(int, 1), default=250, help="steps between two measurements, each with a sample")
    add("--prompt", default="", help="what the samples begin with")
    add("--sample-length", type=number(int, 0), default=200, help="tokens of a sample; 0 for none")
    add("--device", type=device, help=f"{HELP}; cpu unless given")
    add("--amp", choices=mixed.TYPES, default="off", help=mixed.HELP)
    add("--seed", type=number(int, 0), default=0)
    add("--out", help="the run's folder; a new one under runs/ unless given")
    add("--resume", help="the folder of a run to go on with; its settings hold, but for --steps and --device")
    add("--checkpoint-steps", type=number(int, 1), help="steps between checkpoints; every 20 seconds unless given")
    return parser.parse_args()


def settle(args: Any) -> tuple[Path, Path | None]:
    """The folder of the run that goes on and its checkpoint; ``args`` becomes the settings that hold."""
    if args.resume is not None:
        folder, checkpoint = runs.resume_target(args.resume)
        settings = runs.read_settings(folder)
        if settings["task"] != KIND:
            raise ArgumentError(f"--resume {args.resume}: a run of another kind, {settings['task']}")
        given = {name: getattr(args, name) for name in ("resume", "device", "checkpoint_steps", "steps")}
        for name, value in settings["arguments"].items():
            setattr(args, name, value)
        for name, value in given.items():
            if value is not None or name == "checkpoint_steps":
                setattr(args, name, value)
        args.device = device(args.device)
        return folder, checkpoint
    lora.settle(args)
    if args.data is None:
        raise ArgumentError("--data: give a text file, or a folder with train.txt and valid.txt")
    if args.model is not None:
        refuse(args, "is of new models", "tokens", "vocab_size", "layers", "heads", "width", "dropout")
        fill(args, {"block_size": 128, "lr": 5e-5 if args.lora is None else 5e-4, "steps": 2000})
        return Path(), None
    refuse(args, "is for going on with a model; give --model", "lora")
    fill(args, {**_NEW, "steps": 2000})
    if args.tokens == "chars":
        refuse(args, "is for subwords", "vocab_size")
    fill(args, {"vocab_size": 4000})
    return Path(), None


def evaluate(model: Any, blocks: Any, args: Any) -> float:
    """The mean loss of a token."""
    where = args.device
    model.eval()
    losses, tokens = [], 0
    with F.no_grad():
        for x, y in DataLoader(blocks, 64, pin_memory=pinned(where)):
            with mixed.autocast(args):
                logits = model(x.to(where, non_blocking=True)).logits
                targets = y.to(where, non_blocking=True).flatten()
                losses.append(nn.functional.cross_entropy(logits.flatten(0, 1), targets, reduction="sum"))
            tokens += y.numel()
    model.train()
    return float(sum(F.stack(losses).tolist())) / tokens


def train(args: Any) -> int:
    """The whole of a run: the exit code."""
    folder, checkpoint = settle(args)
    mixed.check(args)
    F.manual_seed(args.seed)
    known = None if checkpoint is None else folder
    corpus = corpora.load_corpus(args.data)
    tokenizer = corpora.tokenizer_for(args, corpus, known)
    if args.prompt:
        tokenizer(args.prompt)  # refused now, not at the first sample, if it has characters that are not known
    model = corpora.build(args, tokenizer, known)
    lora.put_on(model, args, "CAUSAL_LM")
    blocks = corpora.blocks_of("training", corpora.tokens_of(tokenizer, corpus.train), args.block_size, stride=1)
    tests = corpora.blocks_of("validation", corpora.tokens_of(tokenizer, corpus.val), args.block_size)
    optimizer = optimizer_for(model, args)

    name = model.config.model_type
    if checkpoint is None:
        folder = runs.choose_folder(args.out, f"{corpus.name}-{name}")
        tokenizer.save_pretrained(folder)
        corpora.save_config(folder, model)
    runs.write_settings(
        folder, args, task=KIND, model=name, model_config={}, preparation={"vocabulary": len(tokenizer)}
    )
    count = model.num_parameters(only_trainable=True)
    print(
        f"{name} on {corpus.name}: {len(blocks.tokens):,} tokens, {len(tests.tokens):,} to validate, {len(tokenizer):,} in "
        f"the vocabulary, {count:,} parameters to train, with {args.optimizer} at {args.lr:g} for {args.steps} steps"
    )

    # one pass is the whole run: its blocks follow from one seed, wherever it stops and goes on
    sampler = RandomSampler(blocks, replacement=True, num_samples=args.steps * args.batch_size)
    loader = DataLoader(blocks, args.batch_size, sampler=sampler, pin_memory=pinned(args.device))
    changes, rise = (-(-batches // args.accumulate) for batches in (args.steps, args.warmup))  # of the weights
    schedule = schedule_for(optimizer, args.schedule, rise, changes)
    state = State()
    losses = Losses(state, args.lr, args.device)
    scaler = mixed.scaler_for(args)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "loader": loader, "state": state}
    if scaler.is_enabled():
        parts["scaler"] = scaler
    checkpoints = Checkpoints(parts, args.checkpoint_steps, time.monotonic())
    if checkpoint is not None:
        checkpoints.load(checkpoint)
        print(f"going on with {folder}: step {state.step}")

    with GracefulStop() as stop:
        model.train()
        for x, y in progress(iter(loader), args.steps, "training", state.step) if state.step < args.steps else ():
            with mixed.autocast(args):
                logits = model(x.to(args.device, non_blocking=True)).logits
                targets = y.to(args.device, non_blocking=True).flatten()
                loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets)
            scaler.scale(loss / args.accumulate if args.accumulate > 1 else loss).backward()
            losses.add(loss, 1)
            changed = state.step % args.accumulate == 0 or state.step == args.steps
            if changed:
                mixed.step(args, model, optimizer, scaler, schedule)
            measured = state.step % args.eval_every == 0 or state.step == args.steps
            if measured:
                losses.read()
                row = {
                    "step": state.step,
                    "train_loss": state.loss_sum / state.seen,
                    "loss": evaluate(model, corpora.some(tests, EVALUATED), args),
                    "sample": sample(model, tokenizer, args, state.step),
                }
                state.history.append(row)
                state.loss_sum, state.seen = 0.0, 0
                print(
                    f"step {state.step}/{args.steps}: training loss {row['train_loss']:.4f}, validation loss {row['loss']:.4f}"
                )
                print(row["sample"], flush=True)
                lora.save_weights(folder, model)
                runs.write_metrics(folder, state.history)
            # between the batches of one step gradients are kept nowhere: a run can go on only from a step's end
            if changed and (stop.requested or measured or checkpoints.due()):
                losses.read()
                checkpoints.save(folder / runs.CHECKPOINT)
                if stop.requested and state.step < args.steps:
                    print(
                        f"stopped at step {state.step}; go on with: python scripts/train_language_model.py --resume {folder}"
                    )
                    return 130

    loss_ = evaluate(model, tests, args)
    draw_losses(folder, state.history)
    summary = {
        "task": KIND,
        "model": name,
        "data": corpus.name,
        "steps": state.step,
        "amp": args.amp,
        "seconds": round(state.seconds, 2),
        "metrics": {"loss": loss_, "perplexity": math.exp(min(loss_, 700.0))},
    }
    runs.write_json(folder / "summary.json", summary)
    print(json.dumps(summary["metrics"]))
    print(
        f"validation loss {loss_:.4f} nats a token after {state.step} steps and {state.seconds:.1f} s; the run is in {folder}"
    )
    return 0


def sample(model: Any, tokenizer: Any, args: Any, step: int) -> str:
    """A text that the model writes at a step; what is drawn does not touch the training's random numbers."""
    model.eval()
    generator = Generator(args.device).manual_seed(args.seed + step)
    pieces = write(model, tokenizer, args.prompt, args.sample_length, do_sample=True, top_k=0, generator=generator)
    text = args.prompt + "".join(pieces)
    model.train()
    return text


if __name__ == "__main__":
    run(lambda: train(parse()), "train_language_model.py")
