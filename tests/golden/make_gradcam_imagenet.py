#!/usr/bin/env python3
"""Writes gradcam_imagenet.safetensors beside this script: PyTorch's Grad-CAM, in float64, of Keras'
ImageNet weights of ResNet-50 for real photos.

    python3 tests/golden/make_gradcam_imagenet.py DATA

DATA holds resnet50-imagenet/: the weights in Keras' HDF5, and images/NNNN.png. map is (image, height,
width) for each of IMAGES: ReLU of the sum over channels of A_c times the mean of dy/dA_c over the map,
with y the logit of the class that the image was taken for and A the input of the head's pooling
(Selvaraju et al., ICCV 2017). The logits are held against DATA's reference."""
import os
import sys

import h5py
import numpy as np
import torch
from PIL import Image

import networks
import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGES = (3, 11, 19)
MEAN = np.array((103.939, 116.779, 123.68))


ROLES = {"weight": ("kernel", "gamma"), "bias": ("bias", "beta"), "running_mean": ("moving_mean",),
         "running_var": ("moving_variance",)}


def read_weights(net, path):
    """Layers have the same names in the file."""
    out = {}
    with h5py.File(path, "r") as f:
        for param in net.params:
            layer, role = param.name.rsplit(".", 1)
            group = f[layer][layer]
            key = next(f"{r}:0" for r in ROLES[role] if f"{r}:0" in group)
            out[param.name] = group[key][()].astype(np.float64)
    return out


def main():
    folder = os.path.join(sys.argv[1], "resnet50-imagenet")
    net = networks.Network("resnet50_keras", 224, 1000)
    values = read_weights(
        net, os.path.join(folder, "resnet50_weights_tf_dim_ordering_tf_kernels.h5"))
    files = sorted(f for f in os.listdir(os.path.join(folder, "images")) if f.endswith(".png"))
    reference = np.fromfile(os.path.join(folder, "images/ref_logits.f32"), "<f4").reshape(-1, 1000)
    maps, classes = [], []
    for number in IMAGES:
        file = f"{number:04d}.png"
        pixels = np.asarray(Image.open(os.path.join(folder, "images", file)).convert("RGB"), np.float64)
        outputs = {}
        logits = net.forward(net.tensors(values, torch.float64), torch.tensor((pixels[..., ::-1] - MEAN)[None]),
                             training=False, visit=outputs.__setitem__)
        gap = np.abs(logits.detach().numpy()[0] - reference[files.index(file)]).max()
        assert gap < 1e-2, gap
        last = next(i for i, layer in enumerate(net.layers) if layer.kind in ("avgpool2", "global"))
        features = outputs[net.layers[last - 1].name]
        best = int(logits[0].argmax())
        gradient, = torch.autograd.grad(logits[0, best], features)
        alpha = gradient.mean((2, 3), keepdim=True)
        maps.append(torch.relu((alpha * features).sum(1))[0].detach().numpy())
        classes.append(best)
        print(file, "class", best, "map", maps[-1].shape, f"largest {maps[-1].max():.4g}, logits within {gap:.1e}")
    safetensors.write(os.path.join(HERE, "gradcam_imagenet.safetensors"),
                      {"map": np.float32(maps), "class": np.array(classes, np.float64)},
                      dict(torch=torch.__version__))


if __name__ == "__main__":
    main()
