#include "train_support.h"

#include "path.h"
#include "safetensors.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

rescl_train_options train_options(const char *dir)
{
    rescl_train_options o;
    rescl_train_options_default(&o);
    o.epochs = 3;
    o.batch_size = TEST_BATCH;
    o.opt = "adam";
    o.seed = 11;
    o.output_dir = dir;
    return o;
}

/* ---- runs -------------------------------------------------------------------------------- */

typedef struct watch {
    train_run *run;
    rescl_trainer *trainer;
} watch;

static bool on_step(const rescl_step_event *e, void *user)
{
    watch *w = user;
    train_run *r = w->run;
    if (e->training) {
        if (r->steps++ == 0)
            r->first_loss = e->step_loss;
        r->last_loss = e->step_loss;
    }
    if (e->step == r->stop_step && r->stop == (e->training ? STOP_AT_STEP : STOP_IN_EVAL))
        rescl_trainer_stop(w->trainer);
    return true;
}

static bool on_epoch(const rescl_epoch_event *e, void *user)
{
    watch *w = user;
    w->run->epochs++;
    w->run->last_epoch = *e;
    return true;
}

static rescl_model *plain_model(void)
{
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = "resnet8",
                                   .classes = 6,
                                   .image_size = TEST_SIZE,
                                   .seed = 5};
    rescl_model *m = NULL;
    assert_ok(rescl_model_create(&o, &m));
    return m;
}

void train_do(train_run *r)
{
    rescl_dataset *train = rs_test_hands("train", TEST_SAMPLES, 0);
    rescl_dataset *eval = r->no_eval ? NULL : rs_test_hands("test", TEST_EVAL_SAMPLES, 0);
    rescl_model *model = r->plain ? plain_model() : rs_test_model();
    watch w = {.run = r};
    const rescl_train_callbacks callbacks = {
        .struct_size = sizeof callbacks, .on_step = on_step, .on_epoch = on_epoch, .user = &w};
    assert_ok(rescl_model_set_resize(model, &r->resize));
    assert_ok(rescl_model_freeze(model, r->freeze, r->norm_eval));
    r->status = rescl_trainer_create(rs_test_device(), model, train, eval, &r->options, &w.trainer);
    if (r->status == RESCL_OK)
        r->status = rescl_trainer_run(w.trainer, &callbacks);
    rescl_trainer_destroy(w.trainer);
    rescl_model_destroy(model);
    rescl_dataset_close(train);
    rescl_dataset_close(eval);
}

/* ---- comparing --------------------------------------------------------------------------- */

void train_same_tensors(const char *a, const char *b)
{
    rs_st_file *f = NULL, *g = NULL;
    assert_ok(rs_st_open(a, &f));
    assert_ok(rs_st_open(b, &g));
    assert_int_equal(rs_st_count(f), rs_st_count(g));
    assert_true(rs_st_count(f) > 10);
    for (size_t i = 0; i < rs_st_count(f); i++) {
        const rs_st_tensor *t = rs_st_at(f, i), *u = rs_st_find(g, t->name);
        assert_non_null(u);
        assert_int_equal(t->bytes, u->bytes);
        char *x = malloc(t->bytes), *y = malloc(t->bytes);
        assert_true(x && y);
        assert_ok(rs_st_read(f, t, x));
        assert_ok(rs_st_read(g, u, y));
        if (memcmp(x, y, t->bytes) != 0)
            fail_msg("%s differs between %s and %s", t->name, a, b);
        free(x);
        free(y);
    }
    rs_st_close(f);
    rs_st_close(g);
}

/* Cuts the columns time, img_s, data_wait and mem_mib out of a row. */
static void strip_times(const char *row, char out[256])
{
    size_t column = 0, n = 0;
    for (; *row && *row != '\n'; row++) {
        column += *row == ',';
        if (column != 1 && column < 7 && n < 255)
            out[n++] = *row;
    }
    out[n] = '\0';
}

void train_same_results(const char *a, const char *b)
{
    char *x, *y, *rest_x = NULL, *rest_y = NULL, p[256], q[256];
    size_t bytes, rows = 0;
    assert_ok(rs_file_read(a, 1 << 20, &x, &bytes));
    assert_ok(rs_file_read(b, 1 << 20, &y, &bytes));
    char *row = strtok_r(x, "\n", &rest_x), *other = strtok_r(y, "\n", &rest_y);
    for (; row && other; rows++) {
        strip_times(row, p);
        strip_times(other, q);
        assert_string_equal(p, q);
        row = strtok_r(NULL, "\n", &rest_x);
        other = strtok_r(NULL, "\n", &rest_y);
    }
    assert_null(row);
    assert_null(other);
    assert_true(rows > 1);
    free(x);
    free(y);
}
