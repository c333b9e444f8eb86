#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rescl/data.h>

#include "data_support.h"
#include "error.h"
#include "path.h"

static void put_class(const char *folder, const char *file, uint8_t value)
{
    assert_ok(rs_mkdirs(rs_test_path("%s/%s", rs_test_dir, folder)));
    if (file != NULL)
        put_image(rs_test_path("%s/%s/%s", rs_test_dir, folder, file), value);
}

static rescl_status open_split(const char *folder, const char *split, rescl_dataset **set)
{
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = folder ? rs_test_path("%s/%s", rs_test_dir, folder)
                                                       : rs_test_dir,
                                        .split = split};
    return rescl_dataset_open(&options, set);
}

static void expect_sample(const rescl_dataset *set, size_t index, uint8_t value, int32_t label)
{
    rescl_image image;
    int32_t got;
    assert_ok(rescl_dataset_get(set, index, &image, &got));
    assert_int_equal(image.width, 6);
    assert_int_equal(image.height, 4);
    assert_int_equal(image.pixels[0], value);
    assert_int_equal(got, label);
    rescl_image_free(&image);
}

/* Classes and files in the order of their names' bytes: capitals first, "10" before "9". */
static void reads_splits_in_order(void **state)
{
    (void)state;
    put_class("train/b", "2.png", 32);
    put_class("train/b", "10.PNG", 31);
    put_class("train/a", "x.png", 21);
    put_class("train/B", "y.png", 11);
    put_class("train/.hidden", "y.png", 0);
    put_class("test/B", "y.png", 41);
    put_class("test/a", "y.png", 42);
    put_class("test/b", "y.png", 43);
    put_bytes(rs_test_path("%s/train/readme.png", rs_test_dir), "?", 1);  /* no class */
    put_bytes(rs_test_path("%s/train/a/notes.txt", rs_test_dir), "?", 1); /* no image */
    put_bytes(rs_test_path("%s/train/a/.x.png", rs_test_dir), "?", 1);    /* hidden */
    rescl_dataset *set;
    assert_ok(open_split(NULL, "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 3);
    assert_string_equal(rescl_dataset_class_name(set, 0), "B");
    assert_string_equal(rescl_dataset_class_name(set, 1), "a");
    assert_string_equal(rescl_dataset_class_name(set, 2), "b");
    assert_int_equal(rescl_dataset_count(set), 4);
    expect_sample(set, 0, 11, 0);
    expect_sample(set, 1, 21, 1);
    expect_sample(set, 2, 31, 2);
    expect_sample(set, 3, 32, 2);
    rescl_dataset_close(set);
    assert_ok(open_split(NULL, "test", &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    expect_sample(set, 0, 41, 0);
    rescl_dataset_close(set);
}

static void reads_val_as_test(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("imagenet/train/n01", "1.png", 1);
    put_class("imagenet/val/n01", "1.png", 2);
    assert_ok(open_split("imagenet", "test", &set));
    expect_sample(set, 0, 2, 0);
    rescl_dataset_close(set);
    put_class("halves/train/n01", "1.png", 1);
    assert_fails(open_split("halves", "test", &set), RESCL_ERR_NOT_FOUND, "halves", "\"test\"");
    assert_null(set);
}

static void reads_classes_without_splits(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("flat/cat", "1.png", 1);
    put_class("flat/dog", "1.png", 2);
    assert_ok(open_split("flat", "train", &set));
    assert_int_equal(rescl_dataset_count(set), 2);
    expect_sample(set, 1, 2, 1);
    rescl_dataset_close(set);
    assert_fails(open_split("flat", "test", &set), RESCL_ERR_NOT_FOUND, "no split \"test\"",
                 "validation_split");
    assert_fails(open_split("flat", "val", &set), RESCL_ERR_NOT_FOUND, "no split \"val\"");
}

/* ---- splits by their names ---------------------------------------------------------------- */

static void expect_split(const char *folder, const char *asked, const char *got, uint8_t value)
{
    rescl_dataset *set;
    assert_ok(open_split(folder, asked, &set));
    assert_string_equal(rescl_dataset_split(set), got);
    expect_sample(set, 0, value, 0);
    rescl_dataset_close(set);
}

static void knows_the_names_of_splits(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"valid", "val"}, {"Validation", "val"}, {"dev", "val"},        {"eval", "val"},
        {"VAL", "val"},   {"Testing", "test"},   {"training", "train"}, {"TRAIN", "train"},
    };
    for (size_t i = 0; i < RS_COUNT(names); i++) {
        char set[32];
        snprintf(set, sizeof set, "names%zu", i);
        put_class(rs_test_path("%s/%s/cat", set, names[i][0]), "1.png", (uint8_t)(i + 1));
        expect_split(set, names[i][1], names[i][1], (uint8_t)(i + 1));
    }
    put_class("two/train/cat", "1.png", 1);
    put_class("two/val/cat", "1.png", 2);
    put_class("two/valid/cat", "1.png", 3);
    expect_split("two", "val", "val", 2);
    expect_split("two", "test", "val", 2);
    rescl_dataset *set;
    put_class("three/dev/cat", "1.png", 2);
    put_class("three/valid/cat", "1.png", 3);
    assert_fails(open_split("three", "val", &set), RESCL_ERR_FORMAT, "'dev' and 'valid'");
}

/* A split holds folders, a class holds images. */
static void a_class_may_be_called_as_a_split(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("vehicles/bus", "1.png", 1);
    put_class("vehicles/train", "1.png", 2);
    put_class("vehicles/train/steam", "1.png", 3);
    assert_ok(open_split("vehicles", "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 2);
    assert_string_equal(rescl_dataset_class_name(set, 1), "train");
    assert_int_equal(rescl_dataset_count(set), 3);
    rescl_dataset_close(set);
    put_class("exams/train/test", "1.png", 1);
    put_class("exams/train/train", "1.png", 2);
    put_class("exams/test/test", "1.png", 3);
    assert_ok(open_split("exams", "train", &set));
    assert_string_equal(rescl_dataset_class_name(set, 0), "test");
    expect_sample(set, 1, 2, 1);
    rescl_dataset_close(set);
    put_class("doubt/train/steam", "1.png", 1);
    put_class("doubt/bus", "1.png", 2);
    assert_fails(open_split("doubt", "train", &set), RESCL_ERR_FORMAT, "'train'", "bus",
                 "if it is a");
    /* images to be named, as contests have them, are no split */
    put_class("contest/train/cat", "1.png", 7);
    put_class("contest/test", "1.png", 8);
    expect_split("contest", "train", "train", 7);
    assert_fails(open_split("contest", "test", &set), RESCL_ERR_NOT_FOUND, "'test'",
                 "without folders");
}

static const char *note(const rescl_dataset *set, const char *word)
{
    const char *text;
    for (size_t i = 0; (text = rescl_dataset_note(set, i, NULL)) != NULL; i++)
        if (strstr(text, word))
            return text;
    return NULL;
}

static void tells_of_neighbours(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("whole/train/cat", "1.png", 1);
    put_class("whole/train/dog", "1.png", 1);
    put_class("whole/test/cat", "1.png", 2);
    put_class("whole/notes", NULL, 0);
    assert_ok(open_split("whole/train", "train", &set));
    assert_non_null(note(set, "is one split of"));
    assert_non_null(note(set, "has 'test' too"));
    rescl_dataset_close(set);
    assert_ok(open_split("whole", "train", &set));
    assert_null(note(set, "is one split of"));
    assert_non_null(note(set, "beside its splits: notes"));
    rescl_dataset_close(set);
    put_class("up/whole/train/cat", "1.png", 1);
    put_class("up/whole/test/cat", "1.png", 1);
    assert_fails(open_split("up", "train", &set), RESCL_ERR_FORMAT, "give --data-path", "up/whole");
    put_class("wrapped/pets/cat", "1.png", 1);
    put_class("wrapped/pets/dog", "1.png", 1);
    assert_fails(open_split("wrapped", "train", &set), RESCL_ERR_FORMAT, "give --data-path",
                 "wrapped/pets");
    put_class("zipped/__MACOSX/train/cat", "._1.png", 1);
    put_class("zipped/train/cat", "1.png", 1);
    put_class("zipped/train/__MACOSX/cat", "._1.png", 1);
    assert_ok(open_split("zipped", "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 1);
    assert_null(note(set, "__MACOSX"));
    rescl_dataset_close(set);
    put_class("turned/cat/train", "1.png", 1);
    put_class("turned/dog/train", "1.png", 1);
    assert_ok(open_split("turned", "train", &set));
    assert_non_null(note(set, "turned/cat/train: a folder within a class"));
    rescl_dataset_close(set);
}

/* Many are counted, hidden classes are named, and links back to a folder are no classes. */
static void tells_what_is_no_class(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("many/train/cat", "1.png", 1);
    put_class("many/train/.dog", "1.png", 2);
    for (int i = 0; i < 20; i++)
        put_class(rs_test_path("many/other%02d", i), NULL, 0);
    assert_int_equal(symlink("..", rs_test_path("%s/many/train/loop", rs_test_dir)), 0);
    assert_int_equal(symlink(".", rs_test_path("%s/many/train/self", rs_test_dir)), 0);
    assert_ok(open_split("many", "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 1);
    assert_non_null(note(set, "other00, "));
    assert_non_null(note(set, "other07, and 12 more"));
    assert_null(note(set, "other08"));
    assert_non_null(
        note(set, ".dog: a name that begins with a dot is hidden: left out, with 1 image;"));
    assert_non_null(note(set, "2 links in a circle"));
    rescl_dataset_close(set);
}

/* ---- what is taken and what is left out --------------------------------------------------- */

/* torchvision's order: the folders' paths by their bytes, where "b-a" lies between "b" and "b/c". */
static void reads_folders_within_classes(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("deep/cat/b", "1.png", 5);
    put_class("deep/cat/b/c", "0.png", 6);
    put_class("deep/cat/b-a", "9.png", 4);
    put_class("deep/cat", "z.png", 1);
    put_class("deep/cat", "a.png", 0);
    put_class("deep/dog", "1.png", 9);
    put_class("deep/cat/.hidden", "1.png", 99);
    put_class("deep/cat/x.png", NULL, 0); /* a folder without images, called as one */
    assert_ok(open_split("deep", "train", &set));
    assert_int_equal(rescl_dataset_count(set), 7);
    expect_sample(set, 0, 0, 0);
    expect_sample(set, 2, 1, 0); /* behind x.png */
    expect_sample(set, 3, 5, 0);
    expect_sample(set, 4, 4, 0);
    expect_sample(set, 5, 6, 0);
    expect_sample(set, 6, 9, 1);
    assert_non_null(note(set, "3 of its images lie in sub-folders"));
    rescl_dataset_close(set);
}

static void counts_what_is_left_out(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_log_level level = RESCL_LOG_ERROR;
    put_class("left/cat", "1.png", 1);
    put_class("left/dog", "1.png", 2);
    for (int i = 0; i < 400; i++)
        put_bytes(rs_test_path("%s/left/cat/%d.json", rs_test_dir, i), "{}", 2);
    for (int i = 0; i < 3; i++)
        put_bytes(rs_test_path("%s/left/dog/%d.Heic", rs_test_dir, i), "R", 1);
    put_bytes(rs_test_path("%s/left/cat/README", rs_test_dir), "?", 1);
    put_bytes(rs_test_path("%s/left/cat/.DS_Store", rs_test_dir), "?", 1);
    put_bytes(rs_test_path("%s/left/labels.csv", rs_test_dir), "?", 1);
    assert_int_equal(symlink("nowhere", rs_test_path("%s/left/bird", rs_test_dir)), 0);
    assert_int_equal(symlink("nowhere", rs_test_path("%s/left/dog/old", rs_test_dir)), 0);
    assert_ok(open_split("left", "train", &set));
    assert_int_equal(rescl_dataset_count(set), 2);
    assert_non_null(note(set,
                         "left out: 400 .json, 3 .heic, 1 .csv, 1 hidden, 1 without a known "
                         "ending, 2 links that lead nowhere (bird, dog/old); convert the images"));
    assert_non_null(rescl_dataset_note(set, 0, &level));
    assert_int_equal(level, RESCL_LOG_WARN);
    assert_null(rescl_dataset_note(set, 1, &level));
    rescl_dataset_close(set);
}

/* ---- a share that is held out ------------------------------------------------------------- */

static rescl_dataset *open_share(const char *split, double share, uint64_t seed, size_t samples)
{
    const rescl_data_options options = {.struct_size = sizeof options,
                                        .path = rs_test_path("%s/share", rs_test_dir),
                                        .split = split,
                                        .seed = seed,
                                        .samples = samples,
                                        .validation_split = share};
    rescl_dataset *set;
    assert_ok(rescl_dataset_open(&options, &set));
    return set;
}

/* Which images a set has, by their pixels; *classes counts those of each class. */
static uint64_t images_of(const rescl_dataset *set, size_t classes[3])
{
    uint64_t mask = 0;
    for (size_t i = 0; i < rescl_dataset_count(set); i++) {
        rescl_image image;
        int32_t label;
        assert_ok(rescl_dataset_get(set, i, &image, &label));
        mask |= (uint64_t)1 << image.pixels[0];
        classes[label]++;
        rescl_image_free(&image);
    }
    return mask;
}

static void holds_out_a_share_of_each_class(void **state)
{
    (void)state;
    uint64_t val[2], train[2];
    size_t held[3] = {0}, kept[3] = {0}, again[3] = {0};
    for (uint8_t i = 0; i < 31; i++) /* 20, 10 and 1 */
        put_class(i < 20   ? "share/ant"
                  : i < 30 ? "share/bee"
                           : "share/cow",
                  rs_test_path("%02u.png", i), i);
    for (uint64_t seed = 0; seed < 2; seed++) {
        rescl_dataset *v = open_share("val", 0.2, seed, 0), *t = open_share("train", 0.2, seed, 0);
        val[seed] = images_of(v, seed ? again : held);
        train[seed] = images_of(t, seed ? again : kept);
        assert_string_equal(rescl_dataset_split(v), "val");
        assert_true((val[seed] & train[seed]) == 0);
        assert_true((val[seed] | train[seed]) == 0x7fffffff);
        rescl_dataset_close(v);
        rescl_dataset_close(t);
    }
    assert_int_equal(held[0], 4);
    assert_int_equal(held[1], 2);
    assert_int_equal(held[2], 0); /* the only one of its class is trained on */
    assert_int_equal(kept[2], 1);
    assert_true(val[0] != val[1]);
    /* fewer samples are taken of the share, and the share stays the same */
    size_t few[3] = {0};
    rescl_dataset *v = open_share("val", 0.2, 0, 3);
    assert_int_equal(rescl_dataset_count(v), 3);
    assert_true((images_of(v, few) & ~val[0]) == 0);
    rescl_dataset_close(v);
}

static void refuses_classes_without_images(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("gifs/cat", NULL, 0);
    put_bytes(rs_test_path("%s/gifs/cat/1.gif", rs_test_dir), "GIF89a", 6);
    put_bytes(rs_test_path("%s/gifs/cat/2.AVIF", rs_test_dir), "RIFF", 4);
    assert_fails(open_split("gifs", "train", &set), RESCL_ERR_FORMAT, "gifs/cat", "2 of other",
                 "convert");
    put_class("empty/cat", "1.png", 1);
    put_class("empty/dog", NULL, 0);
    assert_fails(open_split("empty", "train", &set), RESCL_ERR_FORMAT, "empty/dog",
                 "holds no image");
    const rescl_data_options named = {.struct_size = sizeof named,
                                      .path = rs_test_path("%s/bare", rs_test_dir),
                                      .split = "train",
                                      .format = "folder"};
    assert_fails(rescl_dataset_open(&named, &set), RESCL_ERR_NOT_FOUND, "bare");
    assert_ok(rs_mkdirs(rs_test_path("%s/bare", rs_test_dir)));
    assert_fails(rescl_dataset_open(&named, &set), RESCL_ERR_FORMAT, "bare", "no folders");
}

/* A name may lie about the format; a class may hold both. */
static void refuses(const char *folder, const char *first, const char *second)
{
    rescl_dataset *set;
    assert_fails(open_split(folder, "train", &set), RESCL_ERR_FORMAT, first, second);
    assert_null(set);
}

/* Folders that training would take for one class, or for classes that are splits. */
static void refuses_what_is_no_set_of_classes(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("bare", "1.png", 1);
    put_class("bare", "2.png", 2);
    refuses("bare", "has no folders of classes, but 2 images", "of its own");
    put_class("loose/train", "1.png", 1);
    refuses("loose", "'train' is a split by its name", "loose/train/CLASS");
    put_class("loose/Test", "1.png", 1);
    refuses("loose", "'Test' is a split by its name", "loose/Test/CLASS");
    put_class("deep/train/animals/ant", "1.png", 1);
    put_class("deep/train/animals/bee", "1.png", 2);
    put_class("deep/val/animals/ant", "1.png", 3);
    refuses("deep", "holds one folder, 'animals'", "move them up into");
    assert_ok(open_split("deep", "val", &set)); /* one class, in the groups of its own */
    rescl_dataset_close(set);
    put_class("inner/train/train/ant", "1.png", 1);
    refuses("inner", "nothing but 'train', by the name a split", "inner/train");
    put_class("inner/train/val/ant", "1.png", 1);
    put_class("inner/train/test/ant", "1.png", 1);
    refuses("inner", "nothing but 'test' and the like", "inner/train");
    put_class("only/ant", "1.png", 1);
    assert_ok(open_split("only", "train", &set));
    rescl_dataset_close(set);
}

/* Splits under names that are not known: what would be silently trained on as classes. */
static void refuses_splits_as_classes(void **state)
{
    (void)state;
    static const char *const sets[][4] = {
        {"k/training_set/cats/1.png", "k/training_set/dogs/1.png", "k/test_set/cats/1.png", "k"},
        {"t/train/1.png", "t/test1/1.png", "t/test1/2.png", "t"},
        {"c/TrainSet/a/1.png", "c/valImages/a/1.png", "c/valImages/b/1.png", "c"},
        {"o/train/1.png", "o/x-test/1.png", "o/more/1.png", "o"},
        {"u/train_images/1.png", "u/train_images/2.png", "u/train_images/3.png", "u"},
    };
    for (size_t i = 0; i < RS_COUNT(sets); i++) {
        for (size_t k = 0; k < 3; k++) {
            const char *slash = strrchr(sets[i][k], '/');
            put_class(rs_test_path("%.*s", (int)(slash - sets[i][k]), sets[i][k]), slash + 1, 1);
        }
        refuses(sets[i][3], "split", "--format folder");
    }
    put_class("seg/seg_train/seg_train/forest", "1.png", 1);
    put_class("seg/seg_train/seg_train/sea", "1.png", 1);
    put_class("seg/seg_test/seg_test/forest", "1.png", 1);
    put_class("seg/seg_test/seg_test/sea", "1.png", 1);
    put_class("seg/seg_pred/seg_pred", "1.png", 1);
    refuses("seg", "'seg_test' and 'seg_train'", "(forest, sea ...)");
    put_class("inside/cat/train", "1.png", 1);
    put_class("inside/cat/val", "1.png", 1);
    put_class("inside/dog", "1.png", 1);
    refuses("inside", "inside/cat: this class holds splits", "above the classes");
    rescl_dataset *set;
    const rescl_data_options chosen = {.struct_size = sizeof chosen,
                                       .path = rs_test_path("%s/inside", rs_test_dir),
                                       .split = "train",
                                       .format = "folder"};
    assert_ok(rescl_dataset_open(&chosen, &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    rescl_dataset_close(set);
}

static void takes_classes_called_like_splits(void **state)
{
    (void)state;
    static const char *const classes[] = {
        "rail/trains",   "rail/testament", "rail/developer",   "lab/train",
        "lab/test_tube", "lab/bus",        "lab/car",          "kind/bullet_train",
        "kind/train",    "kind/train_set", "pass/test_passed", "pass/test_failed",
        "side/cat/left", "side/dog/left",
    };
    static const char *const sets[] = {"rail", "lab", "kind", "pass", "side"};
    for (size_t i = 0; i < RS_COUNT(classes); i++)
        put_class(classes[i], "1.png", 1);
    for (size_t i = 0; i < RS_COUNT(sets); i++) {
        rescl_dataset *set;
        assert_ok(open_split(sets[i], "train", &set));
        rescl_dataset_close(set);
    }
}

/* Files of weights would keep '?' for such letters, so that two names may become one. */
static void refuses_names_that_weights_cannot_keep(void **state)
{
    (void)state;
    put_class("latin/h\xe4nd", "1.png", 1);
    put_class("latin/h\xf6nd", "1.png", 2);
    refuses("latin", "class 0, 'h\\xe4nd', is not UTF-8", "convmv");
}

static void takes_jpeg_by_name_and_reads_by_content(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("mixed/cat", "1.jpg", 5); /* a PNG */
    put_class("mixed/cat", "2.JPEG", 6);
    put_class("mixed/cat", "3.png", 7);
    assert_ok(open_split("mixed", "train", &set));
    assert_int_equal(rescl_dataset_count(set), 3);
    expect_sample(set, 0, 5, 0);
    expect_sample(set, 1, 6, 0);
    expect_sample(set, 2, 7, 0);
    rescl_dataset_close(set);
}

/* A GIF that is called .png, a PNG that ends early, one that is gone: told when it is asked for. */
/* predictions.csv could not tell two labels from one of that name. */
static void refuses_semicolons_of_several_labels(void **state)
{
    (void)state;
    put_class("semicolon/a;b", "1.png", 1);
    rescl_data_options o = {.struct_size = sizeof o,
                            .path = rs_test_path("%s/semicolon", rs_test_dir),
                            .split = "train"};
    rescl_dataset *set;
    assert_ok(rescl_dataset_open(&o, &set));
    rescl_dataset_close(set);
    o.multi_label = true;
    assert_fails(rescl_dataset_open(&o, &set), RESCL_ERR_FORMAT, "the class 'a;b'",
                 "give it another name");
}

static void names_the_broken_file(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_image image;
    int32_t label;
    put_class("broken/cat", "3-cut.png", 7);
    assert_int_equal(truncate(rs_test_path("%s/broken/cat/3-cut.png", rs_test_dir), 50), 0);
    put_class("broken/cat", "1-good.png", 9);
    put_class("broken/cat", "4-gone.png", 9);
    put_bytes(rs_test_path("%s/broken/cat/2-gif.png", rs_test_dir), "GIF89a", 6);
    assert_ok(open_split("broken", "train", &set));
    assert_int_equal(unlink(rs_test_path("%s/broken/cat/4-gone.png", rs_test_dir)), 0);
    expect_sample(set, 0, 9, 0);
    assert_fails(rescl_dataset_get(set, 1, &image, &label), RESCL_ERR_FORMAT, "2-gif.png", "a GIF",
                 "image 1");
    assert_fails(rescl_dataset_get(set, 2, &image, &label), RESCL_ERR_FORMAT, "3-cut.png",
                 "corrupted");
    assert_fails(rescl_dataset_get(set, 3, &image, &label), RESCL_ERR_NOT_FOUND, "4-gone.png");
    rescl_dataset_close(set);
}

static char logged[1024];

static void keep(rescl_log_level level, const char *message, void *user)
{
    (void)level, (void)user;
    snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", message);
}

/* What is told of images that are read all the same, and the options that concern them. */
static void tells_of_flawed_images(void **state)
{
    (void)state;
    rescl_dataset *set;
    rescl_image image;
    int32_t label;
    struct stat info;
    rescl_data_options options;
    for (int i = 0; i < 3; i++) {
        const char *name = (const char *[]){"1.png", "2.png", "3.png"}[i];
        put_class("flawed/cat", name, 7);
        const char *path = rs_test_path("%s/flawed/cat/%s", rs_test_dir, name);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(truncate(path, info.st_size - (i == 1 ? 0 : 12)), 0); /* IEND */
    }
    rescl_log_set(keep, NULL);
    assert_ok(open_split("flawed", "train", &set));
    for (int epoch = 0; epoch < 2; epoch++)
        for (size_t i = 0; i < 3; i++)
            expect_sample(set, i, 7, 0);
    assert_non_null(strstr(logged, "1.png: read, for"));
    assert_null(strstr(logged, "2.png"));
    assert_null(strstr(logged, "3.png"));
    rescl_dataset_close(set);
    assert_non_null(strstr(logged, "flawed, train: 2 images: read, for"));
    rescl_log_set(NULL, NULL);
    rescl_data_options_default(&options);
    options.path = rs_test_path("%s/flawed", rs_test_dir);
    options.split = "train";
    options.max_pixels = 23; /* of 24 */
    assert_ok(rescl_dataset_open(&options, &set));
    assert_fails(rescl_dataset_get(set, 0, &image, &label), RESCL_ERR_FORMAT, "1.png", "too large");
    rescl_dataset_close(set);
}

/* Links may lead anywhere, also in circles. */
static void bears_links(void **state)
{
    (void)state;
    rescl_dataset *set;
    put_class("links/cat", "1.png", 5);
    put_class("elsewhere", "1.png", 6);
    assert_int_equal(symlink("../elsewhere", rs_test_path("%s/links/dog", rs_test_dir)), 0);
    assert_int_equal(symlink("1.png", rs_test_path("%s/links/cat/2.png", rs_test_dir)), 0);
    assert_int_equal(symlink("..", rs_test_path("%s/links/cat/up", rs_test_dir)), 0);
    assert_int_equal(symlink("loop", rs_test_path("%s/links/loop", rs_test_dir)), 0);
    assert_ok(open_split("links", "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 2);
    assert_int_equal(rescl_dataset_count(set), 3);
    expect_sample(set, 1, 5, 0);
    expect_sample(set, 2, 6, 1);
    rescl_dataset_close(set);
    assert_int_equal(symlink(".", rs_test_path("%s/links/self", rs_test_dir)), 0);
    assert_ok(open_split("links", "train", &set));
    assert_int_equal(rescl_dataset_classes(set), 2);
    rescl_dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_splits_in_order),
        cmocka_unit_test(reads_val_as_test),
        cmocka_unit_test(reads_classes_without_splits),
        cmocka_unit_test(knows_the_names_of_splits),
        cmocka_unit_test(a_class_may_be_called_as_a_split),
        cmocka_unit_test(tells_of_neighbours),
        cmocka_unit_test(tells_what_is_no_class),
        cmocka_unit_test(reads_folders_within_classes),
        cmocka_unit_test(counts_what_is_left_out),
        cmocka_unit_test(holds_out_a_share_of_each_class),
        cmocka_unit_test(refuses_classes_without_images),
        cmocka_unit_test(refuses_what_is_no_set_of_classes),
        cmocka_unit_test(refuses_splits_as_classes),
        cmocka_unit_test(takes_classes_called_like_splits),
        cmocka_unit_test(refuses_names_that_weights_cannot_keep),
        cmocka_unit_test(refuses_semicolons_of_several_labels),
        cmocka_unit_test(takes_jpeg_by_name_and_reads_by_content),
        cmocka_unit_test(names_the_broken_file),
        cmocka_unit_test(tells_of_flawed_images),
        cmocka_unit_test(bears_links),
    };
    return cmocka_run_group_tests(tests, rs_test_dir_setup, rs_test_dir_teardown);
}
