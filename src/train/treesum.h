/* A sum in a fixed order, whoever adds it up.
 *
 * Leaves 0 to n - 1 are the ends of a binary tree: a range of them is split at the largest power of two
 * below its length, and the sum of a range is the sum of its first part plus that of the second. A block is
 * the sum of a range that is a node of this tree. Blocks are joined as they come, from the left: who
 * holds some leaves that follow each other joins what can be joined, and what remains is joined with the
 * blocks of others, with the same bits however the leaves are spread.
 *
 * Nothing is added here: what is to be added comes out as a list, to be done in its order, part by part where
 * that is wanted. */
#ifndef RS_TREESUM_H
#define RS_TREESUM_H

#include <stdbool.h>
#include <stddef.h>

#define RS_TREE_BLOCKS 16 /* of at most 64 leaves: see rs_tree_push */

typedef struct rs_tree_block {
    size_t first, leaves;
    float *values;
} rs_tree_block;

/* left[i] += right[i]; the right one is of no use then. */
typedef struct rs_tree_add {
    float *left, *right;
} rs_tree_add;

/* Blocks in the order of their leaves, no two of which can be joined. */
typedef struct rs_tree {
    rs_tree_block block[RS_TREE_BLOCKS];
    size_t count;
} rs_tree;

/* Appends the block that follows. The additions that join what can be joined go to `add`, which has room
 * for RS_TREE_BLOCKS; gives their number. */
size_t rs_tree_push(rs_tree *t, const rs_tree_block *block, rs_tree_add *add);
/* After the last leaf: joins what is left, into the first block, which is the sum. */
size_t rs_tree_close(rs_tree *t, rs_tree_add *add);

/* Floats of the images that are added. */
typedef struct rs_range {
    size_t first, count;
} rs_range;

/* The segment of a range that the part-th of `parts` adds up: whole cache lines but for the last one's end. */
rs_range rs_range_segment(const rs_range *all, size_t part, size_t parts);

/* Does an addition on `count` floats from `first` on. */
void rs_tree_do(const rs_tree_add *add, size_t first, size_t count);

#endif
