/** @file rescl.h The whole public API of rescl. */
#ifndef RESCL_RESCL_H
#define RESCL_RESCL_H

#include <rescl/bench.h>
#include <rescl/data.h>
#include <rescl/device.h>
#include <rescl/model.h>
#include <rescl/option.h>
#include <rescl/status.h>
#include <rescl/train.h>
#include <rescl/tune.h>
#include <rescl/weights.h>

#endif
