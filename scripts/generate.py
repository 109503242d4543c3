"""Let a language model write: ``python scripts/generate.py --model FOLDER --prompt "Once upon a time"``.

The folder is that of a run of ``train_language_model.py``, or any of transformers' layout. The text comes as it is written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from support.console import Parser, number, run
from support.placing import HELP, device
from support.writing import write

import framework as F
import text
from framework.errors import ArgumentError, StateError
from framework.random import Generator
from text.models.config import read_config
from text.tokenizers import Tokenizer


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="generate.py", description="Let a language model write.")
    add = parser.add_argument
    add(
        "--model",
        "--checkpoint",
        required=True,
        metavar="FOLDER",
        help="of a run, or of a language model; or a hub name",
    )
    add("--prompt", default="", help="what to go on from, or to answer; - reads it from the standard input")
    add("--chat", action="store_true", help="put the prompt into the model's chat template, as what a user says")
    add("--max-new-tokens", type=number(int, 1), default=200, help="tokens to write at most")
    add("--num", type=number(int, 1), default=1, help="how many texts to write")
    add("--greedy", action="store_true", help="take the likeliest token each time, instead of drawing")
    add(
        "--beams",
        type=number(int, 1),
        default=1,
        help="follow so many texts at once and print the likeliest at the end",
    )
    add("--temperature", type=number(float, 0.01), default=1.0, help="below 1 is more careful, above is wilder")
    add("--top-k", type=number(int, 0), default=50, help="draw from so many of the likeliest tokens; 0 for all")
    add("--top-p", type=number(float, 0, 1), default=1.0, help="draw from the likeliest tokens with this share in all")
    add(
        "--min-p",
        type=number(float, 0, 1),
        help="draw from tokens with at least this share of the likeliest one's chance",
    )
    add(
        "--repetition-penalty",
        type=number(float, 0.01),
        default=1.0,
        help="above 1 disfavours tokens that came already",
    )
    add("--no-repeat-ngram-size", type=number(int, 0), default=0, help="let no sequence of so many tokens come twice")
    add("--stop", action="append", metavar="TEXT", help="end where this was written; may be given more than once")
    add("--seed", type=number(int, 0), help="draws the same text each time")
    add("--device", type=device, default="cpu", help=HELP)
    return parser.parse_args()


def main() -> int:
    """The exit code."""
    args = parse()
    if args.greedy and args.num > 1:
        raise ArgumentError("--num: the likeliest text is one; leave out --greedy")
    if args.beams > 1 and (args.stop or args.num > args.beams):
        raise ArgumentError(f"--beams {args.beams}: gives so many texts at most, and cannot be had with --stop")
    local = Path(args.model)
    task = "seq2seq-lm" if local.is_dir() and read_config(local).get("is_encoder_decoder") else "causal-lm"
    try:
        model = text.from_pretrained(args.model, task).to(args.device)
    except StateError as error:
        raise ArgumentError(f"--model {args.model}: {error}") from None
    tokenizer = Tokenizer.from_pretrained(args.model)
    prompt = sys.stdin.read() if args.prompt == "-" else args.prompt
    shown = "" if args.chat or task == "seq2seq-lm" else prompt
    if args.chat:
        messages = [{"role": "user", "content": prompt}]
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    options: dict[str, Any] = {
        "repetition_penalty": args.repetition_penalty,
        "no_repeat_ngram_size": args.no_repeat_ngram_size,
    }
    if args.beams > 1:
        ids = F.tensor([tokenizer(prompt)["input_ids"]]).to(args.device)
        found = model.generate(
            ids, F.ones_like(ids), num_beams=args.beams, num_return_sequences=args.num, max_new_tokens=args.max_new_tokens,
            do_sample=False, **options,
        )  # fmt: skip
        print("\n---\n".join(tokenizer.batch_decode(found, skip_special_tokens=True)))
        return 0
    if not args.greedy:
        generator = Generator(args.device)
        _ = generator.seed() if args.seed is None else generator.manual_seed(args.seed)
        options |= {"do_sample": True, "generator": generator, "temperature": args.temperature, "top_p": args.top_p}
        options |= {"top_k": args.top_k, "min_p": args.min_p}
    for place in range(args.num):
        if place:
            print("\n---")
        print(shown, end="", flush=True)
        for piece in write(model, tokenizer, prompt, args.max_new_tokens, stop_strings=args.stop, **options):
            print(piece, end="", flush=True)
    print()
    return 0


if __name__ == "__main__":
    run(main, "generate.py")
