"""Encoders beside transformers' in both directions: a random small model of theirs in ours, and ours in theirs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

import framework as F
import text
from tests.text.peer import transformers

CLASSES = {
    None: "AutoModel",
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "masked-lm": "AutoModelForMaskedLM",
    "multiple-choice": "AutoModelForMultipleChoice",
    "next-sentence-prediction": "AutoModelForNextSentencePrediction",
    "pretraining": "AutoModelForPreTraining",
}
SMALL = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 40,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
LENGTHS = (11, 7, 4)


def inputs(config: Any, segments: bool) -> dict[str, np.ndarray]:
    """Ids of three texts of odd lengths, the shorter ones padded."""
    rng = np.random.default_rng(1)
    seen = np.arange(LENGTHS[0]) < np.array(LENGTHS)[:, None]
    ids = np.where(seen, rng.integers(5, 99, seen.shape), config.pad_token_id or 0)
    made = {"input_ids": ids, "attention_mask": seen.astype(np.int64)}
    if segments:
        made["token_type_ids"] = rng.integers(0, 2, seen.shape)
    return made


def labels(task: str | None, made: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """What the task learns from."""
    rng = np.random.default_rng(2)
    seen = made["attention_mask"] == 1
    if task == "multiple-choice":
        return {"labels": np.array([1])}
    if task == "next-sentence-prediction":
        return {"labels": rng.integers(0, 2, len(seen))}
    if task == "replaced":
        return {"labels": rng.integers(0, 2, seen.shape).astype("f")}
    if task in ("next_sentence_label", "sentence_order_label"):
        return {task: rng.integers(0, 2, len(seen)), **labels("masked-lm", made, count)}
    if task == "sequence-classification":
        return {"labels": rng.integers(0, count, len(seen))}
    if task == "token-classification":
        return {"labels": np.where(seen, rng.integers(0, count, seen.shape), -100)}
    if task == "question-answering":
        return {"start_positions": np.array([1, 2, 30]), "end_positions": np.array([3, 6, 2])}  # 30 is past the text
    if task == "masked-lm":
        return {"labels": np.where(seen & (rng.random(seen.shape) < 0.5), made["input_ids"], -100)}
    return {}


def randomised(config: Any, task: str | None, seed: int = 0) -> Any:
    """transformers' model for the task, with every parameter away from its plain initial value."""
    import torch

    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = getattr(transformers(), CLASSES[task]).from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter) + (parameter if parameter.ndim == 1 else 0))
    return model


def run_theirs(
    model: Any, given: dict[str, np.ndarray], grads: bool = True, **flags: bool
) -> tuple[dict[str, Any], Any]:
    """Their outputs, and the gradients by key."""
    import torch

    model.zero_grad()
    output = model(**{k: torch.as_tensor(v) for k, v in given.items()}, **flags)
    if grads:
        target(output, torch.as_tensor(weighing(given, output), dtype=model.dtype)).backward()
    found = {k: p.grad.numpy() for k, p in model.named_parameters(remove_duplicate=False) if p.grad is not None}
    return {k: plain(v) for k, v in output.items() if not isinstance(v, tuple) or v}, found


def run_ours(model: Any, given: dict[str, np.ndarray], grads: bool = True, **flags: bool) -> tuple[dict[str, Any], Any]:
    """Our outputs, and the gradients by key."""
    model.zero_grad()
    output = model(**{k: F.tensor(v) for k, v in given.items()}, **flags)
    if grads:
        target(output, F.tensor(weighing(given, output)).to(next(model.parameters()).dtype)).backward()
    found = {k: p.grad.numpy() for k, p in model.named_parameters(remove_duplicate=False) if p.grad is not None}
    return {k: plain(v) for k, v in output.items()}, found


def weighing(given: dict[str, np.ndarray], output: Any) -> np.ndarray:
    """Random factors of the last states, 0 at padding, whose gradient says nothing about the model."""
    shape = (*given["attention_mask"].shape, output[0].shape[-1] if output[0].ndim == 3 else 1)
    return np.random.default_rng(3).normal(size=shape) * given["attention_mask"][..., None]


def target(output: Any, factors: Any) -> Any:
    """The loss, or a number that depends on all outputs of a model without one."""
    if output.get("loss") is not None:
        return output["loss"]
    total = (output["last_hidden_state"] * factors).sum()
    return total + (output["pooler_output"] ** 2).sum() if "pooler_output" in output else total


def plain(value: Any) -> Any:
    return tuple(plain(v) for v in value) if isinstance(value, tuple) else value.detach().numpy().copy()


def same_outputs(ours: dict[str, Any], theirs: dict[str, Any], seen: np.ndarray, tolerance: float = 1e-9) -> None:
    """All of their outputs are ours, at padding excepted."""
    assert sorted(ours) == sorted(theirs)
    for name, value in theirs.items():
        mine = ours[name]
        if not isinstance(value, tuple):
            mine, value = (mine,), (value,)
        assert len(mine) == len(value), name
        for a, b in zip(mine, value, strict=True):
            assert a.shape == b.shape, name
            if name == "attentions":
                a, b = a.transpose(0, 2, 3, 1)[seen], b.transpose(0, 2, 3, 1)[seen]
            elif b.shape[:2] == seen.shape:
                a, b = a[seen], b[seen]
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


def check(tmp_path: Path, config: Any, task: str | None, segments: bool = False, double: bool = True) -> None:
    """Outputs, loss, states, weights and gradients agree; and what we save, they load and run to the same outputs."""
    theirs = randomised(config, task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of theirs
        theirs.save_pretrained(tmp_path / "theirs")
    given = inputs(config, segments)
    seen = given["attention_mask"] == 1
    learnt = {"bert": "next_sentence_label", "albert": "sentence_order_label", "electra": "replaced"}
    given |= labels(learnt[config.model_type] if task == "pretraining" else task, given, config.num_labels)
    if task == "multiple-choice":  # the three texts are those of one question
        given = {name: value if name == "labels" else value[None] for name, value in given.items()}

    dtype, tolerance = ("float64", 1e-9) if double else ("float32", 2e-5)
    ours = text.from_pretrained(tmp_path / "theirs", task, dtype=getattr(F, dtype))
    theirs = theirs.double() if double else theirs
    assert not ours.training
    expected, expected_grads = run_theirs(theirs, given, output_hidden_states=True, output_attentions=True)
    found, grads = run_ours(ours, given, output_hidden_states=True, output_attentions=True)
    same_outputs(found, expected, seen, tolerance)
    same_grads(grads, expected_grads, tolerance)

    found, grads = run_ours(ours, given)  # without weights, by fused attention
    assert "attentions" not in found and "hidden_states" not in found
    same_outputs(
        found, {k: v for k, v in expected.items() if k not in ("attentions", "hidden_states")}, seen, tolerance
    )
    same_grads(grads, expected_grads, tolerance)

    ours.float().save_pretrained(tmp_path / "ours")
    auto = getattr(transformers(), CLASSES[task])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again, report = auto.from_pretrained(tmp_path / "ours", output_loading_info=True, attn_implementation="eager")
    assert type(again) is type(theirs)
    assert not any(report.values()), report
    again = again.double() if double else again
    back, _ = run_theirs(again.eval(), given, grads=False, output_hidden_states=True, output_attentions=True)
    same_outputs(back, expected, seen, tolerance)


def same_grads(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray], tolerance: float) -> None:
    """The gradients of all parameters agree, relative to the largest of each."""
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        scale = max(float(np.abs(value).max()), 1e-2)
        np.testing.assert_allclose(ours[name] / scale, value / scale, rtol=0, atol=10 * tolerance, err_msg=name)
