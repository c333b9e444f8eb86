/* What PyTorch makes of losses: tests/golden/losses.safetensors, by make_losses.py. */
#ifndef TORCH_LOSSES_H
#define TORCH_LOSSES_H

#include "op_harness.h"

#include "safetensors.h"

#include <stdio.h>

enum { TORCH_ROWS = 5, TORCH_CLASSES = 7 };

static inline rs_st_file *torch_losses_open(void)
{
    rs_st_file *f = NULL;
    assert_ok(rs_st_open(RESCL_TEST_SOURCE_DIR "/tests/golden/losses.safetensors", &f));
    return f;
}

static inline void torch_losses_read(const rs_st_file *f, const char *name, const char *suffix,
                                     void *out, size_t bytes)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    const rs_st_tensor *t = rs_st_find(f, full);
    assert_non_null(t);
    assert_int_equal(t->bytes, bytes);
    assert_ok(rs_st_read(f, t, out));
}

#endif
