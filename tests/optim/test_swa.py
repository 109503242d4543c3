"""Weight averaging: equal and exponential averages, buffers, batch-norm statistics, and the rate's anneal."""

import copy

import numpy as np
import pytest

import framework
from framework import nn, optim
from framework.optim import swa_utils
from framework.optim.swa_utils import SWALR, AveragedModel


def model_of(value, dtype=framework.float32):
    model = nn.Linear(2, 3)
    with framework.no_grad():
        for p in model.parameters():
            p.fill_(value)
    model.register_buffer("seen", framework.tensor(float(value)))
    return model.to(dtype)


def averages(average):
    return average.module.weight.detach().float().numpy()


def run(average, values=(1.0, 3.0, 8.0), dtype=framework.float32):
    for value in values:
        average.update_parameters(model_of(value, dtype))
    return average


def test_equal_average():
    average = run(AveragedModel(model_of(0.0)))
    np.testing.assert_allclose(averages(average), 4.0, rtol=1e-6)
    assert int(average.n_averaged) == 3
    assert float(average.module.seen) == 8  # buffers are copied


@pytest.mark.parametrize("kind", ["avg_fn", "multi_avg_fn"])
@pytest.mark.parametrize("which", ["swa", "ema"])
def test_functions_agree_with_the_formula(kind, which):
    decay = 0.75
    args = (decay,) if which == "ema" else ()
    make = getattr(swa_utils, f"get_{which}_{kind}")
    average = run(AveragedModel(model_of(0.0), **{kind: make(*args)}))
    expected = 4.0 if which == "swa" else decay * (decay * 1 + 0.25 * 3) + 0.25 * 8
    np.testing.assert_allclose(averages(average), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [framework.float16, framework.bfloat16, framework.float64])
def test_dtypes(dtype):
    average = run(AveragedModel(model_of(0.0, dtype), multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.5)), dtype=dtype)
    assert average.module.weight.dtype is dtype
    np.testing.assert_allclose(averages(average), 5.0)


def test_buffers_are_averaged_on_demand():
    average = run(AveragedModel(model_of(0.0), use_buffers=True))
    assert float(average.module.seen) == pytest.approx(4.0)
    assert float(average.n_averaged) == 3  # its own counter is not averaged


def test_averaged_model_is_torchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    mine, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    a = AveragedModel(mine, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    b = torch.optim.swa_utils.AveragedModel(theirs, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    for _ in range(4):
        for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
            value = rng.standard_normal(p.shape).astype(np.float32)
            p.data = framework.from_numpy(value)
            q.data = torch.from_numpy(value.copy())
        a.update_parameters(mine)
        b.update_parameters(theirs)
    assert list(a.state_dict()) == list(b.state_dict())
    for key, value in b.state_dict().items():
        np.testing.assert_allclose(a.state_dict()[key].numpy(), value.numpy(), rtol=1e-6, atol=1e-7)


def test_average_is_a_model_and_leaves_the_original_alone():
    model = model_of(2.0)
    average = AveragedModel(model)
    x = framework.from_numpy(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(average(x).detach().numpy(), model(x).detach().numpy())
    run(average)
    assert float(model.weight.detach()[0, 0]) == 2
    other = AveragedModel(model_of(0.0))
    other.load_state_dict(average.state_dict())
    np.testing.assert_array_equal(averages(other), averages(average))
    np.testing.assert_array_equal(averages(copy.deepcopy(average)), averages(average))


def test_update_bn_gives_the_statistics_of_the_data():
    norm = nn.BatchNorm1d(3, momentum=0.3)
    model = nn.Sequential(norm, nn.Identity()).eval()
    rng = np.random.default_rng(0)
    batches = [rng.standard_normal((8, 3)).astype(np.float32) + 2 for _ in range(4)]
    swa_utils.update_bn([(framework.from_numpy(b), None) for b in batches], model)
    np.testing.assert_allclose(norm.running_mean.numpy(), np.mean([b.mean(0) for b in batches], 0), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), np.mean([b.var(0, ddof=1) for b in batches], 0), rtol=1e-5)
    assert norm.momentum == 0.3
    assert not model.training


def test_update_bn_without_norms_reads_no_data():
    def batches():
        raise RuntimeError("read")
        yield

    swa_utils.update_bn(batches(), nn.Linear(2, 2))


@pytest.mark.parametrize("kwargs", [{}, {"anneal_epochs": 4, "anneal_strategy": "linear"}, {"anneal_epochs": 0}])
def test_swalr_is_torchs(kwargs):
    torch = pytest.importorskip("torch")
    results = []
    for module, p in ((torch, torch.nn.Parameter(torch.ones(2))), (framework, nn.Parameter(framework.ones(2)))):
        opt = module.optim.SGD([p], lr=1.0)
        scheduler = module.optim.swa_utils.SWALR(opt, swa_lr=0.05, **kwargs)
        results.append([])
        for _ in range(13):
            results[-1].append(opt.param_groups[0]["lr"])
            opt.step()
            scheduler.step()
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_errors():
    model = nn.Linear(2, 2)
    opt = optim.SGD(model.parameters(), lr=1.0)
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"Invalid decay value 1\.5"):
            make(1.5)
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        AveragedModel(model, avg_fn=swa_utils.get_swa_avg_fn(), multi_avg_fn=swa_utils.get_swa_multi_avg_fn())
    with pytest.raises(ValueError, match="anneal_strategy must be"):
        SWALR(opt, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="anneal_epochs must be"):
        SWALR(opt, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="must have the same length"):
        SWALR(opt, [0.1, 0.2])
