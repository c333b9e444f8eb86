/**
 * @file rescl.h
 * rescl trains, evaluates and serves residual networks for images on any OpenCL device: CPUs and
 * GPUs of every maker, through one C library. This file includes the whole of it.
 *
 * ## In which order to read
 *
 *     status.h    what every call returns, the message of a failure, version and features, logging
 *     device.h    find the OpenCL devices and open one
 *     precision.h in which numbers a network is computed: fp32, tf32, bf16, fp16
 *     model.h     make a network by name, load and save it, look at its layers and parameters
 *     data.h      images, and datasets: folders, files, built-in ones, arrays of your own
 *     survey.h    look through a data set for damage, copies and unevenness, and divide it
 *     train.h     train (run, or step in your own loop), evaluate, predict
 *     lrfind.h    find a learning rate by a range test
 *     scores.h    what an evaluation found: confusion, precision and recall, calibration
 *     report.h    a run's folder as a page to look at
 *     option.h    what a training option is, for programs that show or set them by name
 *     weights.h   weights of other libraries, read and written
 *     bench.h     measure models, operations and a device's limits
 *     compare.h   compare measurements, and what several devices make of the same numbers
 *     profile.h   see where the time of a step goes
 *     tune.h      choose, by measuring, how a device computes a network
 *     selftest.h  check that a device computes rightly
 *
 * The shortest way from a file to a prediction is
 *
 *     rescl_runtime_create -> rescl_device_open -> rescl_model_load -> rescl_predictor_create
 *     -> rescl_image_read -> rescl_predictor_run
 *
 * and each use has an example of one page in examples/: predict_images, train_callbacks,
 * train_arrays, own_loop, measure_device.
 *
 * ## Ownership
 *
 * What a function ending in _create, _open, _load or _from_arrays gives is yours, and goes back by
 * the type's _destroy or _close, both of which take NULL. A runtime outlives its devices; a device,
 * model or dataset outlives the trainers and predictors made with it, which borrow them. Strings of
 * options are copied, or used only during the call; strings and structs that a function returns or
 * fills in are borrowed from the object that was asked, unless it says otherwise. Arrays are yours
 * before and after a call, but for rescl_dataset_from_arrays, which says what it borrows.
 *
 * ## Threads
 *
 * A device, and all that is made on it, is used by one thread at a time; different devices, and the
 * same hardware opened twice, are independent. A model is not changed while another thread reads
 * it. rescl_dataset_get and rescl_trainer_stop may be called from any thread, the latter from a
 * signal handler too. Callbacks of a run are called in the thread that runs it; the log function
 * from any.
 *
 * ## Errors
 *
 * Functions that can fail return a ::rescl_status: RESCL_OK, which is 0, or a negative code.
 * rescl_last_error() of the same thread has the message, for a person: what was found, what was
 * expected, and the cure. After a failure outputs are not made, and files are whole or as they were.
 * The library does not print, exit or abort.
 *
 * ## Versions
 *
 * Structs of options begin with their size, so that a program and a library of different versions
 * understand each other (status.h says how to fill them). The name of the shared library changes
 * with each version that may break programs: before 1.0 with the minor number, then with the major.
 */
#ifndef RESCL_RESCL_H
#define RESCL_RESCL_H

#include <rescl/bench.h>
#include <rescl/compare.h>
#include <rescl/data.h>
#include <rescl/device.h>
#include <rescl/lrfind.h>
#include <rescl/model.h>
#include <rescl/option.h>
#include <rescl/precision.h>
#include <rescl/profile.h>
#include <rescl/report.h>
#include <rescl/scores.h>
#include <rescl/selftest.h>
#include <rescl/status.h>
#include <rescl/survey.h>
#include <rescl/train.h>
#include <rescl/tune.h>
#include <rescl/weights.h>

#endif
