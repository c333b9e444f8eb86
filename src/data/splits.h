/* The splits of a dataset and the names that they go by. */
#ifndef RS_SPLITS_H
#define RS_SPLITS_H

#include <stddef.h>

/* "train", "val" or "test" for a name of that split, in any case: "valid", "Testing", "dev"; NULL for
 * any other name. */
const char *rs_split_of(const char *name);

/* The split that the first word of `*rest` says that says one: words are of letters, and "set", "data" or
 * "images" may end them ("seg_train", "test1", "TrainSet"; not "trains"). `*rest` becomes what is behind
 * the word; NULL: no word says one. */
const char *rs_split_next(const char **rest);

/* The names that a split goes by, "train" of "train" first; NULL behind the last. */
const char *rs_split_alias(const char *split, size_t i);

/* In paths and keys stands for the name of a split. */
#define RS_SPLIT_PLACE "{split}"
/* `text` with the name in that place, if it has one; NULL when memory is short. On the heap. */
char *rs_split_fill(const char *text, const char *name);

/* Streams of random numbers that draw what is held out; the class is added. */
#define RS_SPLIT_STREAM ((uint64_t)0x5653 << 48) /* "VS" */

#endif
