#include "treesum.h"

#define GRAIN 16 /* floats that segments are multiples of: a cache line */

static bool are_halves(const rs_tree_block *a, const rs_tree_block *b)
{
    const size_t both = a->leaves + b->leaves;
    return a->leaves == b->leaves && (a->leaves & (a->leaves - 1)) == 0 && a->first % both == 0;
}

static rs_tree_add join_last(rs_tree *t)
{
    rs_tree_block *left = &t->block[t->count - 2];
    const rs_tree_block *right = &t->block[t->count - 1];
    const rs_tree_add add = {left->values, right->values};

    left->leaves += right->leaves;
    t->count--;
    return add;
}

size_t rs_tree_push(rs_tree *t, const rs_tree_block *block, rs_tree_add *add)
{
    size_t n = 0;

    t->block[t->count++] = *block;
    while (t->count > 1 && are_halves(&t->block[t->count - 2], &t->block[t->count - 1]))
        add[n++] = join_last(t);
    return n;
}

size_t rs_tree_close(rs_tree *t, rs_tree_add *add)
{
    size_t n = 0;

    while (t->count > 1)
        add[n++] = join_last(t);
    return n;
}

rs_range rs_range_segment(const rs_range *all, size_t part, size_t parts)
{
    const size_t grains = (all->count + GRAIN - 1) / GRAIN;
    const size_t begin = grains * part / parts * GRAIN;
    const size_t end = grains * (part + 1) / parts * GRAIN;
    return begin < all->count
               ? (rs_range){all->first + begin, (end < all->count ? end : all->count) - begin}
               : (rs_range){all->first, 0};
}

void rs_tree_do(const rs_tree_add *add, size_t first, size_t count)
{
    float *restrict left = add->left + first;
    const float *restrict right = add->right + first;

    for (size_t i = 0; i < count; i++)
        left[i] += right[i];
}
