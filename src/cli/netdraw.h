/* A network as a drawing: boxes of layers from the input down, residual blocks in frames. */
#ifndef CLI_NETDRAW_H
#define CLI_NETDRAW_H

#include "drawing.h"
#include "netplan.h"

typedef struct cli_netdraw_options {
    bool shapes, params; /* whether they are written beside the layers */
} cli_netdraw_options;

/* Fills an empty drawing, whose `failed` says whether memory was short. */
void cli_netdraw(const cli_net_plan *plan, const rescl_model_info *info,
                 const cli_netdraw_options *options, cli_drawing *out);

#endif
