/* What store.c, net.c and net_run.c share. */
#ifndef RS_NET_INTERNAL_H
#define RS_NET_INTERNAL_H

#include "clip.h"
#include "net.h"
#include "planner.h"

struct rs_store {
    rescl_device *dev;
    const rs_graph *graph;
    rs_store_rule rule;
    bool training;
    rs_optim *optim;            /* NULL for inference */
    int nstates;                /* optimiser state arrays */
    rs_layout trainable, fixed; /* two sets of arenas; fixed: running statistics, frozen layers */
    int group[RS_MAX_ARENAS];   /* of the trainable arenas: whose parameters they hold */
    rs_buffer *param[RS_MAX_ARENAS], *grad[RS_MAX_ARENAS], *fixed_value[RS_MAX_ARENAS];
    rs_buffer *state[RS_OPTIM_STATES][RS_MAX_ARENAS];
    rs_tensor_sums tensors[RS_MAX_ARENAS]; /* for an optimiser that needs them */
    rs_bucket *bucket;                     /* of the gradients */
    size_t nbuckets, *bucket_of;           /* and that of each trainable parameter */
    bool planned;                          /* a net that trains was planned with these buckets */
    bool recompute;                        /* of the nets that train */
    rs_block *block;                       /* place of each graph parameter in its set of arenas */
    rs_tensor *value, *diff; /* views, by graph parameter; diff only of trainable ones */
    uint64_t version;        /* counts changes of the parameters */
    /* Accumulation and clipping: gradients.h; moving averages: average.h. NULL where they are not asked for. */
    rs_buffer *sum[RS_MAX_ARENAS]; /* of gradients */
    rs_kernel *add;
    rs_clip *clip;
    rs_buffer *average[RS_MAX_ARENAS], *fixed_average[RS_MAX_ARENAS];
    rs_kernel *to_average, *swap;
    rs_buffer *kept[RS_MAX_ARENAS]; /* of fixed_value, or NULL: rs_store_keep_statistics */
    rs_kernel *unscale;             /* of scaled losses: lossscale.h */
    rs_buffer *overflow;            /* whether its last launches met what is not finite; or NULL */
};

/* Arenas of a layout, zeros. */
rescl_status rs_store_make_arenas(rs_store *s, const rs_layout *layout, rs_buffer **arena)
    RESCL_CHECK;
/* Copies graph parameters into arenas, each in one transfer; `fixed` NULL: only those that are trained. And
 * out of them: all or, after a failure, none. */
rescl_status rs_store_put(rs_store *s, rs_buffer *const *trainable, rs_buffer *const *fixed,
                          const rs_weights *w) RESCL_CHECK;
rescl_status rs_store_take(rs_store *s, rs_buffer *const *trainable, rs_buffer *const *fixed,
                           rs_weights *w) RESCL_CHECK;
/* What their files made. */
void rs_store_drop_sum(rs_store *s);
void rs_store_drop_average(rs_store *s);

/* One pass of one node: what to run, on what. */
typedef struct rs_call {
    rs_plan plan;
    rs_buffer *scratch, *packed;
    int scratch_block, packed_block; /* into rs_net.block, or -1 */
} rs_call;

/* A node with its tensors. */
typedef struct rs_stage {
    const rs_node *node;
    bool has[RS_PASS_COUNT];
    rs_call call[RS_PASS_COUNT];
    char label[RS_PASS_COUNT][96]; /* "<op> <pass> <layer>", for the profile */
    rs_args args;                  /* all but scratch and packed */
    int ws_block[RS_OP_WS];
    int moments_block; /* the moments that its forward leaves, or -1 */
    int mask_block;    /* the mask that its forward leaves, or -1 */
    int sums_block;    /* the sums that its backward leaves, or -1 */
    int fold_block[2]; /* folded weight and bias, if node->folds */
    /* Forward runs a second time right before backward of node `again_before`; or that is -1. */
    int again_before;
    int bwd_at, again_at; /* when backward begins, and when forward runs again: net_memory.c */
} rs_stage;

struct rs_net {
    rescl_device *dev;
    rs_store *store; /* NULL in an outline */
    rs_graph *graph; /* fused copy */
    size_t batch;
    rs_mode mode;
    rs_stage *stage;               /* one per node, in order */
    int *value_block, *diff_block; /* by graph value: index into block, or -1 */
    bool *wants_diff;              /* by graph value */
    rs_block *block;
    rs_buffer **view; /* of each block, once bound */
    size_t nblocks, block_cap;
    int end; /* the time behind all passes: net_memory.c */
    rs_layout layout;
    size_t *bucket_node;       /* training: by bucket, the node after which it is announced */
    float loss_diff;           /* diff of the losses in this step */
    const rs_meeting *meeting; /* NULL: there is no other replica */
    struct rs_workspace *workspace;
    rs_kernel *fold;         /* NULL: no node folds */
    bool check_numerics;     /* each pass waits, and what it wrote is looked at */
    bool recompute, again;   /* some forward passes run again; one does now: recompute.c */
    uint64_t packed_version; /* of the parameters in the packed and folded buffers; 0: none */
};

/* The node whose output's moments node `i` can use, or -1. */
int rs_moments_source(const rs_graph *g, const rs_problem *p, size_t i);
/* The node that may take the sums of node i's diff_src[0], its own diff_dst of which node i writes the
 * last part, or -1. */
int rs_sums_sink(const rs_net *n, size_t i);

/* Forgets the net's blocks and lists them anew, by what runs when; nothing is placed. */
rescl_status rs_net_list_blocks(rs_net *n) RESCL_CHECK;

struct rs_workspace {
    size_t arenas;
    rs_buffer *arena[RS_MAX_ARENAS];
    const rs_net *last; /* the net that ran last: another's packed buffers are overwritten */
};

#endif
