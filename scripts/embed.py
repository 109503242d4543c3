"""Turn sentences into vectors, and find those that mean the like.

``python scripts/embed.py --model FOLDER --file sentences.txt --save vectors.npz`` keeps the vectors of a file's lines;
``python scripts/embed.py --model FOLDER --index vectors.npz --query "a man is eating"`` prints the nearest of them. Without
``--save`` and ``--query`` each sentence and its vector are printed as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from support.console import Parser, number, run
from support.placing import HELP, device

from framework.errors import ArgumentError, StateError
from framework.io import FileFormatError, atomic_path
from text.sentence import SentenceEncoder


def parse() -> Any:
    """The command line."""
    parser = Parser(prog="embed.py", description="Turn sentences into vectors, and find those that mean the like.")
    add = parser.add_argument
    add("sentences", nargs="*", metavar="SENTENCE")
    add("--model", required=True, metavar="FOLDER", help="of sentence-transformers, or of an encoder; or a hub name")
    add("--file", help="a text with a sentence a line; - for the standard input")
    add("--index", metavar="NPZ", help="sentences and vectors that --save wrote")
    add("--save", metavar="NPZ", help="where to write vectors (N, width), and the sentences, one a line as UTF-8 bytes")
    add("--query", action="append", metavar="TEXT", help="print the nearest sentences; may be given more than once")
    add("--top", type=number(int, 1), default=5, help="how many")
    add("--batch-size", type=number(int, 1), default=32)
    add("--device", type=device, default="cpu", help=HELP)
    return parser.parse_args()


def read_sentences(args: Any) -> list[str]:
    """The sentences on the command line and in the file; blank lines are left out."""
    lines: list[str] = []
    if args.file is not None:
        try:
            whole = sys.stdin.read() if args.file == "-" else Path(args.file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"--file {args.file}: not a text in UTF-8 ({error})") from None
        lines = whole.split("\n")
    return [" ".join(line.split()) for line in [*args.sentences, *lines] if line.strip()]


def read_index(path: str) -> tuple[list[str], np.ndarray[Any, Any]]:
    """The sentences and vectors that ``--save`` wrote.

    Raises:
        FileNotFoundError, FileFormatError: the file is not there, or of another kind.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"--index {path}: there is no such file; give one that --save wrote")
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no archive of arrays")
        with np.load(path, allow_pickle=False) as found:
            sentences, vectors = found["sentences"].tobytes().decode().split("\n"), found["vectors"]
        if vectors.ndim != 2 or len(vectors) != len(sentences):
            raise ValueError(f"{len(sentences)} sentences and vectors of shape {vectors.shape}")
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise FileFormatError(f"--index {path}: not what --save writes ({error})") from None
    return sentences, vectors


def main() -> int:
    """The exit code."""
    args = parse()
    sentences = read_sentences(args)
    known, vectors = read_index(args.index) if args.index is not None else ([], None)
    if not sentences and not known:
        raise ArgumentError("there is nothing to embed; give sentences, --file or --index")
    try:
        encoder = SentenceEncoder.from_pretrained(args.model).to(args.device)
    except StateError as error:
        raise ArgumentError(f"--model {args.model}: {error}") from None

    fresh = encoder.encode(sentences, args.batch_size)
    if vectors is None:
        vectors = fresh
    elif vectors.shape[1] != fresh.shape[1]:
        raise ArgumentError(
            f"--index {args.index}: its vectors are {vectors.shape[1]} long, those of the model {fresh.shape[1]}"
        )
    else:
        vectors = np.concatenate([vectors, fresh])
    sentences = known + sentences

    if args.save is not None:
        with atomic_path(args.save) as temporary, open(temporary, "wb") as file:
            np.savez(file, vectors=vectors, sentences=np.frombuffer("\n".join(sentences).encode(), np.uint8))
        print(f"{len(sentences)} vectors of length {vectors.shape[1]} written: {args.save}")
    if args.query:
        cosines = encoder.similarity(encoder.encode(args.query, args.batch_size), vectors).numpy()
        for query, row in zip(args.query, cosines, strict=True):
            print(f"{query}:")
            for place in np.argsort(-row, kind="stable")[: args.top].tolist():
                print(f"  {row[place]:.4f}  {sentences[place]}")
    elif args.save is None:
        for sentence, vector in zip(sentences, vectors, strict=True):
            print(json.dumps({"sentence": sentence, "vector": vector.tolist()}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    run(main, "embed.py")
