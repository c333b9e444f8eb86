#include "train_plan.h"

#include "cli.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

enum {
    LISTED = 12, /* classes that are listed one by one */
    UNEVEN = 3   /* times as many images in one class as in another that are worth a warning */
};

/* "cat (500), dog (300)"; false if memory was short. */
static bool list_classes(const rescl_dataset *set, const size_t *counts, size_t classes)
{
    char *text = NULL, number[32];
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    for (size_t i = 0; f && i < classes; i++)
        fprintf(f, "%s%s (%s)", i ? ", " : "", rescl_dataset_class_name(set, i),
                cli_thousands(counts[i], number));
    if (f && fclose(f) == 0)
        cli_note("classes %s", text);
    free(text);
    return f != NULL;
}

void cli_classes_note(const rescl_dataset *train, const rescl_train_options *options)
{
    const size_t classes = rescl_dataset_classes(train);
    size_t *counts = calloc(classes + 1, sizeof *counts), least = 0, most = 0;
    char few[64], many[64], number[32];
    if (!counts) {
        cli_short_of_memory();
        return;
    }
    rescl_dataset_class_counts(train, counts);
    for (size_t i = 1; i < classes; i++) {
        least = counts[i] < counts[least] ? i : least;
        most = counts[i] > counts[most] ? i : most;
    }
    if (classes <= LISTED && !list_classes(train, counts, classes))
        cli_short_of_memory();
    if (classes > LISTED && counts[least] == counts[most])
        cli_note("classes %s, %s each", cli_thousands(classes, number),
                 cli_count(counts[least], "image", few));
    else if (classes > LISTED)
        cli_note("classes %s, from %s of '%s' to %zu of '%s'", cli_thousands(classes, number),
                 cli_count(counts[least], "image", few), rescl_dataset_class_name(train, least),
                 counts[most], rescl_dataset_class_name(train, most));
    const bool balanced = options->class_weights || strcmp(options->sampler, "balanced") == 0;
    const char *cure = rescl_dataset_multi_label(train)
                           ? "more images of the rare ones act"
                           : "--class-weights balanced or --sampler balanced acts";
    if (counts[most] >= UNEVEN * counts[least] && classes > 1 && !balanced)
        cli_warn(
            "the classes are uneven: %s of '%s' and %s of '%s'. A network leans towards what it "
            "sees often; the recall of each class shows whether it does; %s against it",
            cli_count(counts[least], "image", few), rescl_dataset_class_name(train, least),
            cli_count(counts[most], "image", many), rescl_dataset_class_name(train, most), cure);
    if (options->class_weights)
        cli_note("balance class weights: %s", options->class_weights);
    if (strcmp(options->sampler, "balanced") == 0)
        cli_note("balance as many images of each class in an epoch");
    free(counts);
}

void cli_memory_note(rescl_device *device, const rescl_model *model,
                     const rescl_train_options *options)
{
    rescl_memory m;
    char all[32], parameters[32], gradients[32], optimiser[32], activations[32], there[32];
    char teacher[64] = "";
    const uint64_t has = rescl_device_get_info(device)->global_bytes;
    if (rescl_memory_needed(device, model, options->batch_size, options, &m) != RESCL_OK)
        return; /* what is wrong shows when the trainer is made */
    const uint64_t needs = m.parameters + m.gradients + m.optimiser + m.activations + m.teacher;
    if (options->teacher)
        snprintf(teacher, sizeof teacher, ", teacher %s", cli_bytes(m.teacher, there));
    cli_note("memory  %s of %s: parameters %s, gradients %s, %s %s, activations %s%s",
             cli_bytes(needs, all), cli_bytes(has, there), cli_bytes(m.parameters, parameters),
             cli_bytes(m.gradients, gradients), options->opt, cli_bytes(m.optimiser, optimiser),
             cli_bytes(m.activations, activations), teacher);
    if (needs > has)
        cli_warn("a step needs %s of memory, the device has %s: a smaller --batch-size needs less",
                 all, there);
}

/* What it learns from besides the labels. */
static void teacher_note(const rescl_train_options *o)
{
    if (!o->teacher)
        return;
    if (strcmp(o->distillation_type, "soft") == 0)
        cli_note("teacher %s: %g of the loss, by its probabilities at a temperature of %g",
                 o->teacher, o->distillation_alpha, o->distillation_tau);
    else
        cli_note("teacher %s: %g of the loss, by its class", o->teacher, o->distillation_alpha);
}

/* "val_loss": what decides, as it is called. */
static const char *monitor_name(const rescl_train_options *o)
{
    return strcmp(o->monitor, "auto") == 0 ? "the loss" : o->monitor;
}

/* " than 0.9 and before": "" where there is no --baseline. */
static const char *than_baseline(const rescl_train_options *o, char out[48])
{
    *out = '\0';
    if (o->baseline > 0)
        snprintf(out, 48, " than %g and before", o->baseline);
    return out;
}

void cli_plan_note(const rescl_train_options *o, size_t steps)
{
    char body[48] = "", early[160] = "", epochs[64], each[64], wait[64], number[32], than[48];
    size_t all = o->epochs * steps;
    if (o->max_steps > 0 && o->max_steps < all)
        all = o->max_steps;
    if (o->lr_body > 0)
        snprintf(body, sizeof body, ", of the body %g", o->lr_body);
    if (o->patience > 0)
        snprintf(early, sizeof early, "; ends when %s is no better%s for %s", monitor_name(o),
                 than_baseline(o, than), cli_count(o->patience, "epoch", wait));
    cli_note("plan    %s of %s, %s in all; %s, rate %g%s (%s)%s",
             cli_count(o->epochs, "epoch", epochs), cli_count(steps, "step", each),
             cli_thousands(all, number), o->opt, o->lr, body, o->lr_scheduler, early);
    teacher_note(o);
}

void cli_stopped_note(const rescl_train_options *o, size_t epochs)
{
    char number[64], than[48];
    cli_note("ended   after epoch %zu of %zu: %s was no better%s for %s (--patience)", epochs,
             o->epochs, monitor_name(o), than_baseline(o, than),
             cli_count(o->patience, "epoch", number));
}
