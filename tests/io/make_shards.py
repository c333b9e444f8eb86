#!/usr/bin/env python3
"""Writes shards/ with huggingface_hub, for test_format_shards.c.

    python3 make_shards.py        (needs torch, safetensors and huggingface_hub)
"""
import pathlib

import torch
from huggingface_hub import save_torch_state_dict

HERE = pathlib.Path(__file__).parent / "shards"


def arange(*shape):
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


state = {"conv1.weight": arange(2, 3, 2, 2), "bn1.weight": arange(2), "fc.weight": arange(4, 2),
         "bn1.num_batches_tracked": torch.tensor(7)}
HERE.mkdir(exist_ok=True)
save_torch_state_dict(state, HERE, max_shard_size=100)
save_torch_state_dict(state, HERE, max_shard_size=100, safe_serialization=False)
