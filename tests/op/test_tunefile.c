#include "tune_support.h"

#include "path.h"
#include "str.h"
#include "testing.h"
#include "tunefile.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole file of this device, on the heap. */
static char *good_text(size_t *bytes)
{
    rs_tune_table t = {0};
    char *text;
    assert_ok(rs_tune_table_set(&t, TUNE_KEY, "winograd block=8", "1 ms; 2 ms: packed_gemm"));
    assert_ok(
        rs_tune_table_set(&t, "dense fwd infer 1x1x1x8 -> 1x1x4, 1x1/1x1 pad 0x0", "default", ""));
    assert_ok(rs_tune_table_write(&t, tune_file, tune_info()));
    rs_tune_table_fini(&t);
    assert_ok(rs_file_read(tune_file, 1 << 20, &text, bytes));
    return text;
}

static void files_go_round(void **state)
{
    (void)state;
    size_t bytes, again_bytes;
    char *text = good_text(&bytes), *again;
    rs_tune_table t = {0};
    assert_ok(rs_tune_table_read(&t, tune_file, tune_info(), RS_TUNE_DEVICE));
    assert_int_equal(t.count, 2);
    assert_string_equal(rs_tune_table_get(&t, TUNE_KEY), "winograd block=8");
    assert_ok(rs_tune_table_write(&t, tune_file, tune_info()));
    assert_ok(rs_file_read(tune_file, 1 << 20, &again, &again_bytes));
    assert_string_equal(text, again);
    assert_int_equal(tune_messages, 0);
    rs_tune_table_fini(&t);
    free(again);
    free(text);
}

/* Two runs that have read the same file add to it in turns. */
static void updates_keep_what_others_added(void **state)
{
    (void)state;
    const char *const other = "dense fwd infer 1x1x1x8 -> 1x1x4, 1x1/1x1 pad 0x0";
    const char *const last = "dense fwd infer 2x1x1x8 -> 2x1x4, 1x1/1x1 pad 0x0";
    rs_tune_table a = {0}, b = {0}, both = {0};
    assert_ok(rs_tune_table_update(&a, tune_file, tune_info(), TUNE_KEY, "winograd", ""));
    assert_ok(rs_tune_table_update(&b, tune_file, tune_info(), other, "default", ""));
    assert_ok(rs_tune_table_update(&a, tune_file, tune_info(), last, "default", ""));
    assert_int_equal(a.count, 3);
    assert_ok(rs_tune_table_read(&both, tune_file, tune_info(), RS_TUNE_DEVICE));
    assert_int_equal(both.count, 3);
    assert_string_equal(rs_tune_table_get(&both, TUNE_KEY), "winograd");
    assert_string_equal(rs_tune_table_get(&both, other), "default");
    rs_tune_table_fini(&a);
    rs_tune_table_fini(&b);
    rs_tune_table_fini(&both);
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
        tune_heard[0] = '\0';
        tune_messages = 0;
        const int n = snprintf(all, sizeof all, "%s\n%s", wrong[i], text);
        assert_ok(
            rs_tune_table_parse(&t, all, (size_t)n, "some.tune", tune_info(), RS_TUNE_DEVICE));
        assert_int_equal(t.count, 2);
        if (tune_messages != 1 || !strstr(tune_heard, "some.tune:1: "))
            fail_msg("'%s' gave %zu warnings: %s", wrong[i], tune_messages, tune_heard);
        rs_tune_table_fini(&t);
    }
    /* Many of them, a long one, one that is no text: a few warnings, then a sum. */
    rs_str all = {0};
    rs_tune_table t = {0};
    for (int i = 0; i < 1000; i++)
        assert_ok(rs_str_append(&all, "bad\n"));
    for (int i = 0; i < 100000; i++)
        assert_ok(rs_str_append(&all, "x"));
    assert_ok(rs_str_appendf(&all, "\n%s", text));
    tune_messages = 0;
    assert_ok(rs_tune_table_parse(&t, all.text, all.len, "some.tune", tune_info(), RS_TUNE_DEVICE));
    assert_int_equal(t.count, 2);
    assert_true(tune_messages < 20);
    snprintf(place, sizeof place, "%d more lines", 1001 - 8);
    assert_non_null(strstr(tune_heard, place));
    rs_tune_table_fini(&t);
    rs_str_fini(&all);
    free(text);
}

static void other_devices_are_refused(void **state)
{
    (void)state;
    size_t bytes;
    char *text = good_text(&bytes);
    rescl_device_info other[4];
    rs_tune_table t = {0};
    for (size_t i = 0; i < RS_COUNT(other); i++)
        other[i] = *tune_info();
    snprintf(other[0].name, sizeof other[0].name, "another");
    other[1].compute_units += 100;
    other[2].float_width = 2;
    other[3].local_bytes /= 2;
    for (size_t i = 0; i < RS_COUNT(other); i++)
        assert_fails(rs_tune_table_read(&t, tune_file, &other[i], RS_TUNE_DEVICE),
                     RESCL_ERR_UNSUPPORTED, "another device", tune_file);
    assert_int_equal(t.count, 0);
    /* A file of the class serves it, whatever the name. */
    assert_ok(rs_tune_table_read(&t, tune_file, &other[0], RS_TUNE_CLASS));
    assert_int_equal(t.count, 2);
    assert_int_equal(rs_tune_table_read(&t, tune_file, &other[1], RS_TUNE_CLASS),
                     RESCL_ERR_UNSUPPORTED);
    rs_tune_table_fini(&t);
    assert_fails(rs_tune_table_parse(&t, "", 0, "empty", tune_info(), RS_TUNE_DEVICE),
                 RESCL_ERR_FORMAT, "empty", "no tuning file");
    assert_fails(rs_tune_table_parse(&t, "format = 2\n", 11, "new", tune_info(), RS_TUNE_DEVICE),
                 RESCL_ERR_FORMAT, "format 2");
    free(text);
}

/* Neither as the device's own file nor as one of its class, unless it does not say. */
static void other_compilers_are_refused(void **state)
{
    static const char *const fields[] = {"platform", "driver", "platform_version"};
    (void)state;
    size_t bytes;
    char *text = good_text(&bytes);
    for (size_t i = 0; i < RS_COUNT(fields); i++) {
        rescl_device_info other = *tune_info();
        char *const place[] = {other.platform_name, other.driver, other.platform_version};
        char line[32];
        rs_tune_table t = {0};
        snprintf(place[i], sizeof other.driver, "another 6.0");
        for (rs_tune_whose whose = RS_TUNE_DEVICE; whose <= RS_TUNE_CLASS; whose++)
            assert_fails(rs_tune_table_read(&t, tune_file, &other, whose), RESCL_ERR_UNSUPPORTED,
                         "another compiler", tune_file, fields[i], "'another 6.0'");
        assert_int_equal(t.count, 0);
        snprintf(line, sizeof line, "\n%s = ", fields[i]);
        char *at = strstr(text, line);
        assert_non_null(at);
        at[1] = '#';
        assert_ok(rs_tune_table_parse(&t, text, bytes, "unbound.tune", &other, RS_TUNE_CLASS));
        assert_int_equal(t.count, 2);
        at[1] = fields[i][0];
        rs_tune_table_fini(&t);
    }
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
        (void)!rs_tune_table_parse(&t, text, i, "cut", tune_info(), RS_TUNE_DEVICE);
        assert_true(t.count <= 2);
        const char was = text[i];
        text[i] = i % 3 == 0 ? '\0' : (char)(0x80 + i % 64);
        (void)!rs_tune_table_parse(&t, text, bytes, "changed", tune_info(), RS_TUNE_DEVICE);
        assert_true(t.count <= 4);
        text[i] = was;
        rs_tune_table_fini(&t);
    }
    free(text);
    /* Larger than any tuning: not read at all. */
    rs_tune_table t = {0};
    FILE *f = fopen(tune_file, "wb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 64 << 20, SEEK_SET), 0);
    fputc('x', f);
    fclose(f);
    assert_int_not_equal(rs_tune_table_read(&t, tune_file, tune_info(), RS_TUNE_DEVICE), RESCL_OK);
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

static void take_line(const char *text, const char *name, char *value, size_t cap)
{
    char start[32];
    snprintf(start, sizeof start, "\n%s = ", name);
    const char *at = strstr(text, start);
    if (at)
        snprintf(value, cap, "%.*s", (int)strcspn(at + strlen(start), "\n"), at + strlen(start));
}

/* The compiler that a file is bound to becomes a device's. */
static void take_compiler(const char *text, rescl_device_info *d)
{
    take_line(text, "platform", d->platform_name, sizeof d->platform_name);
    take_line(text, "driver", d->driver, sizeof d->driver);
    take_line(text, "platform_version", d->platform_version, sizeof d->platform_version);
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
        take_compiler(text, &like);
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
    assert_int_equal(tune_messages, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, tune_setup, tune_teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_go_round),
        TEST(updates_keep_what_others_added),
        TEST(wrong_lines_are_left_out),
        TEST(other_devices_are_refused),
        TEST(other_compilers_are_refused),
        TEST(damaged_files_do_no_harm),
        TEST(classes_come_from_queries),
        TEST(shipped_files_are_good),
    };
    return cmocka_run_group_tests_name("tunefile", tests, NULL, NULL);
}
