#include "train_loss.h"

#include <string.h>

void cli_train_loss(const cli_args *args, rescl_model_options *o)
{
    const char *name = cli_str(args, OPT_loss), *known;
    o->label_smoothing = cli_real(args, OPT_label_smoothing);
    for (int i = 0; (known = rescl_loss_name((rescl_loss)i)) != NULL; i++)
        if (strcmp(name, known) == 0)
            o->loss = (rescl_loss)i;
    o->bce_target_thresh = cli_real(args, OPT_bce_target_thresh);
    o->focal_gamma = cli_real(args, OPT_focal_gamma);
    o->focal_alpha = cli_real(args, OPT_focal_alpha);
}
