/* The splits of a dataset and the names that they go by. */
#ifndef RS_SPLITS_H
#define RS_SPLITS_H

/* "train", "val" or "test" for a name of that split, in any case: "valid", "Testing", "dev"; NULL for
 * any other name. */
const char *rs_split_of(const char *name);

/* Streams of random numbers that draw what is held out; the class is added. */
#define RS_SPLIT_STREAM ((uint64_t)0x5653 << 48) /* "VS" */

#endif
