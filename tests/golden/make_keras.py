#!/usr/bin/env python3
"""Writes golden files of Keras beside this script: files that Keras itself wrote, and what its
networks compute.

    python3 tests/golden/make_keras.py        (needs Keras 2.13 to 2.15, or 3.6 or later)

The network is resnet8 with the names of Keras' library models. Its weights are few different
numbers, so that the files are small once they are packed with gzip, which tests/model/test_keras.c
undoes. keras2_* are of Keras 2, keras3_* of Keras 3. keras<n>.safetensors holds pixels (NHWC) and
the logits of each file.
"""
import gzip
import os
import pathlib
import tempfile

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras
import numpy as np
from keras import layers

import safetensors

HERE = pathlib.Path(__file__).parent
VERSION = int(keras.__version__.split(".", 1)[0])
SIZE, BATCH, CLASSES = 16, 2, 6


def norm(x, name, eps):
    return layers.BatchNormalization(epsilon=eps, name=name)(x)


def conv(x, name, filters, kernel, stride):
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2)(x)
    return layers.Conv2D(filters, kernel, stride, use_bias=False, name=name)(x)


def body(eps):
    image = keras.Input((SIZE, SIZE, 3))
    x = norm(conv(image, "conv1_conv", 16, 3, 1), "conv1_bn", eps)
    x = layers.ReLU()(x)
    for stage, filters in (2, 16), (3, 32), (4, 64):
        stride, name, shortcut = 1 if stage == 2 else 2, f"conv{stage}_block1", x
        x = norm(conv(x, f"{name}_1_conv", filters, 3, stride), f"{name}_1_bn", eps)
        x = norm(conv(layers.ReLU()(x), f"{name}_2_conv", filters, 3, 1), f"{name}_2_bn", eps)
        if stage > 2:
            shortcut = norm(conv(shortcut, f"{name}_0_conv", filters, 1, stride), f"{name}_0_bn",
                            eps)
        x = layers.ReLU()(layers.Add()([x, shortcut]))
    return keras.Model(image, x, name="body")


def flat(eps=1.001e-5, **dense):
    b = body(eps)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(b.output))
    return keras.Model(b.input, layers.Dense(CLASSES, "softmax", **dense)(x))


def functional(eps=1.001e-5, **dense):
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.GlobalAveragePooling2D()(body(eps)(image))
    return keras.Model(image, layers.Dense(CLASSES, "softmax", **dense)(x))


def sequential(hidden, eps=1.001e-5):
    top = [layers.Dense(hidden, "relu")] if hidden else []
    return keras.Sequential([body(eps), layers.GlobalAveragePooling2D(), *top, layers.Dropout(0.5),
                             layers.Dense(CLASSES, "softmax")])


def numbers(shape, low, high):
    """Of 13 values, in an order that no exchange of axes keeps."""
    count = int(np.prod(shape))
    return (low + (high - low) * (np.arange(count) * 5 % 13) / 12).reshape(shape).astype("f4")


def fill(model):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            fill(layer)
        elif isinstance(layer, layers.BatchNormalization):
            n = layer.gamma.shape
            layer.set_weights([numbers(n, 0.5, 1), numbers(n, -0.25, 0.25), numbers(n, -0.1, 0.1),
                               numbers(n, 0.001, 0.5)])
        elif layer.get_weights():
            limits = [np.prod(w.shape[:-1]) ** -0.5 for w in layer.get_weights()]
            layer.set_weights([numbers(w.shape, -limit, limit)
                               for w, limit in zip(layer.get_weights(), limits)])


def logits(model, pixels):
    last = model.layers[-1]
    before = last.activation
    last.activation = keras.activations.linear
    out = np.asarray(model.predict_on_batch(pixels), dtype="f4")
    last.activation = before
    return out


def fit(model, pixels):
    """Gives the model an optimiser with state, if only of zeros, and its weights back."""
    weights = model.get_weights()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(pixels, np.arange(BATCH), verbose=0)
    for v in model.optimizer.variables:
        v.assign(v * 0)
    model.set_weights(weights)


def cases():
    """Name, form, model, whether it has been trained."""
    yield "model", "model.h5", flat(), True
    yield "fc10", "model.h5", flat(name="fc10"), False
    yield "hidden", "model.h5", sequential(24), False
    yield "nested", "model.keras", sequential(0), True
    yield "epsilon", "model.keras", flat(eps=1e-3, name="predictions"), False
    yield "functional", "weights.h5", functional(name="fc10"), False
    if VERSION == 2:
        yield "named", "h5", functional(), False


def write(model, form, out):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, form if form.startswith("model.") else "x." + form)
        (model.save if form.startswith("model.") else model.save_weights)(path)
        data = pathlib.Path(path).read_bytes()
    with gzip.GzipFile(out, "wb", mtime=0) as f:
        f.write(data)


def main():
    pixels = np.random.default_rng(1).integers(-8, 9, (BATCH, SIZE, SIZE, 3)).astype("f4") / 8
    records = {"pixels": pixels}
    for name, form, model, trained in cases():
        fill(model)
        if trained:
            fit(model, pixels)
        records[name] = logits(model, pixels)
        suffix = form[len("model"):] if form.startswith("model.") else "." + form
        write(model, form, HERE / f"keras{VERSION}_{name}{suffix}.gz")
    safetensors.write(HERE / f"keras{VERSION}.safetensors", records)


if __name__ == "__main__":
    main()
