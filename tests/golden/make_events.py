#!/usr/bin/env python3
"""Writes events.bin beside this script: an event file as TensorBoard's own writer makes it.

    python3 tests/golden/make_events.py

tests/file/test_eventfile.c writes the same events, which have to be the same bytes."""
import os

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
from tensorboard.plugins.pr_curve import plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

HERE = os.path.dirname(os.path.abspath(__file__))
TIME = 1750000000.25


def curve(tag, values):
    plugin = plugin_data_pb2.PrCurvePluginData(version=0, num_thresholds=values.shape[1])
    metadata = summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="pr_curves",
                                                           content=plugin.SerializeToString()),
        data_class=summary_pb2.DATA_CLASS_TENSOR)
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=n) for n in values.shape])
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape=shape,
                                    float_val=values.ravel().tolist())
    return summary_pb2.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


def events():
    value = summary_pb2.Summary.Value
    yield event_pb2.Event(wall_time=TIME, file_version="brain.Event:2")
    yield event_pb2.Event(wall_time=TIME, step=1, summary=summary_pb2.Summary(
        value=[value(tag="loss/train", simple_value=0.5), value(tag="accuracy/val", simple_value=0.25)]))
    yield event_pb2.Event(wall_time=TIME, step=300, summary=summary_pb2.Summary(value=[
        value(tag="images", image=summary_pb2.Summary.Image(
            height=2, width=3, colorspace=3, encoded_image_string=b"not really a PNG")),
        value(tag="weights", histo=summary_pb2.HistogramProto(
            min=-1, max=3, num=7, sum=4.5, sum_squares=20, bucket_limit=[0, 1.5, 3], bucket=[2, 0, 5])),
        curve("pr/\u00e4", np.arange(12, dtype=np.float32).reshape(6, 2) / 8)]))


def main():
    with open(os.path.join(HERE, "events.bin"), "wb") as f:
        writer = RecordWriter(f)
        for event in events():
            writer.write(event.SerializeToString(deterministic=True))
        writer.flush()


if __name__ == "__main__":
    main()
