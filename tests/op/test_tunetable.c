#include "op_harness.h"

#include "attr.h"
#include "path.h"
#include "str.h"
#include "testing.h"
#include "tunefile.h"
#include "tuning.h"
#include <rescl/tune.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *dir, *file;
static char heard[4096]; /* the messages of a test */
static size_t messages;

static void hear(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    if (level > RESCL_LOG_WARN)
        return;
    messages++;
    const size_t used = strlen(heard);
    snprintf(heard + used, sizeof heard - used, "%s\n", message);
}

static int setup(void **state)
{
    (void)state;
    dir = rs_test_dir_make();
    file = rs_path_join(dir, "x.tune");
    heard[0] = '\0';
    messages = 0;
    rescl_log_set(hear, NULL);
    return file ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    setenv("RESCL_TUNE", "off", 1);
    rs_tuning_forget(op_device());
    rescl_log_set(NULL, NULL);
    free(file);
    rs_test_dir_remove(dir);
    return 0;
}

static const rescl_device_info *info(void)
{
    return rescl_device_get_info(op_device());
}

/* A 3x3 convolution for training. */
static const rs_conv2d_attr attr3 = {.filters = 32,
                                     .kernel_h = 3,
                                     .kernel_w = 3,
                                     .stride_h = 1,
                                     .stride_w = 1,
                                     .pad_top = 1,
                                     .pad_bottom = 1,
                                     .pad_left = 1,
                                     .pad_right = 1};

static rs_problem conv(const rs_conv2d_attr *a, bool training)
{
    const rs_shape src = rs_shape_4(2, 8, 8, 16);
    rs_problem p;
    OP_OK(rs_problem_init(&p, &rs_op_conv2d, a, training, &src, 1));
    return p;
}

#define KEY3 "conv2d fwd train 2x8x8x16 -> 8x8x32, 3x3/1x1 pad 1x1"

/* ---- keys and tables ------------------------------------------------------------------------ */

static void keys_tell_problems_apart(void **state)
{
    (void)state;
    rs_conv2d_attr other[] = {attr3, attr3, attr3, attr3, attr3};
    char key[8][RS_TUNE_KEY];
    size_t n = 0;
    other[0].bias = true;
    other[1].stride_w = 2;
    other[2].pad_left = 2;
    other[3].groups = 4;
    other[4].relu = true;
    rs_problem p = conv(&attr3, true);
    assert_true(rs_tuning_key(&p, RS_FWD, key[n++]));
    assert_string_equal(key[0], KEY3);
    assert_true(rs_tuning_key(&p, RS_BWD_DATA, key[n++]));
    p.accumulate[0] = true;
    assert_true(rs_tuning_key(&p, RS_BWD_DATA, key[n++]));
    assert_true(rs_tuning_key(&p, RS_FWD, key[n]));
    assert_string_equal(key[n], KEY3); /* adding to a gradient is no matter of forward */
    for (size_t i = 0; i < RS_COUNT(other); i++) {
        p = conv(&other[i], i < 4);
        assert_true(rs_tuning_key(&p, RS_FWD, key[n++]));
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(key[i], key[k]);
    const rs_shape src = rs_shape_2(3, 5);
    OP_OK(rs_problem_init(&p, &rs_op_relu, NULL, true, &src, 1));
    assert_false(rs_tuning_key(&p, RS_FWD, key[0]));
}

static void tables_add_and_replace(void **state)
{
    (void)state;
    rs_tune_table t = {0};
    char key[16];
    assert_null(rs_tune_table_get(&t, "x"));
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i * 37 % 100);
        assert_ok(rs_tune_table_set(&t, key, key, NULL));
    }
    assert_ok(rs_tune_table_set(&t, "k5", "other", "why"));
    assert_int_equal(t.count, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_string_equal(rs_tune_table_get(&t, key), i == 5 ? "other" : key);
    }
    assert_null(rs_tune_table_get(&t, "k"));
    assert_null(rs_tune_table_get(&t, "k100"));
    rs_tune_table_fini(&t);
}

/* ---- files ---------------------------------------------------------------------------------- */

/* A whole file of this device, on the heap. */
static char *good_text(size_t *bytes)
{
    rs_tune_table t = {0};
    char *text;
    assert_ok(rs_tune_table_set(&t, KEY3, "winograd block=8", "1 ms; 2 ms: packed_gemm"));
    assert_ok(
        rs_tune_table_set(&t, "dense fwd infer 1x1x1x8 -> 1x1x4, 1x1/1x1 pad 0x0", "default", ""));
    assert_ok(rs_tune_table_write(&t, file, info()));
    rs_tune_table_fini(&t);
    assert_ok(rs_file_read(file, 1 << 20, &text, bytes));
    return text;
}

static void files_go_round(void **state)
{
    (void)state;
    size_t bytes, again_bytes;
    char *text = good_text(&bytes), *again;
    rs_tune_table t = {0};
    assert_ok(rs_tune_table_read(&t, file, info(), RS_TUNE_DEVICE));
    assert_int_equal(t.count, 2);
    assert_string_equal(rs_tune_table_get(&t, KEY3), "winograd block=8");
    assert_ok(rs_tune_table_write(&t, file, info()));
    assert_ok(rs_file_read(file, 1 << 20, &again, &again_bytes));
    assert_string_equal(text, again);
    assert_int_equal(messages, 0);
    rs_tune_table_fini(&t);
    free(again);
    free(text);
}

static void wrong_lines_are_left_out(void **state)
{
    static const char *const wrong[] = {
        "nonsense",
        "conv2d fwd train 1x1x1x1 -> 1",
        "conv2d sideways train 1x1x1x1 -> 1 = direct",
        "conv2d fwd flying 1x1x1x1 -> 1 = direct",
        "conv2d fwd train = direct",
        "relu fwd train 1x1 = chunked",
        "conv3d fwd train 1x1x1x1 -> 1 = direct",
        "conv2d fwd train 1x1x1x1 -> 1 =",
        "conv2d fwd train 1x1x1x1 -> 1 = =",
        "conv2d fwd train 1x1x1x1 -> 1 = direct wm",
        "conv2d fwd train 1x1x1x1 -> 1 = direct wm=-1",
        "conv2d fwd train 1x1x1x1 -> 1 = direct =1",
        "conv2d fwd train 1x1x1x1 -> 1 = wm=1",
        "colour = red",
        "= direct",
        "conv2d fwd train \x01 -> 1 = direct",
    };
    (void)state;
    size_t bytes;
    char *text = good_text(&bytes), place[64];
    for (size_t i = 0; i < RS_COUNT(wrong); i++) {
        rs_tune_table t = {0};
        char all[8192];
        heard[0] = '\0';
        messages = 0;
        const int n = snprintf(all, sizeof all, "%s\n%s", wrong[i], text);
        assert_ok(rs_tune_table_parse(&t, all, (size_t)n, "some.tune", info(), RS_TUNE_DEVICE));
        assert_int_equal(t.count, 2);
        if (messages != 1 || !strstr(heard, "some.tune:1: "))
            fail_msg("'%s' gave %zu warnings: %s", wrong[i], messages, heard);
        rs_tune_table_fini(&t);
    }
    /* Many of them, a long one, one that is no text: a few warnings, then a sum. */
    rs_str all = {0};
    rs_tune_table t = {0};
    for (int i = 0; i < 1000; i++)
        OP_OK(rs_str_append(&all, "bad\n"));
    for (int i = 0; i < 100000; i++)
        OP_OK(rs_str_append(&all, "x"));
    OP_OK(rs_str_appendf(&all, "\n%s", text));
    messages = 0;
    assert_ok(rs_tune_table_parse(&t, all.text, all.len, "some.tune", info(), RS_TUNE_DEVICE));
    assert_int_equal(t.count, 2);
    assert_true(messages < 20);
    snprintf(place, sizeof place, "%d more lines", 1001 - 8);
    assert_non_null(strstr(heard, place));
    rs_tune_table_fini(&t);
    rs_str_fini(&all);
    free(text);
}

static void other_devices_are_refused(void **state)
{
    (void)state;
    size_t bytes;
    char *text = good_text(&bytes);
    rescl_device_info other[6];
    rs_tune_table t = {0};
    for (size_t i = 0; i < RS_COUNT(other); i++)
        other[i] = *info();
    snprintf(other[0].name, sizeof other[0].name, "another");
    snprintf(other[1].driver, sizeof other[1].driver, "another");
    snprintf(other[2].platform_name, sizeof other[2].platform_name, "another");
    other[3].compute_units += 100;
    other[4].float_width = 2;
    other[5].local_bytes /= 2;
    for (size_t i = 0; i < RS_COUNT(other); i++)
        assert_fails(rs_tune_table_read(&t, file, &other[i], RS_TUNE_DEVICE), RESCL_ERR_UNSUPPORTED,
                     "another device", file);
    assert_int_equal(t.count, 0);
    /* A file of the class serves it, whatever the name. */
    assert_ok(rs_tune_table_read(&t, file, &other[0], RS_TUNE_CLASS));
    assert_int_equal(t.count, 2);
    assert_int_equal(rs_tune_table_read(&t, file, &other[3], RS_TUNE_CLASS), RESCL_ERR_UNSUPPORTED);
    rs_tune_table_fini(&t);
    assert_fails(rs_tune_table_parse(&t, "", 0, "empty", info(), RS_TUNE_DEVICE), RESCL_ERR_FORMAT,
                 "empty", "no tuning file");
    assert_fails(rs_tune_table_parse(&t, "format = 2\n", 11, "new", info(), RS_TUNE_DEVICE),
                 RESCL_ERR_FORMAT, "format 2");
    free(text);
}

/* Cut anywhere and with any byte changed a file is refused or gives fewer choices. */
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    size_t bytes;
    char *text = good_text(&bytes);
    for (size_t i = 0; i < bytes; i++) {
        rs_tune_table t = {0};
        (void)!rs_tune_table_parse(&t, text, i, "cut", info(), RS_TUNE_DEVICE);
        assert_true(t.count <= 2);
        const char was = text[i];
        text[i] = i % 3 == 0 ? '\0' : (char)(0x80 + i % 64);
        (void)!rs_tune_table_parse(&t, text, bytes, "changed", info(), RS_TUNE_DEVICE);
        assert_true(t.count <= 4);
        text[i] = was;
        rs_tune_table_fini(&t);
    }
    free(text);
    /* Larger than any tuning: not read at all. */
    rs_tune_table t = {0};
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 64 << 20, SEEK_SET), 0);
    fputc('x', f);
    fclose(f);
    assert_int_not_equal(rs_tune_table_read(&t, file, info(), RS_TUNE_DEVICE), RESCL_OK);
    assert_int_equal(t.count, 0);
}

static void classes_come_from_queries(void **state)
{
    (void)state;
    char text[RS_TUNE_CLASS_TEXT];
    rescl_device_info d = {.type = RESCL_DEVICE_CPU, .compute_units = 6, .float_width = 8};
    assert_string_equal(rs_tune_class(&d, text), "cpu-w8-u8");
    d.compute_units = 8;
    assert_string_equal(rs_tune_class(&d, text), "cpu-w8-u8");
    d = (rescl_device_info){
        .type = RESCL_DEVICE_GPU, .compute_units = 1, .float_width = 1, .local_bytes = 49152};
    assert_string_equal(rs_tune_class(&d, text), "gpu-w1-u1-l32");
    d = (rescl_device_info){.type = RESCL_DEVICE_GPU};
    assert_true(strlen(rs_tune_class(&d, text)) > 0);
}

/* ---- choices -------------------------------------------------------------------------------- */

/* Makes the device's table one line. */
static void tune_to(const char *choice)
{
    rs_tune_table t = {0};
    assert_ok(rs_tune_table_set(&t, KEY3, choice, ""));
    assert_ok(rs_tune_table_write(&t, file, info()));
    rs_tune_table_fini(&t);
    setenv("RESCL_TUNE", file, 1);
    rs_tuning_forget(op_device());
}

static void expect_choice(const char *want)
{
    const rs_problem p = conv(&attr3, true);
    rs_plan plan;
    char text[RS_CHOICE];
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, NULL, &plan));
    assert_string_equal(rs_choice_text(&plan.choice, text), want);
}

static void choices_are_honoured(void **state)
{
    (void)state;
    const rs_problem p = conv(&attr3, true);
    rs_plan plan;
    rescl_tuning tuning;
    char untuned[RS_CHOICE], text[RS_CHOICE];
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    rs_choice_text(&plan.choice, untuned);
    expect_choice(untuned);
    rescl_device_get_tuning(op_device(), &tuning);
    assert_int_equal(tuning.problems, 0);
    assert_string_equal(tuning.source, "");

    tune_to("tiled_gemm rm=2 wn=8");
    expect_choice("tiled_gemm wn=8 rm=2");
    rescl_device_get_tuning(op_device(), &tuning);
    assert_int_equal(tuning.problems, 1);
    assert_string_equal(tuning.source, file);
    assert_int_equal(strlen(tuning.fingerprint), 32);
    /* Other passes and problems are not concerned, and what is asked for wins. */
    OP_OK(rs_choice_plan(op_device(), &p, RS_BWD_DATA, NULL, &plan));
    assert_string_not_equal(plan.choice.impl->name, "tiled_gemm");
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    assert_string_equal(rs_choice_text(&plan.choice, text), untuned);
    setenv("RESCL_IMPL", "conv2d=direct", 1);
    expect_choice("direct");
    setenv("RESCL_IMPL", "conv2d=default", 1);
    expect_choice(untuned);
    unsetenv("RESCL_IMPL");
    setenv("RESCL_TUNE", "off", 1);
    rs_tuning_forget(op_device());
    expect_choice(untuned);
    assert_int_equal(messages, 0);
}

static void what_cannot_serve_is_left_out(void **state)
{
    static const char *const useless[] = {RS_CHOICE_DEFAULT, "warp_speed",
                                          "grouped_tile", /* for more than one group */
                                          "direct wm=8",     "tiled_gemm wm=1000000",
                                          "tiled_gemm wm=0", "tiled_gemm colour=3"};
    (void)state;
    rs_plan plan;
    char untuned[RS_CHOICE];
    const rs_problem p = conv(&attr3, true);
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    rs_choice_text(&plan.choice, untuned);
    for (size_t i = 0; i < RS_COUNT(useless); i++) {
        tune_to(useless[i]);
        expect_choice(untuned);
        /* Asked for, the same is an error. */
        if (i > 0)
            assert_int_not_equal(rs_choice_plan(op_device(), &p, RS_FWD, useless[i], &plan),
                                 RESCL_OK);
    }
}

/* A doubt keeps an implementation from being the default, and from nothing else. */
static void doubts_can_be_overcome(void **state)
{
    (void)state;
    rs_conv2d_attr a = attr3;
    a.filters = 512;
    const rs_shape src = rs_shape_4(1, 4, 4, 512);
    rs_problem p;
    rs_plan plan;
    OP_OK(rs_problem_init(&p, &rs_op_conv2d, &a, true, &src, 1));
    if (rescl_device_get_info(op_device())->float_width < 4)
        skip();
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, RS_CHOICE_DEFAULT, &plan));
    assert_string_not_equal(plan.choice.impl->name, "winograd");
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, "winograd", &plan));
}

static void a_missing_file_is_a_warning(void **state)
{
    (void)state;
    const rs_problem p = conv(&attr3, true);
    rs_plan plan;
    setenv("RESCL_TUNE", file, 1);
    rs_tuning_forget(op_device());
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, NULL, &plan));
    OP_OK(rs_choice_plan(op_device(), &p, RS_FWD, NULL, &plan));
    assert_int_equal(messages, 1);
    assert_non_null(strstr(heard, file));
}

static void the_cache_folder_is_looked_into(void **state)
{
    (void)state;
    rs_tune_table t = {0};
    char *path = NULL, *was = getenv("RESCL_CACHE_DIR"), *kept = was ? strdup(was) : NULL;
    setenv("RESCL_CACHE_DIR", dir, 1);
    unsetenv("RESCL_TUNE");
    assert_ok(rs_tune_path(info(), &path));
    assert_non_null(strstr(path, "/tune/"));
    assert_ok(rs_tune_table_set(&t, KEY3, "direct", ""));
    assert_ok(rs_tune_table_write(&t, path, info()));
    rs_tuning_forget(op_device());
    expect_choice("direct");
    rs_tune_table_fini(&t);
    free(path);
    if (kept)
        setenv("RESCL_CACHE_DIR", kept, 1);
    else
        unsetenv("RESCL_CACHE_DIR");
    free(kept);
}

/* What ships can be read, is of the class that its name says, and names what there is. */
static void shipped_files_are_good(void **state)
{
    (void)state;
    char *folder = rs_path_join(RESCL_TEST_SOURCE_DIR, "configs/tune");
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        const char *text = rs_embedded_tuning(e->d_name);
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".tune") != 0)
            continue;
        assert_non_null(text);
        char line[128];
        snprintf(line, sizeof line, "class = %.*s\n", (int)(dot - e->d_name), e->d_name);
        assert_non_null(strstr(text, line));
        rescl_device_info like = {.compute_units = 1};
        char units[16];
        if (sscanf(e->d_name, "%*[a-z]-w%u-u%15[0-9]", &like.float_width, units) == 2)
            like.compute_units = (unsigned)strtoul(units, NULL, 10);
        rs_tune_table t = {0};
        if (strncmp(e->d_name, "cpu-", 4) == 0) {
            assert_ok(rs_tune_table_parse(&t, text, strlen(text), e->d_name, &like, RS_TUNE_CLASS));
            assert_true(t.count > 0);
        }
        for (size_t i = 0; i < t.count; i++) {
            char name[RS_CHOICE];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(t.entry[i].choice, " "),
                     t.entry[i].choice);
            if (!rs_impl_find(&rs_op_conv2d, name) && strcmp(name, RS_CHOICE_DEFAULT) != 0)
                fail_msg("%s: there is no '%s'", e->d_name, t.entry[i].choice);
        }
        rs_tune_table_fini(&t);
    }
    closedir(d);
    free(folder);
    assert_int_equal(messages, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keys_tell_problems_apart),
        TEST(tables_add_and_replace),
        TEST(files_go_round),
        TEST(wrong_lines_are_left_out),
        TEST(other_devices_are_refused),
        TEST(damaged_files_do_no_harm),
        TEST(classes_come_from_queries),
        TEST(choices_are_honoured),
        TEST(what_cannot_serve_is_left_out),
        TEST(doubts_can_be_overcome),
        TEST(a_missing_file_is_a_warning),
        TEST(the_cache_folder_is_looked_into),
        TEST(shipped_files_are_good),
    };
    return cmocka_run_group_tests_name("tune", tests, NULL, NULL);
}
