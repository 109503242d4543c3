"""Decoders and encoder-decoders beside transformers', both ways, and token by token beside all at once."""

from __future__ import annotations

import warnings
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import framework as F
import text
from tests.text.models.parity import plain, same_grads
from tests.text.peer import transformers

CLASSES = {
    None: "AutoModel",
    "causal-lm": "AutoModelForCausalLM",
    "seq2seq-lm": "AutoModelForSeq2SeqLM",
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
}
LENGTHS = np.array((11, 7, 4))
FLAGS = {"use_cache": False, "output_hidden_states": True, "output_attentions": True}


def texts(seed: int, side: str, padding: int, lengths: np.ndarray = LENGTHS) -> tuple[np.ndarray, np.ndarray]:
    """Ids of texts of odd lengths, padded on a side, and their mask."""
    rng, places = np.random.default_rng(seed), np.arange(lengths.max())
    seen = places < lengths[:, None] if side == "right" else places >= lengths.max() - lengths[:, None]
    return np.where(seen, rng.integers(5, 99, seen.shape), padding), seen.astype(np.int64)


def inputs(config: Any, task: str | None, side: str) -> dict[str, np.ndarray]:
    """What the model is called with; labels where the task has them."""
    rng = np.random.default_rng(2)
    ids, mask = texts(1, side, config.pad_token_id)
    given = {"input_ids": ids, "attention_mask": mask}
    if config.is_encoder_decoder:
        target, target_mask = texts(3, "right", config.pad_token_id, np.array((9, 5, 7)))
        if task == "seq2seq-lm":
            given["labels"] = np.where(target_mask == 1, target, -100)
        elif task is None:
            given |= {"decoder_input_ids": target, "decoder_attention_mask": target_mask}
        elif task == "sequence-classification":
            ids[:, -1], mask[:, -1] = config.eos_token_id, 1
    elif side == "left" and config.model_type not in ("bart", "marian"):  # which count padding, too
        given["position_ids"] = (mask.cumsum(-1) - 1).clip(0)
    if task == "causal-lm":
        first = (mask.cumsum(-1) == 1) & (mask == 1)  # nothing is known of what comes before it
        given["labels"] = np.where((mask == 1) & ~first, ids, -100)
    elif task == "sequence-classification":
        given["labels"] = rng.integers(0, config.num_labels, len(ids))
    elif task == "token-classification":
        given["labels"] = np.where(mask == 1, rng.integers(0, config.num_labels, ids.shape), -100)
    elif task == "question-answering":
        given |= {"start_positions": np.array([1, 2, 30]), "end_positions": np.array([3, 6, 2])}  # 30 is past the text
    return given


def randomised(config: Any, task: str | None) -> Any:
    """transformers' model for the task, with every parameter away from its plain initial value."""
    import torch

    torch.manual_seed(0)
    config._attn_implementation = "eager"
    model = getattr(transformers(), CLASSES[task]).from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.2 * torch.randn_like(parameter) + (parameter if parameter.ndim == 1 else 0))
        for name, buffer in model.named_buffers():
            if name == "final_logits_bias":
                buffer.copy_(torch.randn_like(buffer))
    return model


def save(model: Any, folder: Path) -> Path:
    """The folder, in which their model is now."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    return folder


def seen_of(given: dict[str, np.ndarray], name: str, config: Any) -> np.ndarray | None:
    """Where an output is not at padding, by its name; None where it has no tokens."""
    source = given["attention_mask"] == 1
    if not config.is_encoder_decoder or name.startswith("encoder_"):
        return source
    if "decoder_attention_mask" in given:
        return given["decoder_attention_mask"] == 1
    if "labels" in given and given["labels"].ndim == 2:
        return given["labels"] != -100
    return source


def run(model: Any, given: dict[str, np.ndarray], make: Any, **flags: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs, and the gradients by key, of ours or theirs; ``make`` makes tensors of arrays."""
    model.zero_grad()
    output = model(**{k: make(v) for k, v in given.items()}, **flags)
    loss = output.get("loss")
    if loss is None:
        last = output["last_hidden_state"]
        factors = np.random.default_rng(3).normal(size=tuple(last.shape))
        factors *= seen_of(given, "last_hidden_state", model.config)[..., None]  # type: ignore[index]
        loss = (last * make(factors).to(last.dtype)).sum()
    loss.backward()
    grads = {k: p.grad.numpy() for k, p in model.named_parameters(remove_duplicate=False) if p.grad is not None}
    return {k: plain(v) for k, v in output.items() if v != ()}, grads


def same_outputs(ours: dict[str, Any], theirs: dict[str, Any], given: Any, config: Any, tolerance: float) -> None:
    """All of their outputs are ours, at padding excepted."""
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        mine, value = ((v,) if not isinstance(v, tuple) else v for v in (ours[name], value))
        assert len(mine) == len(value), name
        seen = seen_of(given, name, config)
        for a, b in zip(mine, value, strict=True):
            assert a.shape == b.shape, name
            if name.endswith("attentions"):
                a, b = a.transpose(0, 2, 3, 1)[seen], b.transpose(0, 2, 3, 1)[seen]
            elif b.ndim == 3:
                a, b = a[seen], b[seen]
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


def check(tmp_path: Path, config: Any, task: str | None, side: str = "right", exact: bool = True) -> None:
    """Outputs, loss, states, weights and gradients agree; and what we save, they load and run to the same outputs.

    Args:
        exact: whether theirs can compute in float64 throughout; else both are in float32.
    """
    import torch

    tolerance = 1e-9 if exact and task != "causal-lm" else 5e-5  # whose loss is in float32
    theirs = randomised(config, task)
    ours = text.from_pretrained(save(theirs, tmp_path / "theirs"), task, dtype=F.float64 if exact else None)
    theirs, given = theirs.double() if exact else theirs, inputs(config, task, side)
    flags = {name: flag for name, flag in FLAGS.items() if name in signature(ours.forward).parameters}
    expected, expected_grads = run(theirs, given, torch.as_tensor, **flags)
    found, grads = run(ours, given, F.tensor, **flags)
    same_outputs(found, expected, given, config, tolerance)
    same_grads(grads, expected_grads, tolerance)

    found, grads = run(ours, given, F.tensor)  # without weights, by fused attention
    same_outputs(found, {k: v for k, v in expected.items() if k in found}, given, config, tolerance)
    same_grads(grads, expected_grads, tolerance)

    ours.float().save_pretrained(tmp_path / "ours")
    auto = getattr(transformers(), CLASSES[task])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again, report = auto.from_pretrained(tmp_path / "ours", output_loading_info=True, attn_implementation="eager")
    assert type(again) is type(theirs)
    computed = {key for key in report["missing_keys"] if config.model_type == "marian" and "embed_positions" in key}
    assert not any({**report, "missing_keys": report["missing_keys"] - computed}.values()), report
    back, _ = run((again.double() if exact else again).eval(), given, torch.as_tensor, **flags)
    same_outputs(back, expected, given, config, tolerance)


def logits_in_steps(model: Any, ids: np.ndarray, mask: np.ndarray | None, cuts: tuple[int, ...], **fixed: Any) -> Any:
    """A decoder's logits of all tokens, computed piece by piece with a cache. Cuts are where the pieces begin and end."""
    name = "decoder_input_ids" if model.config.is_encoder_decoder else "input_ids"
    cache, found = model.new_cache(len(ids), 3), []
    with F.no_grad():
        for start, stop in pairwise(cuts):
            given: dict[str, Any] = {name: F.tensor(ids[:, start:stop]), **fixed}
            if mask is not None:
                seen = F.tensor(mask[:, :stop])
                given["attention_mask"] = seen
                given["position_ids"] = text.models.cache.position_ids(seen, stop - start)
            output = model(**given, past_key_values=cache)
            assert output.past_key_values is cache and len(cache) == stop
            found.append(output.logits.numpy())
    return np.concatenate(found, 1)
