"""oneDNN's linear layers: the same sums as torch's, and the whole network."""

import numpy as np
import pytest
import torch

from analysis.errors import InputError
from analysis.forwardformats import as_format
from analysis.models import load
from analysis.runtimes import one_dnn
from analysis.scoring import score

NOISE = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 5e-2}
"""Sums in another order, in float32, and rounded to the dtype at each layer."""


@pytest.fixture
def reranker(tiny_checkpoint):
    return load(tiny_checkpoint, device="cpu")


@pytest.mark.parametrize("dtype", NOISE)
def test_logits_are_torchs_but_for_rounding(reranker, tiny_pairs, dtype):
    formats = [dtype, f"onednn:{dtype}"]
    scored = score(tiny_pairs, reranker, formats, progress=False)
    own, fast = (
        scored.loc[scored["forward_format"] == text] for text in ("torch:" + dtype, formats[1])
    )
    assert set(fast["forward_dtype"]) == {dtype}
    np.testing.assert_allclose(fast["logit"], own["logit"], rtol=0, atol=NOISE[dtype])


@pytest.mark.parametrize("dtype", NOISE)
def test_a_run_repeated_gives_the_same_bits(reranker, tiny_pairs, dtype):
    once, again = (
        score(tiny_pairs, reranker, [f"onednn:{dtype}"], progress=False) for _ in range(2)
    )
    assert once.equals(again)


def test_float16_is_summed_in_float32_and_rounded_once():
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 8).half()
    values = torch.randn(5, 3, 64).half()
    with torch.inference_mode():
        found = one_dnn._Linear(layer, torch.float32)(values)
        exact = values.double() @ layer.weight.double().T + layer.bias.double()
    # A float32 sum may round a tie of float16 the other way: half a spacing and its own error.
    assert found.dtype == torch.float16
    spacing = torch.from_numpy(np.spacing(exact.abs().half().numpy())).double()
    assert ((found.double() - exact).abs() <= 0.5 * spacing + 1e-6).all()


def test_every_linear_layer_is_replaced_and_a_bias_may_be_missing():
    network = torch.nn.Sequential(
        torch.nn.Linear(4, 4), torch.nn.Sequential(torch.nn.Linear(4, 2, bias=False))
    ).eval()
    values = torch.ones(3, 4)
    with torch.inference_mode():
        before = network(values)
        one_dnn._lay_out(network, torch.float32)
        after = network(values)
    assert not any(type(one) is torch.nn.Linear for one in network.modules())
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)


def test_a_build_without_one_dnn_is_refused(reranker, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    with pytest.raises(InputError, match="oneDNN does not multiply in float32"):
        one_dnn.forward(reranker, as_format("onednn:float16"))


def test_logits_have_a_key_of_their_own(reranker):
    names = {dtype: one_dnn.identity(reranker, as_format(f"onednn:{dtype}")) for dtype in NOISE}
    assert len({str(one) for one in names.values()}) == len(NOISE)
