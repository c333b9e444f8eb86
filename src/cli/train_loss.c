#include "train_loss.h"

#include "cli.h"
#include "output.h"

#include <string.h>

/* Numbers of another loss than the one that is chosen change nothing. Config files may name all options,
 * with their defaults. */
static bool check_numbers(const cli_args *args, const char *loss)
{
    static const struct {
        cli_opt option;
        const char *loss;
    } numbers[] = {
        {OPT_bce_target_thresh, "bce"}, {OPT_focal_gamma, "focal"}, {OPT_focal_alpha, "focal"}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const cli_opt option = numbers[i].option;
        const cli_value *v = &args->value[option];
        const char *name = cli_opt_get(option)->name;
        const bool is_default = strcmp(v->text, cli_opt_get(option)->def) == 0;
        if (strcmp(loss, numbers[i].loss) == 0 || (v->origin != ORIGIN_FLAG && is_default))
            continue;
        cli_usage_error(
            "--%s is a number of --loss %s, and the loss is %s: give --loss %s, or leave "
            "--%s out",
            name, numbers[i].loss, loss, numbers[i].loss, name);
        return false;
    }
    return true;
}

static double number_of(const cli_args *args, const char *name)
{
    return cli_real(args, cli_opt_find(name, strlen(name), args->verb));
}

/* A threshold of targets that are 0 and 1 changes nothing. */
static bool check_threshold(const cli_args *args)
{
    const bool acts = number_of(args, "mixup") > 0 || number_of(args, "cutmix") > 0 ||
                      cli_real(args, OPT_label_smoothing) > 0;
    if (acts || !(cli_real(args, OPT_bce_target_thresh) > 0))
        return true;
    cli_usage_error("--bce-target-thresh is of targets between 0 and 1, and there are none without "
                    "--mixup, --cutmix or --label-smoothing: leave it out");
    return false;
}

/* Several labels are learned by a loss of each class. Where none was chosen it is binary cross-entropy. */
static bool settle_loss(const cli_args *args)
{
    const bool given = args->value[OPT_loss].origin == ORIGIN_FLAG;
    cli_args settled = *args;
    if (!cli_bool(args, OPT_multi_label) || strcmp(cli_str(args, OPT_loss), "cross_entropy") != 0)
        return true;
    if (given)
        cli_usage_error("--loss cross_entropy chooses one class, and images have any number of "
                        "labels here: expected bce or focal");
    return !given && cli_args_set(&settled, OPT_loss, "bce", ORIGIN_DEFAULT, NULL);
}

bool cli_train_loss(const cli_args *args, rescl_model_options *o)
{
    if (!settle_loss(args))
        return false;
    const char *name = cli_str(args, OPT_loss), *known;
    o->multi_label = cli_bool(args, OPT_multi_label);
    o->label_smoothing = cli_real(args, OPT_label_smoothing);
    for (int i = 0; (known = rescl_loss_name((rescl_loss)i)) != NULL; i++)
        if (strcmp(name, known) == 0)
            o->loss = (rescl_loss)i;
    o->bce_target_thresh = cli_real(args, OPT_bce_target_thresh);
    o->focal_gamma = cli_real(args, OPT_focal_gamma);
    o->focal_alpha = cli_real(args, OPT_focal_alpha);
    return check_numbers(args, name) && check_threshold(args);
}
