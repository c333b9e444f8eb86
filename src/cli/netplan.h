/* A network as one would draw it: its layers in chains and in residual blocks, equal blocks in a row told
 * as one. */
#ifndef CLI_NETPLAN_H
#define CLI_NETPLAN_H

#include <rescl/model.h>

enum { CLI_BRANCHES = 4 };

typedef struct cli_net_layer {
    rescl_layer_info info;
    size_t input[3];       /* places of the layers that it reads */
    size_t rows, columns;  /* of its filters; 0: it has none */
    size_t stride, groups; /* 1 where there is nothing to say */
} cli_net_layer;

/* Layers of a branch, one behind the other; count 0: what the block reads goes to its join as it is. */
typedef struct cli_net_branch {
    size_t *layer; /* borrowed from the plan */
    size_t count;
} cli_net_branch;

/* A chain of layers, or a block that branches and joins. */
typedef struct cli_net_part {
    size_t first, last; /* places of its layers; of the first of equal blocks */
    size_t join;        /* of a block: the layer that joins, which follow layers up to `last` */
    cli_net_branch branch[CLI_BRANCHES]; /* the longest first */
    size_t branches;                     /* 0: a chain */
    size_t repeats;   /* equal blocks in a row that this one stands for, at least 1 */
    size_t last_join; /* of the last of them */
} cli_net_part;

typedef struct cli_net_plan {
    cli_net_layer *layer;
    size_t layers;
    cli_net_part *part;
    size_t parts;
    size_t *chain; /* what branches list */
} cli_net_plan;

/* With `expand` each block is a part. The names are the model's. False after a message if memory was
 * short; free it in any case. */
bool cli_net_plan_init(cli_net_plan *p, const rescl_model *model, bool expand);
void cli_net_plan_fini(cli_net_plan *p);

#endif
