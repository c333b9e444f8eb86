#include "testing.h"

#include "whatis.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

/* In a block of its exact size, so that a read past its end shows under AddressSanitizer. */
static const rs_file_kind *whatis(const char *data, size_t bytes)
{
    char *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    const rs_file_kind *kind = rs_file_whatis(copy, bytes);
    free(copy);
    return kind;
}

static void tells_kinds_apart(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t bytes;
        const char *name;
    } files[] = {
        {"", 0, "an empty file"},
        {"\0\0\0\0\0\0", 6, "zero bytes"},
        {"\x89PNG\r\n\x1a\n", 8, "a PNG"},
        {"\xff\xd8\xff\xe0", 4, "a JPEG image"},
        {"\xff\xd8\xff\xf7", 4, "JPEG-LS"},
        {"GIF87a", 6, "a GIF"},
        {"RIFF\1\1\1\1WEBPVP8 ", 16, "WebP"},
        {"RIFF\1\1\1\1WAVE", 12, "RIFF"},
        {"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18, "a BMP"},
        {"BM and other makes of cars", 26, "text"},
        {"II*\0\10\0\0\0", 8, "TIFF"},
        {"MM\0*\0\0\0\10", 8, "TIFF"},
        {"\xff\x0a\1", 3, "JPEG XL"},
        {"\0\0\0\x0cJXL \r\n\x87\n", 12, "JPEG XL"},
        {"\0\0\0\x0cjP  \r\n\x87\n", 12, "JPEG 2000"},
        {"\0\0\0 ftypavif", 12, "AVIF"},
        {"\0\0\0 ftypheic", 12, "HEIC"},
        {"\0\0\0 ftypisom", 12, "a film"},
        {"P6\n2 2\n255\n\0\1\2", 14, "PNM"},
        {"%PDF-1.7", 8, "PDF"},
        {"\x1f\x8b\10", 3, "gzip"},
        {"PK\3\4", 4, "ZIP"},
        {"\x89HDF\r\n\x1a\n", 8, "HDF5"},
        {"GGUF\3\0\0\0", 8, "GGUF"},
        {"\x93NUMPY\1\0", 8, "NumPy"},
        {"\x80\2}q", 4, "pickle"},
        {"\x40\0\0\0\0\0\0\0{\"", 10, "safetensors"},
        {"\x1c\0\0\0TFL3", 8, "TensorFlow Lite"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "git-lfs"},
        {"/annex/objects/SHA256E-s1--0", 28, "git-annex"},
        {"\0\5\x16\7\0\2\0\0Mac OS X", 16, "AppleDouble"},
        {"\xef\xbb\xbf\n  <!DOCTYPE HTML>", 21, "a web page"},
        {"<html>", 6, "a web page"},
        {"<svg xmlns=", 11, "SVG"},
        {"{\"message\": \"Not Found\"}", 24, "JSON"},
        {"hello\n", 6, "text"},
        {"gr\xc3\xbc\xc3\x9f\x65", 7, "text"},
        {"\xff\xfeh\0i\0", 6, "UTF-16"},
        {"\n\xff\xd8\xff\xe0", 5, "blanks before it"},
        {"\xef\xbb\xbf\xff\xd8\xff\xe0", 7, "a byte order mark"},
        {"\xef\xbb\xbf\x89PNG\r\n\x1a\n", 11, "a byte order mark"},
        {"\x89PNG\n\x1a\n\0", 8, "copied as text"},
        {"\x89PNG\r\r\n\x1a\r\n", 10, "copied as text"},
        {"\tPNG\r\n\x1a\n", 8, "copied as text"},
        {"\xc2\x89PNG\r\n\x1a\n", 9, "copied as text"},
        {"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\0\x10JFIF", 18, "copied as text"},
        {"\1\2\3\4", 4, "unknown data"},
    };
    for (size_t i = 0; i < RS_COUNT(files); i++) {
        const rs_file_kind *kind = whatis(files[i].data, files[i].bytes);
        if (!strstr(kind->name, files[i].name))
            fail_msg("file %zu: got \"%s\", expected \"%s\"", i, kind->name, files[i].name);
    }
}

static void looks_into_long_files(void **state)
{
    (void)state;
    char data[2 * RS_WHATIS_BYTES];
    memset(data, '.', sizeof data);
    memcpy(data + 128, "DICM", 4);
    assert_string_equal(whatis(data, sizeof data)->name, "a DICOM image");
    assert_string_equal(whatis(data, 131)->name, "text");
    memset(data, 0, sizeof data);
    memcpy(data + 257, "ustar", 5);
    assert_string_equal(whatis(data, sizeof data)->name, "a tar archive");
    assert_string_equal(whatis(data + 300, 40)->cure, "download the file itself again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_kinds_apart),
        cmocka_unit_test(looks_into_long_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
