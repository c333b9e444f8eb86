/* Lists what a training step launches on a GPU which need not be here:
 *
 *     list_step nv:sm_90 resnet50 224 256 [bf16]
 *
 * prints for each kernel of each layer's passes, separated by tabs: the layer's number, its operation,
 * pass and implementation, the kernel, its program (the stem of its file and its options), the pass'
 * multiply-adds, the shapes of src (joined by ';'), dst and the weights ("-": none), of each diff_src
 * whether it is wanted (1) and adds (2) as a digit, the parts of the moments and of the sums that come in
 * and go out, and the bytes of the mask and of scratch. bench/gpu/roofline.py reads it. */
#include "net.h"
#include "netmodel.h"
#include "standin.h"

#include <stdio.h>
#include <stdlib.h>

static void print_shape(const rs_shape *s)
{
    for (int i = 0; i < s->ndim; i++)
        printf("%s%zu", i ? "x" : "", s->dim[i]);
}

static double multiply_adds(const rs_plan *plan)
{
    return plan->problem.op->macs ? plan->problem.op->macs(&plan->problem) : 0.0;
}

static void print_kernel(size_t node, const rs_plan *plan, const rs_plan_kernel *k)
{
    const rs_problem *p = &plan->problem;
    printf("%zu\t%s\t%s\t%s\t%s\t%s%s%s\t%.0f\t", node, p->op->name, rs_pass_name(plan->pass),
           plan->choice.impl->name, k->name, k->file, k->options[0] ? " " : "", k->options,
           multiply_adds(plan));
    for (int i = 0; i < p->nsrc; i++) {
        printf("%s", i ? ";" : "");
        print_shape(&p->src[i]);
    }
    printf("\t");
    print_shape(&p->dst);
    printf("\t");
    if (p->nparam)
        print_shape(&p->param[0].shape);
    else
        printf("-");
    printf("\t");
    for (int i = 0; i < p->nsrc; i++)
        printf("%d", (p->want_diff[i] ? 1 : 0) + (p->accumulate[i] ? 2 : 0));
    printf("\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\t%zu\n", p->moments_parts, plan->moments_parts,
           p->sums_parts, plan->sums_parts, plan->mask_bytes, plan->scratch_bytes,
           rs_dtype_bytes(p->src_type[0]), rs_dtype_bytes(p->dst_type));
}

int main(int argc, char **argv)
{
    rescl_model *m = NULL;
    rs_net *net = NULL;
    rescl_precision precision = RESCL_PRECISION_FP32;
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: list_step TARGET MODEL SIZE BATCH [PRECISION]\n");
        return 2;
    }
    rescl_device *dev = standin_open(argv[1]);
    const rescl_model_options o = {.struct_size = sizeof o,
                                   .name = argv[2],
                                   .classes = 1000,
                                   .image_size = strtoul(argv[3], NULL, 10)};
    must(rs_model_build(&o, &m));
    if (argc == 6)
        must(rescl_precision_find(argv[5], &precision));
    must(rs_net_outline(dev, m->graph, strtoul(argv[4], NULL, 10), RS_MODE_TRAIN, precision, &net));
    for (size_t i = 0; i < rs_net_nodes(net); i++)
        for (int pass = 0; pass < RS_PASS_COUNT; pass++) {
            const rs_plan *plan = rs_net_plan_at(net, i, (rs_pass)pass);
            for (int k = 0; plan && k < plan->nkernels; k++)
                print_kernel(i, plan, &plan->kernel[k]);
        }
    rs_net_destroy(net);
    rescl_model_destroy(m);
    standin_close();
    return 0;
}
