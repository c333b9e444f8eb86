#include "data_report.h"

#include "cli.h"
#include "output.h"
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The most that the text lists; JSON has all. */
enum { CLASSES_SHOWN = 100, SIZES_SHOWN = 5, COPIES_SHOWN = 20, UNREAD_SHOWN = 20 };

bool cli_data_has_findings(const rescl_survey *survey)
{
    rescl_survey_summary sum;
    rescl_survey_get_summary(survey, &sum);
    return sum.unreadable > 0 || sum.shared > 0 || sum.contradictions > 0;
}

static const char *split_name(const rescl_survey *s, size_t split)
{
    return rescl_dataset_split(rescl_survey_set(s, split));
}

/* How many times as many images as the smallest class the largest one has; infinite where a class of
 * another split has none. */
static double unevenness(const rescl_survey *s, const rescl_survey_summary *sum)
{
    const size_t least = rescl_survey_class_count(s, 0, sum->smallest);
    const size_t most = rescl_survey_class_count(s, 0, sum->largest);
    return least > 0 ? (double)most / (double)least : (double)INFINITY;
}

/* ---- text -------------------------------------------------------------------------------- */

static int print_classes(const rescl_survey *s)
{
    const size_t splits = rescl_survey_splits(s), classes = rescl_survey_classes(s);
    cli_table t;
    cli_table_init(&t, 1 + splits);
    cli_table_add(&t, "class");
    for (size_t k = 0; k < splits; k++)
        cli_table_add(&t, "%s", split_name(s, k));
    for (size_t c = 0; c < classes && c < CLASSES_SHOWN; c++) {
        cli_table_add(&t, "%s", rescl_survey_class_name(s, c));
        for (size_t k = 0; k < splits; k++)
            cli_table_add(&t, "%zu", rescl_survey_class_count(s, k, c));
    }
    const bool good = cli_table_print(&t, "plain", cli_result());
    cli_table_fini(&t);
    if (classes > CLASSES_SHOWN)
        cli_print("and %zu more classes; --json has all\n", classes - CLASSES_SHOWN);
    return good ? CLI_OK : CLI_FAILURE;
}

static void print_range(const char *what, const rescl_size_range *r)
{
    if (r->min == r->max)
        cli_print("%-11s %zu\n", what, r->min);
    else
        cli_print("%-11s %zu to %zu, median %zu\n", what, r->min, r->max, r->median);
}

static void print_sizes(const rescl_survey *s, const rescl_survey_summary *sum)
{
    rescl_size_count size;
    rescl_kind_count kind;
    size_t n = 0;
    if (sum->width.max == 0)
        return;
    print_range("width", &sum->width);
    print_range("height", &sum->height);
    for (; n < SIZES_SHOWN && rescl_survey_size(s, n, &size); n++)
        cli_print("%-11s %zux%zu: %zu\n", n ? "" : "sizes", size.width, size.height, size.images);
    size_t more = 0;
    while (rescl_survey_size(s, n + more, &size))
        more++;
    if (more > 0)
        cli_print("%-11s and %zu other sizes\n", "", more);
    for (n = 0; rescl_survey_kind(s, n, &kind); n++)
        cli_print("%-11s %s, %s, %zu bits: %zu\n", n ? "" : "kinds", kind.kind, kind.colour,
                  kind.bits, kind.images);
}

static void print_evenness(const rescl_survey *s, const rescl_survey_summary *sum)
{
    const char *largest = rescl_survey_class_name(s, sum->largest);
    const char *smallest = rescl_survey_class_name(s, sum->smallest);
    const size_t most = rescl_survey_class_count(s, 0, sum->largest);
    const size_t least = rescl_survey_class_count(s, 0, sum->smallest);
    if (rescl_survey_classes(s) < 2)
        return;
    if (most == least)
        cli_print("evenness    each class of %s has %zu images\n", split_name(s, 0), most);
    else if (least == 0)
        cli_print("evenness    '%s' has no image in %s\n", smallest, split_name(s, 0));
    else
        cli_print("evenness    '%s' has %.1f times the images of '%s': %zu and %zu\n", largest,
                  unevenness(s, sum), smallest, most, least);
}

/* How many labels images have. */
typedef struct labels {
    size_t images, none, least, most, all;
} labels;

/* False: each image has one. */
static bool count_labels(const rescl_survey *s, labels *out)
{
    const rescl_dataset *set;
    bool several = false;
    *out = (labels){.least = SIZE_MAX};
    for (size_t k = 0; (set = rescl_survey_set(s, k)) != NULL; k++) {
        several = several || rescl_dataset_multi_label(set);
        for (size_t i = 0; i < rescl_dataset_count(set); i++) {
            const size_t n = rescl_dataset_labels(set, i, NULL, 0);
            out->none += n == 0;
            out->all += n;
            out->least = n < out->least ? n : out->least;
            out->most = n > out->most ? n : out->most;
        }
        out->images += rescl_dataset_count(set);
    }
    return several && out->images > 0;
}

static double mean_labels(const labels *l)
{
    return (double)l->all / (double)l->images;
}

static void print_labels(const rescl_survey *s)
{
    labels l;
    char images[64];
    if (count_labels(s, &l))
        cli_print("labels      any number of each image: %zu to %zu, %.2f on average; %s without "
                  "any\n",
                  l.least, l.most, mean_labels(&l), cli_count(l.none, "image", images));
}

/* "train/cat/1.jpg", "train-0.tar: 1.jpg" or "image 7 of test", of image `index`. */
static void name_image(const rescl_survey *s, size_t index, const rescl_survey_image_info *i,
                       char *out, size_t bytes)
{
    const char *name = rescl_survey_image_name(s, index);
    if (name)
        snprintf(out, bytes, "%s", name);
    else
        snprintf(out, bytes, "image %zu of %s", i->sample, split_name(s, i->split));
}

/* "cat", "cat;dog", "no label": the classes of an image. */
static const char *class_text(const rescl_survey *s, const rescl_survey_image_info *i, char *out,
                              size_t bytes)
{
    enum { SHOWN = 8 };
    const rescl_dataset *set = rescl_survey_set(s, i->split);
    int32_t label[SHOWN];
    const size_t n = rescl_dataset_labels(set, i->sample, label, SHOWN);
    size_t used = 0;
    snprintf(out, bytes, "no label");
    for (size_t k = 0; k < n && k < SHOWN && used < bytes; k++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%s", k ? ";" : "",
                                 rescl_dataset_class_name(set, (size_t)label[k]));
    if (n > SHOWN && used < bytes)
        snprintf(out + used, bytes - used, ";...");
    return out;
}

static void print_group(const rescl_survey *s, const rescl_copies *g)
{
    char name[512], classes[512];
    rescl_survey_image_info i;
    for (size_t k = 0; k < g->count && rescl_survey_image(s, g->image[k], &i); k++) {
        name_image(s, g->image[k], &i, name, sizeof name);
        cli_print("  %s %s (%s)\n", k ? " =" : "  ", name,
                  class_text(s, &i, classes, sizeof classes));
    }
}

/* Those that matter first: of several classes, of several splits, the rest. */
static void print_copies(const rescl_survey *s, const rescl_survey_summary *sum)
{
    rescl_copies g;
    char number[64];
    size_t shown = 0;
    if (sum->groups == 0) {
        cli_print("copies      none\n");
        return;
    }
    cli_print("copies      %zu image%s exact cop%s of others\n", sum->copies,
              sum->copies == 1 ? " is an" : "s are", sum->copies == 1 ? "y" : "ies");
    for (size_t in = 0; in < rescl_survey_splits(s); in++)
        for (size_t of = in + 1; of < rescl_survey_splits(s); of++) {
            const size_t shared = rescl_survey_shared(s, in, of);
            if (shared > 0)
                cli_print("            %zu of %zu images of %s are in %s too\n", shared,
                          rescl_dataset_count(rescl_survey_set(s, of)), split_name(s, of),
                          split_name(s, in));
        }
    if (sum->contradictions > 0)
        cli_print("            %s of the same pixels %s of several classes\n",
                  cli_count(sum->contradictions, "group", number),
                  sum->contradictions == 1 ? "is" : "are");
    for (int rank = 0; rank < 3; rank++)
        for (size_t i = 0; shown < COPIES_SHOWN && rescl_survey_copies(s, i, &g); i++)
            if ((g.contradict ? 0 : g.shared ? 1 : 2) == rank) {
                print_group(s, &g);
                shown++;
            }
    if (sum->groups > shown)
        cli_print("    and %zu more groups; --json has all\n", sum->groups - shown);
}

static void print_unreadable(const rescl_survey *s, const rescl_survey_summary *sum)
{
    rescl_survey_image_info i;
    char name[512];
    size_t shown = 0;
    if (sum->unreadable == 0) {
        cli_print("unreadable  none\n");
        return;
    }
    cli_print("unreadable  %zu of %zu images\n", sum->unreadable, sum->images);
    for (size_t k = 0; shown < UNREAD_SHOWN && rescl_survey_image(s, k, &i); k++) {
        if (!i.reason)
            continue;
        name_image(s, k, &i, name, sizeof name);
        cli_print("    %s: %s\n", name, i.reason);
        shown++;
    }
    if (sum->unreadable > shown)
        cli_print("    and %zu more; --json has all\n", sum->unreadable - shown);
}

int cli_data_report_text(const rescl_survey *s, const char *path)
{
    rescl_survey_summary sum;
    rescl_survey_get_summary(s, &sum);
    cli_print("data        %s\n", path);
    for (size_t k = 0; k < rescl_survey_splits(s); k++)
        cli_print("%-11s %zu images\n", split_name(s, k),
                  rescl_dataset_count(rescl_survey_set(s, k)));
    cli_print("classes     %zu\n", rescl_survey_classes(s));
    print_labels(s);
    print_sizes(s, &sum);
    print_evenness(s, &sum);
    print_copies(s, &sum);
    print_unreadable(s, &sum);
    fputc('\n', cli_result());
    return print_classes(s);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *number(size_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *splits_json(const rescl_survey *s)
{
    json_t *all = json_array();
    const char *text;
    rescl_log_level level;
    for (size_t k = 0; k < rescl_survey_splits(s); k++) {
        const rescl_dataset *set = rescl_survey_set(s, k);
        json_t *o = json_object(), *notes = json_array();
        cli_json_set(o, "split", json_string(rescl_dataset_split(set)));
        cli_json_set(o, "images", number(rescl_dataset_count(set)));
        for (size_t n = 0; (text = rescl_dataset_note(set, n, &level)) != NULL; n++)
            cli_json_append(notes, cli_json_string(text));
        cli_json_set(o, "notes", notes);
        cli_json_append(all, o);
    }
    return all;
}

static json_t *classes_json(const rescl_survey *s)
{
    json_t *all = json_array();
    for (size_t c = 0; c < rescl_survey_classes(s); c++) {
        json_t *o = json_object();
        cli_json_set(o, "class", cli_json_string(rescl_survey_class_name(s, c)));
        for (size_t k = 0; k < rescl_survey_splits(s); k++)
            cli_json_set(o, split_name(s, k), number(rescl_survey_class_count(s, k, c)));
        cli_json_append(all, o);
    }
    return all;
}

/* null where each image has one. */
static json_t *labels_json(const rescl_survey *s)
{
    labels l;
    if (!count_labels(s, &l))
        return json_null();
    json_t *o = json_object();
    cli_json_set(o, "min", number(l.least));
    cli_json_set(o, "mean", cli_json_real(mean_labels(&l)));
    cli_json_set(o, "max", number(l.most));
    cli_json_set(o, "images_without", number(l.none));
    return o;
}

static json_t *range_json(const rescl_size_range *r)
{
    json_t *o = json_object();
    cli_json_set(o, "min", number(r->min));
    cli_json_set(o, "median", number(r->median));
    cli_json_set(o, "max", number(r->max));
    return o;
}

static json_t *sizes_json(const rescl_survey *s)
{
    json_t *all = json_array();
    rescl_size_count size;
    for (size_t i = 0; rescl_survey_size(s, i, &size); i++) {
        json_t *o = json_object();
        cli_json_set(o, "width", number(size.width));
        cli_json_set(o, "height", number(size.height));
        cli_json_set(o, "images", number(size.images));
        cli_json_append(all, o);
    }
    return all;
}

static json_t *kinds_json(const rescl_survey *s)
{
    json_t *all = json_array();
    rescl_kind_count kind;
    for (size_t i = 0; rescl_survey_kind(s, i, &kind); i++) {
        json_t *o = json_object();
        cli_json_set(o, "kind", json_string(kind.kind));
        cli_json_set(o, "colour", json_string(kind.colour));
        cli_json_set(o, "bits", number(kind.bits));
        cli_json_set(o, "images", number(kind.images));
        cli_json_append(all, o);
    }
    return all;
}

static json_t *image_json(const rescl_survey *s, const rescl_survey_image_info *i)
{
    json_t *o = json_object();
    const char *class_name = rescl_survey_class_name(s, i->class_index);
    cli_json_set(o, "split", json_string(split_name(s, i->split)));
    cli_json_set(o, "index", number(i->sample));
    cli_json_set(o, "path", i->path ? cli_json_string(i->path) : json_null());
    cli_json_set(o, "class", class_name ? cli_json_string(class_name) : json_null());
    return o;
}

static json_t *copies_json(const rescl_survey *s)
{
    json_t *all = json_array();
    rescl_copies g;
    rescl_survey_image_info image;
    for (size_t i = 0; rescl_survey_copies(s, i, &g); i++) {
        json_t *o = json_object(), *images = json_array();
        cli_json_set(o, "shared", json_boolean(g.shared));
        cli_json_set(o, "contradict", json_boolean(g.contradict));
        for (size_t k = 0; k < g.count && rescl_survey_image(s, g.image[k], &image); k++)
            cli_json_append(images, image_json(s, &image));
        cli_json_set(o, "images", images);
        cli_json_append(all, o);
    }
    return all;
}

static json_t *unreadable_json(const rescl_survey *s)
{
    json_t *all = json_array();
    rescl_survey_image_info i;
    for (size_t k = 0; rescl_survey_image(s, k, &i); k++) {
        if (!i.reason)
            continue;
        json_t *o = image_json(s, &i);
        cli_json_set(o, "reason", cli_json_string(i.reason));
        cli_json_append(all, o);
    }
    return all;
}

static json_t *shared_json(const rescl_survey *s)
{
    json_t *all = json_array();
    for (size_t in = 0; in < rescl_survey_splits(s); in++)
        for (size_t of = in + 1; of < rescl_survey_splits(s); of++) {
            json_t *o = json_object();
            cli_json_set(o, "of", json_string(split_name(s, of)));
            cli_json_set(o, "in", json_string(split_name(s, in)));
            cli_json_set(o, "images", number(rescl_survey_shared(s, in, of)));
            cli_json_append(all, o);
        }
    return all;
}

int cli_data_report_json(const rescl_survey *s, const char *path)
{
    rescl_survey_summary sum;
    json_t *o = json_object();
    rescl_survey_get_summary(s, &sum);
    cli_json_set(o, "data", cli_json_string(path));
    cli_json_set(o, "images", number(sum.images));
    cli_json_set(o, "splits", splits_json(s));
    cli_json_set(o, "classes", classes_json(s));
    cli_json_set(o, "labels", labels_json(s));
    cli_json_set(o, "unevenness", cli_json_real(unevenness(s, &sum)));
    cli_json_set(o, "width", range_json(&sum.width));
    cli_json_set(o, "height", range_json(&sum.height));
    cli_json_set(o, "sizes", sizes_json(s));
    cli_json_set(o, "kinds", kinds_json(s));
    cli_json_set(o, "copies", number(sum.copies));
    cli_json_set(o, "shared", shared_json(s));
    cli_json_set(o, "contradictions", number(sum.contradictions));
    cli_json_set(o, "copied", copies_json(s));
    cli_json_set(o, "unreadable", unreadable_json(s));
    return cli_json_print(o);
}
