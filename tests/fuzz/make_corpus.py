#!/usr/bin/env python3
"""Writes the corpus beside it: small files of every form that the readers know.

    python3 make_corpus.py        (needs numpy, h5py and Pillow)
"""
import io
import json
import pathlib
import struct
import zlib

import h5py
import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent / "corpus"
RNG = np.random.default_rng(1)

# Keras' first names of a network of one convolution, normalisation and dense layer.
KERAS = {
    "conv1": [("kernel:0", (1, 1, 3, 2)), ("bias:0", (2,))],
    "bn_conv1": [("gamma:0", (2,)), ("beta:0", (2,)), ("moving_mean:0", (2,)),
                 ("moving_variance:0", (2,))],
    "activation": [],
    "fc6": [("kernel:0", (2, 6)), ("bias:0", (6,))],
}
MODEL = {"name": "resnet8", "classes": 6, "image_size": 32, "dropout": 0.5, "label_smoothing": 0.0,
         "bn_eps": 1e-5, "seed": "1", "preprocess": "unit", "class_names": list("abcdef")}


def values(shape, dtype):
    return RNG.normal(size=shape).astype(dtype)


def safetensors(name, tensors, metadata=None):
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for key, (dtype, shape, raw) in tensors.items():
        header[key] = {"dtype": dtype, "shape": list(shape),
                       "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / "safetensors" / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


def torch_tensors(dtype, numpy_dtype):
    shapes = {"conv1.weight": (2, 3, 1, 1), "conv1.bias": (2,), "bn1.running_var": (2,),
              "layer1.0.downsample.1.bias": (2,), "fc.weight": (6, 2)}
    tensors = {k: (dtype, s, values(s, numpy_dtype).tobytes()) for k, s in shapes.items()}
    tensors["bn1.num_batches_tracked"] = ("I64", (), struct.pack("<q", 7))
    return tensors


def all_safetensors():
    safetensors("torch_f32", torch_tensors("F32", "f4"), {"format": "pt"})
    safetensors("torch_f16", torch_tensors("F16", "f2"))
    safetensors("torch_f64", torch_tensors("F64", "f8"), {})
    safetensors("torch_bf16", torch_tensors("BF16", "i2"))
    own = {"conv1.weight": ("F32", (1, 1, 3, 2), values((1, 1, 3, 2), "f4").tobytes()),
           "fc6.weight": ("F32", (2, 6), values((2, 6), "f4").tobytes()),
           "optimizer.m.fc6.weight": ("F32", (2, 6), values((2, 6), "f4").tobytes()),
           "none": ("F32", (0, 3), b"")}
    safetensors("rescl", own, {"format": "rescl", "format_version": "1", "filter_layout": "RSCK",
                               "model": json.dumps(MODEL)})
    safetensors("layout", own, {"filter_layout": "RSCK", "rescl_model": json.dumps(MODEL)})
    safetensors("empty", {})


def names(group, key, texts, form):
    texts = [t.encode() for t in texts]
    if form == "variable":
        group.attrs.create(key, texts, dtype=h5py.string_dtype())
    elif form == "split" and len(texts) > 1:
        for i, part in enumerate(np.array_split(np.array(texts), 2)):
            group.attrs[f"{key}{i}"] = part
    else:
        group.attrs[key] = np.array(texts, dtype="S") if texts else np.asarray([])


def keras(name, form="fixed", whole=False, dtype="f4", libver="earliest", first=False, **storage):
    with h5py.File(HERE / "hdf5" / name, "w", libver=libver) as f:
        root = f.create_group("model_weights") if whole else f
        root.attrs["backend"] = b"tensorflow"
        root.attrs["keras_version"] = "2.1.0"
        if whole:
            f.attrs["model_config"] = json.dumps({"class_name": "Model"})
        else:
            f.attrs["rescl_model"] = json.dumps(MODEL)
        names(root, "layer_names", KERAS, form)
        for layer, weights in KERAS.items():
            group = root.create_group(layer)
            prefix = f"{layer}_" if first else f"{layer}/"
            names(group, "weight_names", [prefix + w for w, _ in weights], form)
            for w, shape in weights:
                group.create_dataset(prefix + w, data=values(shape, dtype), **storage)


def counted(name, version):
    """The form that counts layers by their class; Keras 3 says their names too."""
    groups = {"conv1": "conv2d", "bn_conv1": "functional/layers/batch_normalization",
              "activation": "activation", "fc6": "dense"}
    with h5py.File(HERE / "hdf5" / name, "w") as f:
        for layer, weights in KERAS.items():
            group = f.create_group(f"layers/{groups[layer]}/vars")
            if version[0] == "3":
                group.attrs["name"] = layer
            for i, (_, shape) in enumerate(weights):
                group[str(i)] = values(shape, "f4")
        f["optimizer/vars/0"] = values((), "f4")


def all_hdf5():
    keras("fixed")
    keras("variable", form="variable")
    keras("split", form="split")
    keras("keras1", first=True)
    keras("whole", whole=True, form="variable")
    keras("f16", dtype="f2")
    keras("f64_big_endian", dtype=">f8")
    keras("latest", libver="latest")
    keras("chunks", chunks=True)
    keras("gzip", chunks=True, compression="gzip")
    keras("lzf", chunks=True, compression="lzf")
    keras("all_filters", chunks=True, compression="gzip", shuffle=True, fletcher32=True)
    keras("gzip_latest", libver="latest", chunks=True, compression="gzip")
    for version in "2.15", "3.15":
        counted("counted_" + version, version)
    with h5py.File(HERE / "hdf5" / "soft_link", "w") as f:
        names(f, "layer_names", ["conv1"], "fixed")
        names(f.create_group("conv1"), "weight_names", ["conv1/kernel:0"], "fixed")
        f["conv1/conv1/kernel:0"] = h5py.SoftLink("/conv1")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encoded(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def all_datasets():
    """The first byte is fuzz_dataset.c's: 0 a table, 1 an archive; + 2: several labels; + 4: a share is held out."""
    tables = {
        "one": (0, "path,label,split\na.png,cat,train\nb.png,dog,val\nc.png,cat,test\nd.png,dog,train\n"),
        "held": (4, "a.png,1\nb.png,2\nc.png,1\nd.png,2\n"),
        "several": (0, "image_id,labels\n.,cat; dog\n..,\n/,emu;emu;\nx.png,dog\n"),
        "forced": (6, "id,class,is_valid\n/,a,True\n.,,False\n..,b,0\n"),
        "tabs": (2, "file_name\ttags\n\"a;b.png\"\t\"x;y\"\n"),
        "unlabelled": (0, "id\n1\n2\n"),
    }
    for name, (how, text) in tables.items():
        (HERE / "dataset" / name).write_bytes(bytes([how]) + text.encode())
    for name in ("ustar", "pax", "train-json"):
        archive = (HERE.parent.parent / "data" / "shards" / (name + ".tar")).read_bytes()
        (HERE / "dataset" / name).write_bytes(b"\1" + archive)


def all_images():
    image = Image.fromarray(RNG.integers(0, 256, (7, 11, 3), dtype=np.uint8))
    tiff = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x112, 4, 1, 6, 0)
    xmp = b'<a tiff:Orientation="8"/>'
    files = {f"png_{mode}": encoded(image.convert(mode), "PNG") for mode in ("1", "L", "P", "RGBA")}
    files["png_16"] = encoded(Image.fromarray(RNG.integers(0, 4096, (7, 11), dtype=np.uint16)), "PNG")
    png = encoded(image, "PNG")
    raw = b"\nexif\n%8d\n" % len(tiff) + tiff.hex().encode() + b"\n"
    files["png_exif"] = png[:33] + chunk(b"eXIf", b"Exif\0\0" + tiff) + png[33:]
    files["png_raw"] = png[:33] + chunk(
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)) + png[33:]
    files["png_xmp"] = png[:-12] + chunk(
        b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)) + png[-12:]
    files["png_cut"] = png[:-18]
    files["jpeg"] = encoded(image, "JPEG", exif=b"Exif\0\0" + tiff)
    files["jpeg_restart"] = encoded(image, "JPEG", restart_marker_blocks=1, subsampling=0)
    files["jpeg_cmyk"] = encoded(image.convert("CMYK"), "JPEG")
    files["jpeg_trailer"] = encoded(image.convert("L"), "JPEG")[:-2] + b"SEFT\xff\xd8"
    progressive = encoded(image, "JPEG", progressive=True, xmp=xmp)
    files["jpeg_again"] = progressive[:-2] + progressive[progressive.rindex(b"\xff\xda"):]
    for name, data in files.items():
        (HERE / "image" / name).write_bytes(data)


for folder in ("safetensors", "hdf5", "image", "dataset"):
    (HERE / folder).mkdir(parents=True, exist_ok=True)
all_safetensors()
all_hdf5()
all_datasets()
all_images()
