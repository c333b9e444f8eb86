#!/usr/bin/env python3
"""Writes the files of pytorch/ for test_format_pytorch.c, with the PyTorch that it is run by.

    python3 make_pytorch.py NAME      NAME stands in the files' names: 1.13 or 2

The values are small numbers that every type holds. Run by PyTorch 2 it also writes what one version
is enough for: files of other kinds, and archives made by others of the first ones.
"""
import argparse
import collections
import io
import os
import pathlib
import pickle
import sys
import zipfile

import torch

HERE = pathlib.Path(__file__).parent / "pytorch"
NAME = sys.argv[1]


def save(path, obj, **options):
    torch.save(obj, HERE / path, **options)


def both(path, obj):
    save(f"{path}.{NAME}.zip.pth", obj)
    save(f"{path}.{NAME}.old.pth", obj, _use_new_zipfile_serialization=False)


def arange(*shape):
    return torch.arange(float(torch.Size(shape).numel())).reshape(shape)


def tensors():
    shared = arange(20)
    state = collections.OrderedDict()
    state["plain"] = arange(2, 3, 2, 2)
    state["f16"] = arange(5).half()
    state["bf16"] = arange(5).bfloat16()
    state["f64"] = arange(5).double()
    state["count"] = torch.tensor(1 << 40)
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 3)
    state["transposed"] = arange(3, 4).t()
    state["sliced"] = arange(6, 5)[1:6:2, 1:4]
    state["expanded"] = arange(3).expand(2, 3)
    state["channels_last"] = arange(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    state["offset"] = shared[7:]
    state["shared"] = shared
    state["half_transposed"] = arange(3, 4).half().t()
    state["parameter"] = torch.nn.Parameter(arange(4))
    state["noted"] = torch.nn.Parameter(arange(4))
    state["noted"].note = "kept by _rebuild_parameter_with_state"
    state["_extra_state"] = None
    state._metadata = collections.OrderedDict({"": {"version": 2}})
    return state


def weights(first):
    return {"fc.weight": arange(2, 3) + first, "fc.bias": arange(2)}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(x)


class Attack:
    def __reduce__(self):
        return os.system, ("touch /tmp/rescl-was-here",)


class Mine:
    pass


def checkpoints():
    args = argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("/data"))
    net = torch.nn.Linear(3, 2)
    net(arange(1, 3)).sum().backward()
    optimizer = torch.optim.AdamW(net.parameters())
    optimizer.step()
    both("checkpoint", {"epoch": 3, "arch": "resnet18", "args": args, "loss": torch.tensor(0.5),
                        "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()[:8],
                        "size": torch.Size([2, 3]), "device": torch.device("cpu"),
                        "dtype": torch.float16, "state_dict": weights(0)})
    both("averaged", {"state_dict": weights(0), "state_dict_ema": weights(100), "epoch": 1})


def ancient():
    """As PyTorch 0.1 and 0.2 wrote weights: torchvision's first files are of that time."""
    def reduce(self, protocol):
        if isinstance(self, torch.nn.Parameter):
            return torch.nn.Parameter, (self.data,), (True, False, collections.OrderedDict())
        return torch._utils._rebuild_tensor, (self.storage(), self.storage_offset(),
                                              tuple(self.size()), self.stride())
    usual = torch.Tensor.__reduce_ex__, torch.nn.Parameter.__reduce_ex__
    torch.Tensor.__reduce_ex__ = torch.nn.Parameter.__reduce_ex__ = reduce
    state = weights(3)
    state["fc.weight"] = torch.nn.Parameter(state["fc.weight"])
    save("ancient.old.pth", state, _use_new_zipfile_serialization=False)
    torch.Tensor.__reduce_ex__, torch.nn.Parameter.__reduce_ex__ = usual


def archive(path, source, change=lambda name, data: data, method=zipfile.ZIP_STORED):
    source = HERE / source if isinstance(source, str) else source
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(HERE / path, "w") as new:
        for info in old.infolist():
            entry = zipfile.ZipInfo(info.filename, (2024, 1, 1, 0, 0, 0))
            entry.compress_type = method
            data = change(info.filename, old.read(info))
            if data is not None:
                new.writestr(entry, data)


def big_endian(name, data):
    if name.endswith("byteorder"):
        return b"big"
    width = {"0": 4, "1": 2, "2": 2, "3": 8, "4": 8}
    key = name.rsplit("/data/")[-1]
    if key in width:
        n = width[key]
        return b"".join(data[i:i + n][::-1] for i in range(0, len(data), n))
    return data


def others():
    deep = {"model_ema": {"module": {"state_dict": weights(7)}}, "model": weights(0)}
    save("deep.pth", deep)
    save("only.pth", {"epoch": 1, "my_net": weights(5), "losses": {"train": torch.zeros(3)}})
    save("range.pth", {"model": weights(0), "layers": range(3)})
    save("arrays.pth", {name: value.numpy() for name, value in weights(0).items()})
    save("several.pth", {"generator": weights(0), "critic": weights(1)})
    save("protocol4.pth", weights(0), pickle_protocol=4)
    save("protocol5.old.pth", weights(0), pickle_protocol=5, _use_new_zipfile_serialization=False)
    torch.serialization.set_crc32_options(False)
    save("unchecked.pth", weights(0))
    torch.serialization.set_crc32_options(True)
    types = {"f32": arange(3), "f16": arange(3).half(), "bf16": arange(3).bfloat16(),
             "f64": arange(3).double(), "i64": torch.tensor(7)}
    save("types.pth", types)
    archive("big_endian.pth", "types.pth", big_endian)
    (HERE / "types.pth").unlink()
    archive("deflated.pth", "averaged.2.zip.pth", method=zipfile.ZIP_DEFLATED)
    archive("missing.pth", "averaged.2.zip.pth", lambda n, d: None if n.endswith("data/2") else d)
    archive("short.pth", "averaged.2.zip.pth", lambda n, d: d[:-4] if n.endswith("data/2") else d)

    torch.manual_seed(1)
    save("module.pth", Net())
    program = io.BytesIO()
    torch.jit.save(torch.jit.script(Net()), program)
    archive("script.pt", program, lambda name, data: None if "debug" in name else data)
    save("attack.pth", {"fc.weight": arange(2, 3), "x": Attack()})
    save("attack.old.pth", {"x": Attack()}, _use_new_zipfile_serialization=False)
    (HERE / "attack.pkl").write_bytes(pickle.dumps(Attack(), protocol=4))
    save("object.pth", {"fc.weight": arange(2, 3), "mine": Mine()})
    (HERE / "plain.pkl").write_bytes(pickle.dumps({"fc.weight": [1.0, 2.0]}, protocol=2))
    save("tensor.pth", arange(3))
    save("list.pth", [arange(3)])
    save("nothing.pth", {"epoch": 3, "name": "x"})
    save("sparse.pth", {"fc.weight": arange(2, 3).to_sparse()})
    quantised = torch.quantize_per_tensor(arange(2, 3), 1.0, 0, torch.qint8)
    save("quantised.pth", {"fc.weight": quantised})
    save("complex.pth", {"fc.weight": arange(2, 3).to(torch.complex64)})
    save("meta.pth", {"fc.weight": torch.zeros(2, 3, device="meta")})
    save("f8.pth", {"a": arange(3).to(torch.float8_e4m3fn),
                    "b": torch.zeros(3, dtype=torch.uint16)})


HERE.mkdir(exist_ok=True)
both("tensors", tensors())
checkpoints()
if NAME == "1.13":
    ancient()
if NAME == "2":
    others()
