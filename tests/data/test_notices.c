#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "notices.h"

static char logged[4096];
static int lines;

static void keep(rescl_log_level level, const char *message, void *user)
{
    (void)user;
    assert_int_equal(level, RESCL_LOG_WARN);
    const size_t used = strlen(logged);
    snprintf(logged + used, sizeof logged - used, "%s\n", message);
    lines++;
}

static void expect_lines(int count, const char *word)
{
    assert_int_equal(lines, count);
    if (!strstr(logged, word))
        fail_msg("expected \"%s\" in \"%s\"", word, logged);
    logged[0] = '\0';
    lines = 0;
}

static void tells_of_each_kind_once(void **state)
{
    (void)state;
    rs_notices *n = NULL;
    rescl_log_set(keep, NULL);
    assert_ok(rs_notices_create("photos", "train", &n));
    rs_notices_add(n, 3, "d.png", 0);
    expect_lines(0, "");
    rs_notices_add(n, 7, "h.jpg", RESCL_IMAGE_END_DAMAGED);
    expect_lines(1, "h.jpg: read, for the pixels are all there");
    for (size_t epoch = 0; epoch < 3; epoch++)
        for (size_t i = 100; i < 110; i++)
            rs_notices_add(n, i, "i.png",
                           i == 104 ? RESCL_IMAGE_USES_12_BITS : RESCL_IMAGE_USES_10_BITS);
    expect_lines(1, "i.png: of 16 bits a sample only the lowest 10 bits are used");
    rs_notices_add(n, 5000, "large.jpg", RESCL_IMAGE_END_DAMAGED | RESCL_IMAGE_REDUCED);
    expect_lines(1, "large.jpg: more than 64 Mi pixels");
    rs_notices_close(n);
    assert_non_null(strstr(logged, "photos, train: 2 images: read, for"));
    expect_lines(2, "photos, train: 10 images: of 16 bits a sample only the lowest 12 bits are "
                    "used, hence dark; "
                    "--sample-bits 12");
    rescl_log_set(NULL, NULL);
    rs_notices_close(NULL);
}

static void has_words_for_each(void **state)
{
    (void)state;
    for (unsigned bit = RESCL_IMAGE_END_DAMAGED; bit <= RESCL_IMAGE_FIRST_OF_SEVERAL; bit <<= 1)
        assert_non_null(rescl_image_notice_text((rescl_image_notice)bit));
    assert_null(rescl_image_notice_text((rescl_image_notice)256));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_each_kind_once),
        cmocka_unit_test(has_words_for_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
