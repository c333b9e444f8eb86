#!/usr/bin/env python3
"""Writes gradcam.safetensors beside this script: PyTorch's Grad-CAM, in float64.

    python3 tests/golden/make_gradcam.py

Networks and weights are those of make_golden.py. The images are its first batch, rounded to bytes
and preprocessed as each model says. <model>.map is (image, class, height, width): ReLU of the sum
over channels of A_c times the mean of dy/dA_c over the map, with y the class's logit and A the input
of the head's pooling or, where that is smaller than 7x7, the output of the deepest stage whose map is
not (Selvaraju et al., ICCV 2017)."""
import os

import numpy as np
import torch

import make_golden
import networks
import safetensors

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PREPROCESS = {
    "resnet8": lambda x: x / 255,
    "resnet50_signs": lambda x: x / 255,
    "resnet50_keras": lambda x: x[..., ::-1] - np.array((103.939, 116.779, 123.68)),
    "resnet50": lambda x: (x / 255 - np.array(MEAN)) / np.array(STD),
}


def explained(net, outputs):
    """Between blocks, and so between stages, one tensor alone is read by what follows."""
    last = next(i for i, layer in enumerate(net.layers) if layer.kind in ("avgpool2", "global"))
    for i in range(last - 1, -1, -1):
        done = {"input"} | {layer.name for layer in net.layers[:i]}
        alone = not any(done & set(layer.src) for layer in net.layers[i + 1:last])
        if alone and min(outputs[net.layers[i].name].shape[2:]) >= 7:
            return outputs[net.layers[i].name]


def maps(model):
    case = make_golden.CASES[model]
    net = networks.Network(model, case["size"], case["classes"])
    values = make_golden.perturbed(net, net.initial(make_golden.SEED))
    pixels = make_golden.batch(case, 0)[0]
    make_golden.step_aside(net, values, pixels)
    x = PREPROCESS[model](np.rint(255 * pixels))
    outputs = {}
    logits = net.forward(net.tensors(values, torch.float64), torch.tensor(x.copy()),
                         training=False, visit=outputs.__setitem__)
    features = explained(net, outputs)
    result = []
    for k in range(case["classes"]):
        # Each image's logit depends on its own features alone.
        gradient, = torch.autograd.grad(logits[:, k].sum(), features, retain_graph=True)
        alpha = gradient.mean((2, 3), keepdim=True)
        result.append(torch.relu((alpha * features).sum(1)))
    return torch.stack(result, 1).detach().numpy()


def main():
    out = {model + ".map": np.float32(maps(model)) for model in PREPROCESS}
    for name, array in out.items():
        print(name, array.shape, f"{(array > 0).mean():.0%} of the values are above 0")
    safetensors.write(os.path.join(make_golden.HERE, "gradcam.safetensors"), out,
                      dict(seed=make_golden.SEED, torch=torch.__version__))


if __name__ == "__main__":
    main()
