"""Interim."""

import numpy as np

_TORCH_BLOCK = 16_384


def vector_sigmoid(logits):
    import torch

    padded = np.pad(logits.ravel(), (0, -logits.size % _TORCH_BLOCK))
    blocks = torch.from_numpy(padded).split(_TORCH_BLOCK)
    scores = np.concatenate([torch.sigmoid(block).numpy() for block in blocks])
    return scores[: logits.size].reshape(logits.shape)


def scalar_sigmoid(logits):
    import torch

    strided = torch.from_numpy(np.repeat(logits.ravel(), 2))[::2]
    return torch.sigmoid(strided).numpy().reshape(logits.shape)


def pair_softmax(logits):
    import torch

    flat = torch.from_numpy(logits.ravel().astype(np.float32))
    pairs = torch.stack([torch.zeros_like(flat), flat], dim=-1)
    return [torch.softmax(pairs, dim=-1)[:, 1].double().numpy().reshape(logits.shape)]
