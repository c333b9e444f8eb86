#!/usr/bin/env python3
"""Writes callbacks.safetensors: what Keras' callbacks do with a table of metrics.

    KERAS_BACKEND=torch python3 make_callbacks.py [--out DIR]

`metrics` is the table: a row for each epoch, with val_loss, val_accuracy, loss, accuracy. Cases are
numbered from 0:

    plateau.<i>      ReduceLROnPlateau: factor, patience, min_lr, min_delta, cooldown, column of the monitor
    plateau.<i>.lr   the rate of each epoch, from 0.1
    early.<i>        EarlyStopping: patience, min_delta, column, baseline (0: None)
    early.<i>.epochs how many epochs it lets be done
    best.<i>         ModelCheckpoint(save_best_only=True): column
    best.<i>.saved   1 for each epoch that is saved
    function.lr      LearningRateScheduler: rates of lr * 0.5 each third epoch, from 0.1
"""
import argparse
import os

import keras
import numpy as np

import safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ("val_loss", "val_accuracy", "loss", "accuracy")
EPOCHS = 40


def make_metrics():
    """Falls and rises, stays level, gains less than a usual min_delta, and repeats values."""
    rng = np.random.default_rng(20)
    epoch = np.arange(EPOCHS)
    val_loss = 0.4 + 1.6 * np.exp(-epoch / 5) + 0.05 * rng.standard_normal(EPOCHS)
    val_loss[12:18] = val_loss[11] - 2e-5 * np.arange(1, 7)
    val_loss[30:34] = 0.25
    val_accuracy = np.round(0.95 - 0.8 * np.exp(-epoch / 6) + 0.03 * rng.standard_normal(EPOCHS), 2)
    loss = 0.1 + 2 * np.exp(-epoch / 8)
    accuracy = np.round(1 - 0.9 * np.exp(-epoch / 7), 3)
    return np.stack([val_loss, val_accuracy, loss, accuracy], 1)


def model():
    m = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    m.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return m


def mode(column):
    return "max" if "accuracy" in COLUMNS[column] else "min"


def logs(row):
    return dict(zip(COLUMNS, map(float, row)))


def run(callback, metrics, each):
    """Tells the callback each epoch until it stops, and calls each(model, epoch) before the first step."""
    m = model()
    m.stop_training = False
    callback.set_model(m)
    callback.on_train_begin()
    for e, row in enumerate(metrics):
        callback.on_epoch_begin(e)
        each(m, e)
        callback.on_epoch_end(e, logs(row))
        if m.stop_training:
            break
    callback.on_train_end()
    return m


def rate(m):
    return float(keras.ops.convert_to_numpy(m.optimizer.learning_rate))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=HERE, help="folder to write to")
    args = parser.parse_args()
    metrics = make_metrics()
    out = {"metrics": metrics}
    plateaus = [(0.5, 3, 0, 1e-4, 0, 0), (0.5, 1, 0, 0, 2, 0), (0.1, 2, 0.001, 1e-4, 3, 1),
                (0.2, 0, 0, 0.01, 1, 0), (0.5, 4, 0, 0.05, 0, 2), (0.9, 2, 0.02, 0, 5, 3)]
    for i, case in enumerate(plateaus):
        factor, patience, least, delta, cooldown, column = case
        rates = []
        run(keras.callbacks.ReduceLROnPlateau(
            monitor=COLUMNS[column], mode=mode(column), factor=factor, patience=patience, min_lr=least,
            min_delta=delta, cooldown=cooldown), metrics, lambda m, e: rates.append(rate(m)))
        out[f"plateau.{i}"] = np.array(case, np.float64)
        out[f"plateau.{i}.lr"] = np.array(rates)
    for i, case in enumerate([(1, 0, 0, 0), (3, 0, 0, 0), (3, 1e-3, 0, 0), (5, 0, 1, 0), (2, 0.02, 1, 0),
                              (4, 0.05, 2, 0), (6, 0, 3, 0), (1, 0, 0, 0.8), (3, 0, 0, 0.1),
                              (9, 0, 0, 0.5), (5, 0, 1, 0.9), (2, 0.02, 1, 0.7), (12, 0.01, 2, 0.8),
                              (5, 0, 3, 0.999)]):
        patience, delta, column, baseline = case
        seen = []
        run(keras.callbacks.EarlyStopping(monitor=COLUMNS[column], mode=mode(column), patience=patience,
                                          min_delta=delta, baseline=baseline or None),
            metrics, lambda m, e: seen.append(e))
        out[f"early.{i}"] = np.array(case, np.float64)
        out[f"early.{i}.epochs"] = np.array([len(seen)], np.float64)
    for column in range(len(COLUMNS)):
        saved = np.zeros(EPOCHS)
        at = [0]

        def each(m, e):
            at[0] = e
            m.save = lambda *a, **k: saved.__setitem__(at[0], 1)

        run(keras.callbacks.ModelCheckpoint("x.keras", monitor=COLUMNS[column], mode=mode(column),
                                            save_best_only=True), metrics, each)
        out[f"best.{column}"] = np.array([column], np.float64)
        out[f"best.{column}.saved"] = saved
    rates = []
    run(keras.callbacks.LearningRateScheduler(lambda e, lr: lr * 0.5 if e % 3 == 2 else lr), metrics,
        lambda m, e: rates.append(rate(m)))
    out["function.lr"] = np.array(rates)
    safetensors.write(os.path.join(args.out, "callbacks.safetensors"), out,
                      dict(keras=keras.__version__))


if __name__ == "__main__":
    main()
