"""The networks of src/model/resnet.c in PyTorch: same names, same order, same initial values.

A network is a list of layers, run one after another with torch.nn.functional; parameters have our
names and torch's layouts (to_ours and to_torch convert).
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

import philox

IMAGENET = dict(small_stem=False, widths=(64, 128, 256, 512), stem=64)
CIFAR = dict(small_stem=True, widths=(16, 32, 64), stem=16)
COMMON = dict(keras=False, old=False, deep=False, bias=False, stride3=False, pool_pad=1, pool2=False,
              base_width=0, groups=1, pad_shortcut=False)
TORCH = dict(COMMON, eps=1e-5, momentum=0.9)
TORCH_DEEP = dict(TORCH, **IMAGENET, deep=True, stride3=True)
KERAS = dict(COMMON, **IMAGENET, keras=True, bias=True, eps=1.001e-5, momentum=0.99)
KERAS_50 = dict(KERAS, old=True, deep=True, blocks=(3, 4, 6, 3), eps=1e-3)

SPECS = {
    "resnet50_signs": dict(KERAS_50, pool_pad=0, pool2=True),
    "resnet50_keras": KERAS_50,
    "resnet101_keras": dict(KERAS, deep=True, blocks=(3, 4, 23, 3)),
    "resnet152_keras": dict(KERAS, deep=True, blocks=(3, 8, 36, 3)),
    "resnet18_keras": dict(KERAS, blocks=(2, 2, 2, 2)),
    "resnet34_keras": dict(KERAS, blocks=(3, 4, 6, 3)),
    "resnet18": dict(TORCH, **IMAGENET, blocks=(2, 2, 2, 2)),
    "resnet34": dict(TORCH, **IMAGENET, blocks=(3, 4, 6, 3)),
    "resnet50": dict(TORCH_DEEP, blocks=(3, 4, 6, 3)),
    "resnet101": dict(TORCH_DEEP, blocks=(3, 4, 23, 3)),
    "resnet152": dict(TORCH_DEEP, blocks=(3, 8, 36, 3)),
    "wide_resnet50_2": dict(TORCH_DEEP, blocks=(3, 4, 6, 3), base_width=128),
    "wide_resnet101_2": dict(TORCH_DEEP, blocks=(3, 4, 23, 3), base_width=128),
    "resnext50_32x4d": dict(TORCH_DEEP, blocks=(3, 4, 6, 3), groups=32, base_width=4),
    "resnext101_32x8d": dict(TORCH_DEEP, blocks=(3, 4, 23, 3), groups=32, base_width=8),
    "resnext101_64x4d": dict(TORCH_DEEP, blocks=(3, 4, 23, 3), groups=64, base_width=4),
    "resnet8": dict(TORCH, **CIFAR, blocks=(1, 1, 1)),
}
for n in (3, 5, 7, 9, 18):
    SPECS[f"resnet{6 * n + 2}"] = dict(TORCH, **CIFAR, blocks=(n, n, n), pad_shortcut=True)


class Layer:
    def __init__(self, name, kind, src, **attr):
        self.name, self.kind, self.src, self.attr = name, kind, src, attr


class Param:
    """Layout "rsck" (torch: oihw), "io" (torch: oi) or "c"; init as src/op's rs_init_kind."""

    def __init__(self, name, shape, layout, init, scheme, fan_in=0, fan_out=0, trainable=True):
        self.name, self.shape, self.layout, self.init = name, shape, layout, init
        self.scheme, self.fan_in, self.fan_out = scheme, fan_in, fan_out
        self.trainable = trainable


def to_torch(param, ours):
    if param.layout == "rsck":
        return ours.transpose(3, 2, 0, 1)
    return ours.T if param.layout == "io" else ours


def to_ours(param, theirs):
    if param.layout == "rsck":
        return theirs.transpose(2, 3, 1, 0)
    return theirs.T if param.layout == "io" else theirs


class Network:
    """`params` lists parameters and running statistics in our graph's order."""

    def __init__(self, model, size, classes):
        self.spec = SPECS[model]
        self.model, self.size, self.classes = model, size, classes
        self.layers, self.params, self.channels = [], [], {"input": 3}
        self._build()

    # ---- building -----------------------------------------------------------------------------

    def _add(self, name, kind, src, channels, **attr):
        self.layers.append(Layer(name, kind, src, **attr))
        self.channels[name] = channels
        return name

    def _conv(self, name, x, filters, kernel, stride, groups=1):
        c, s, pad = self.channels[x] // groups, self.spec, kernel // 2
        scheme = "glorot" if s["keras"] else "he"
        fans = dict(fan_in=kernel * kernel * c, fan_out=kernel * kernel * filters)
        self.params.append(Param(name + ".weight", (kernel, kernel, c, filters), "rsck", "weight",
                                 scheme, **fans))
        if s["bias"]:
            self.params.append(Param(name + ".bias", (filters,), "c", "bias", scheme, **fans))
        return self._add(name, "conv", [x], filters, stride=stride, pad=pad,
                         groups=groups, bias=s["bias"])

    def _bn(self, name, x):
        c = self.channels[x]
        for role, init, trainable in (("weight", "one", True), ("bias", "zero", True),
                                      ("running_mean", "zero", False),
                                      ("running_var", "one", False)):
            self.params.append(Param(f"{name}.{role}", (c,), "c", init, None,
                                     trainable=trainable))
        return self._add(name, "bn", [x], c)

    def _names(self, stage, index, part):
        """A unit's convolution and normalisation; part 0 is the shortcut's."""
        if self.spec["keras"] and not self.spec["old"]:
            return (f"conv{stage + 2}_block{index + 1}_{part}_{p}" for p in ("conv", "bn"))
        if self.spec["keras"]:
            branch = "branch1" if part == 0 else "branch2" + chr(ord("a") + part - 1)
            return (f"{p}{stage + 2}{chr(ord('a') + index)}_{branch}" for p in ("res", "bn"))
        if part == 0:
            return (f"layer{stage + 1}.{index}.downsample.{i}" for i in (0, 1))
        return (f"layer{stage + 1}.{index}.{p}{part}" for p in ("conv", "bn"))

    def _plain(self, stage, index, what):
        if self.spec["keras"] and not self.spec["old"]:
            what = {"relu": "out", "relu1": "1_relu", "relu2": "2_relu"}.get(what, what)
            return f"conv{stage + 2}_block{index + 1}_{what}"
        if self.spec["keras"]:
            return f"res{stage + 2}{chr(ord('a') + index)}_{what}"
        return f"layer{stage + 1}.{index}.{what}"

    def _unit(self, stage, index, part, x, filters, kernel, stride, last, groups=1):
        conv, bn = self._names(stage, index, part)
        x = self._bn(bn, self._conv(conv, x, filters, kernel, stride, groups))
        if last:
            return x
        return self._add(self._plain(stage, index, f"relu{part}"), "relu", [x], filters)

    def _block(self, stage, index, x, width, stride, resize):
        s = self.spec
        out = 4 * width if s["deep"] else width
        main = shortcut = x
        if resize and s["pad_shortcut"]:
            shortcut = self._add(self._plain(stage, index, "shortcut"), "shortcut", [x], out,
                                 stride=stride)
        if s["deep"]:
            inner = width * s["base_width"] // 64 * s["groups"] if s["base_width"] else width
            s1, s3 = (1, stride) if s["stride3"] else (stride, 1)
            main = self._unit(stage, index, 1, main, inner, 1, s1, False)
            main = self._unit(stage, index, 2, main, inner, 3, s3, False, s["groups"])
            main = self._unit(stage, index, 3, main, out, 1, 1, True)
        else:
            main = self._unit(stage, index, 1, main, width, 3, stride, False)
            main = self._unit(stage, index, 2, main, out, 3, 1, True)
        if resize and not s["pad_shortcut"]:
            shortcut = self._unit(stage, index, 0, x, out, 1, stride, True)
        total = self._add(self._plain(stage, index, "add"), "add", [main, shortcut], out)
        return self._add(self._plain(stage, index, "relu"), "relu", [total], out)

    def _build(self):
        s = self.spec
        ends = ("conv1", "bn1", "relu", "maxpool", "avgpool", "fc")
        if s["old"]:
            ends = ("conv1", "bn_conv1", "activation", "pool1", "avgpool", f"fc{self.classes}")
        elif s["keras"]:
            ends = ("conv1_conv", "conv1_bn", "conv1_relu", "pool1_pool", "avg_pool", "predictions")
        x = self._conv(ends[0], "input", s["stem"], *((3, 1) if s["small_stem"] else (7, 2)))
        x = self._bn(ends[1], x)
        x = self._add(ends[2], "relu", [x], s["stem"])
        if not s["small_stem"]:
            x = self._add(ends[3], "maxpool", [x], s["stem"])
        for stage, (width, count) in enumerate(zip(s["widths"], s["blocks"])):
            for i in range(count):
                x = self._block(stage, i, x, width, 2 if stage > 0 and i == 0 else 1,
                                i == 0 and (stage > 0 or s["deep"]))
        features = self.channels[x]
        if s["pool2"]:
            edge = (self.size + 1) // 2       # conv1
            edge = (edge - 3) // 2 + 1        # pool1, not padded
            for _ in range(3):
                edge = (edge + 1) // 2
            x = self._add("avg_pool", "avgpool2", [x], features)
            features *= (edge // 2) ** 2
        else:
            x = self._add(ends[4], "global", [x], features)
        name = ends[5]
        scheme = "glorot" if s["keras"] else "linear"
        fans = dict(fan_in=features, fan_out=self.classes)
        self.params.append(Param(name + ".weight", (features, self.classes), "io", "weight",
                                 scheme, **fans))
        self.params.append(Param(name + ".bias", (self.classes,), "c", "bias", scheme, **fans))
        self._add(name, "dense", [x], self.classes)

    # ---- values -------------------------------------------------------------------------------

    def initial(self, seed):
        """{name: float64 array in our layout, rounded to float32} as rs_weights_init fills them."""
        values = {}
        for i, p in enumerate(self.params):
            n = math.prod(p.shape)
            if p.init == "one":
                x = np.ones(n)
            elif p.init == "zero" or (p.init == "bias" and p.scheme != "linear"):
                x = np.zeros(n)
            elif p.scheme == "he":
                x = philox.normal(seed, i, n) * math.sqrt(2.0 / p.fan_out)
            else:
                limit = math.sqrt(6.0 / (p.fan_in + p.fan_out)) if p.scheme == "glorot" \
                    else 1.0 / math.sqrt(p.fan_in)
                x = (2.0 * philox.uniform(seed, i, n) - 1.0) * limit
            values[p.name] = np.float32(x).astype(np.float64).reshape(p.shape)
        return values

    def tensors(self, values, dtype):
        """Leaves for `forward`, from arrays in our layout."""
        leaves = {}
        for p in self.params:
            t = torch.tensor(np.ascontiguousarray(to_torch(p, values[p.name])), dtype=dtype)
            leaves[p.name] = t.requires_grad_(p.trainable)
        return leaves

    # ---- running ------------------------------------------------------------------------------

    def forward(self, leaves, pixels, training=True, visit=None):
        """Logits of NHWC pixels. Training updates the running statistics in `leaves`.

        visit(name, tensor) sees each layer's output, NCHW."""
        out = {"input": pixels.permute(0, 3, 1, 2).contiguous()}
        for layer in self.layers:
            y = self.run(layer, [out[s] for s in layer.src], leaves, training)
            out[layer.name] = y
            if visit:
                visit(layer.name, y)
        return out[self.layers[-1].name]

    def run(self, layer, x, leaves, training):
        """One layer's output from its inputs."""
        s, name = self.spec, layer.name
        if layer.kind == "conv":
            bias = leaves[name + ".bias"] if layer.attr["bias"] else None
            return F.conv2d(x[0], leaves[name + ".weight"], bias, layer.attr["stride"],
                            layer.attr["pad"], groups=layer.attr["groups"])
        if layer.kind == "bn":
            # Our contract holds both numbers as float32; torch's momentum weighs the new value.
            return F.batch_norm(x[0], leaves[name + ".running_mean"],
                                leaves[name + ".running_var"], leaves[name + ".weight"],
                                leaves[name + ".bias"], training,
                                1.0 - float(np.float32(s["momentum"])),
                                float(np.float32(s["eps"])))
        if layer.kind == "relu":
            return F.relu(x[0])
        if layer.kind == "add":
            return x[0] + x[1]
        if layer.kind == "shortcut":  # option A, as akamaster/pytorch_resnet_cifar10 codes it
            step, lack = layer.attr["stride"], self.channels[name] - x[0].shape[1]
            return F.pad(x[0][:, :, ::step, ::step], (0, 0, 0, 0, lack // 2, lack - lack // 2))
        if layer.kind == "maxpool":
            pad = s["pool_pad"]
            if s["keras"] and pad:  # ZeroPadding2D, then a pool without padding
                return F.max_pool2d(F.pad(x[0], (pad,) * 4), 3, 2)
            return F.max_pool2d(x[0], 3, 2, pad)
        if layer.kind == "avgpool2":
            return F.avg_pool2d(x[0], 2, 2)
        if layer.kind == "global":
            return x[0].mean((2, 3))
        flat = x[0].permute(0, 2, 3, 1).flatten(1) if x[0].dim() == 4 else x[0]
        return F.linear(flat, leaves[name + ".weight"], leaves[name + ".bias"])
