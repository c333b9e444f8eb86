#include "testing.h"

#include <stdio.h>

static void says_which_version_is_running(void **state)
{
    (void)state;
    char text[64];
    const int number = rescl_version_number();

    snprintf(text, sizeof text, "%d.%d.%d", number / 10000, number / 100 % 100, number % 100);
    assert_string_equal(rescl_version(), text);
    assert_int_equal(number, RESCL_VERSION_NUMBER);
    assert_true(RESCL_VERSION_MINOR < 100 && RESCL_VERSION_PATCH < 100);
}

static void lists_the_optional_features_of_the_build(void **state)
{
    (void)state;
    bool hdf5 = false, jpeg = false, webp = false, tiff = false, zip = false;

#ifdef RS_HAVE_HDF5
    hdf5 = true;
#endif
#ifdef RS_HAVE_JPEG
    jpeg = true;
#endif
#ifdef RS_HAVE_WEBP
    webp = true;
#endif
#ifdef RS_HAVE_TIFF
    tiff = true;
#endif
#ifdef RS_HAVE_ZIP
    zip = true;
#endif
    assert_int_equal(rescl_has_feature("hdf5"), hdf5);
    assert_int_equal(rescl_has_feature("jpeg"), jpeg);
    assert_int_equal(rescl_has_feature("webp"), webp);
    assert_int_equal(rescl_has_feature("tiff"), tiff);
    assert_int_equal(rescl_has_feature("zip"), zip);
    for (const char *const *name = rescl_features(); *name; name++)
        assert_true(rescl_has_feature(*name));
    assert_false(rescl_has_feature("time travel"));
    assert_false(rescl_has_feature(""));
    assert_false(rescl_has_feature(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_which_version_is_running),
        cmocka_unit_test(lists_the_optional_features_of_the_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
