#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "data_support.h"
#include "error.h"
#include "image.h"
#include "rng.h"

/* EXIF data with the orientation 6, and what ImageMagick makes a text of them. */
#define EXIF "MM\0*\0\0\0\10\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0"
#define HEX  "4d4d002a00000008000101120003000000010006000000000000\n"
static const uint8_t exif[] = EXIF, prefixed[] = "Exif\0\0" EXIF;
static const char raw[] = "Raw profile type exif\0\nexif\n      26\n" HEX;
static const char broken_raw[] = "Raw profile type exif\0\nexif\n      26\n4d4d00-";
static const char app1[] = "Raw profile type APP1\0\nAPP1\n      26\n" HEX;
static const char xmp3[] = "XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>3</tiff:Orientation>";
static const char xmp8[] = "XML:com.adobe.xmp\0\0\0\0\0<a tiff:Orientation=\"8\"/>";
static const char short_xmp[] = "XML:com.adobe.xmp\0\0\0en";
/* zlib's stored block of "tiff:Orientation>5" */
static const char zipped_xmp[] = "XML:com.adobe.xmp\0\1\0\0\0\x78\1\1\x12\0\xed\xff"
                                 "tiff:Orientation>5\x43\x2a\6\xe3";
static const char key_only[] = "XML:com.adobe.xmp";

#define CHUNK(type, data)                                                                          \
    {                                                                                              \
        type, data, sizeof data - 1                                                                \
    }

typedef struct chunk {
    const char *type;
    const void *data;
    size_t bytes;
} chunk;

typedef struct file {
    uint8_t data[1024];
    size_t count;
} file;

static void add(file *f, const chunk *c)
{
    f->count += make_chunk(f->data + f->count, c->type, c->data, c->bytes);
}

static void begin(file *f)
{
    memcpy(f->data, "\x89PNG\r\n\x1a\n", 8);
    f->count = 8;
}

/* In a block of its exact size, so that a read past its end shows under AddressSanitizer. */
static unsigned orientation_of(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    const unsigned orientation = rs_png_orientation(copy, bytes);
    free(copy);
    return orientation;
}

/* Of several the last counts; EXIF data before a raw profile, and either before XMP. */
static void finds_what_counts(void **state)
{
    (void)state;
    static const chunk end = {"IEND", "", 0};
    static const struct {
        chunk chunk[3];
        unsigned want;
    } files[] = {
        {{CHUNK("tEXt", "Comment\0tiff:Orientation>3")}, 0},
        {{CHUNK("eXIf", exif)}, 6},
        {{CHUNK("eXIf", prefixed)}, 6},
        {{CHUNK("tEXt", raw)}, 6},
        {{CHUNK("tEXt", app1)}, 0},
        {{CHUNK("tEXt", broken_raw)}, 0},
        {{CHUNK("iTXt", xmp3)}, 3},
        {{CHUNK("iTXt", xmp3), CHUNK("iTXt", xmp8)}, 8},
        {{CHUNK("iTXt", xmp8), CHUNK("eXIf", exif)}, 6},
        {{CHUNK("tEXt", raw), CHUNK("eXIf", "II*\0\10\0\0\0\0\0"), CHUNK("iTXt", xmp3)}, 3},
        {{CHUNK("iTXt", xmp3), CHUNK("tEXt", raw)}, 6},
        {{CHUNK("iTXt", xmp3), CHUNK("tEXt", broken_raw)}, 3},
        {{CHUNK("iTXt", short_xmp)}, 0},
        {{CHUNK("iTXt", key_only)}, 0},
        {{CHUNK("tEXt", key_only)}, 0},
        {{CHUNK("zTXt", key_only)}, 0},
        {{CHUNK("zTXt", "XML:com.adobe.xmp\0")}, 0},
        {{CHUNK("zTXt", "XML:com.adobe.xmp\0\0damaged")}, 0},
        {{CHUNK("IEND", ""), CHUNK("eXIf", exif)}, 0},
    };
    for (size_t i = 0; i < RS_COUNT(files); i++) {
        file f;
        begin(&f);
        for (size_t k = 0; k < 3 && files[i].chunk[k].type; k++)
            add(&f, &files[i].chunk[k]);
        add(&f, &end);
        if (orientation_of(f.data, f.count) != files[i].want)
            fail_msg("file %zu: got %u, expected %u", i, orientation_of(f.data, f.count),
                     files[i].want);
    }
}

static void inflates_texts(void **state)
{
    (void)state;
    static const chunk text = CHUNK("iTXt", zipped_xmp);
    file f;
    begin(&f);
    add(&f, &text);
    assert_int_equal(orientation_of(f.data, f.count), 5);
}

static void survives_damage(void **state)
{
    (void)state;
    static const chunk chunks[] = {CHUNK("tEXt", raw), CHUNK("iTXt", zipped_xmp),
                                   CHUNK("eXIf", prefixed)};
    file f;
    rs_rng rng;
    rs_rng_init(&rng, 7, 8);
    begin(&f);
    for (size_t i = 0; i < RS_COUNT(chunks); i++)
        add(&f, &chunks[i]);
    for (size_t n = 8; n < f.count; n++)
        assert_in_range(orientation_of(f.data, n), 0, 8);
    f.data[f.count - 1] ^= 1; /* the checksum of eXIf: the raw profile counts then */
    assert_int_equal(orientation_of(f.data, f.count), 6);
    for (int k = 0; k < 5000; k++) {
        file broken = f;
        for (int i = 0; i < 3; i++)
            broken.data[8 + rs_rng_below(&rng, (uint32_t)f.count - 8)] = (uint8_t)rs_rng_u32(&rng);
        assert_in_range(orientation_of(broken.data, f.count), 0, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_counts),
        cmocka_unit_test(inflates_texts),
        cmocka_unit_test(survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
