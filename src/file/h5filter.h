/* The filters that chunks of HDF5 datasets go through, undone by our own code: deflate (gzip), h5py's
 * lzf, shuffle and fletcher32. https://docs.hdfgroup.org/hdf5/develop/_f_i_l_t_e_r.html; lzf is
 * http://oldhome.schmorp.de/marc/liblzf.html */
#ifndef RS_H5FILTER_H
#define RS_H5FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RS_H5_FILTERS 4 /* of a dataset, at most */

/* HDF5's numbers of them. */
enum { RS_H5_DEFLATE = 1, RS_H5_SHUFFLE = 2, RS_H5_FLETCHER32 = 3, RS_H5_LZF = 32000 };

typedef struct rs_h5_filter {
    uint64_t id;
    uint64_t value_bytes; /* shuffle: of the values whose bytes it sorts */
} rs_h5_filter;

/* In the order in which they were applied. */
typedef struct rs_h5_pipeline {
    rs_h5_filter filter[RS_H5_FILTERS];
    size_t count;
} rs_h5_pipeline;

bool rs_h5_filter_known(uint64_t id);

/* How much larger what it unpacks to can be than what it packed; 1 for a filter that packs nothing. */
uint64_t rs_h5_filter_ratio(uint64_t id);

/* How many bytes a chunk of `bytes` has in the file; 0 where that depends on its values. Bit i of
 * `skipped` says that the chunk did not go through filter i. */
uint64_t rs_h5_packed_bytes(const rs_h5_pipeline *p, uint64_t skipped, uint64_t bytes);

/* Undoes the filters of a chunk: `packed_bytes` at `packed`, whose memory is used, become
 * `bytes` at `plain`. Both have room for rs_h5_room(bytes, packed_bytes). False when it is damaged;
 * then *checksum tells whether that is a checksum's word. */
bool rs_h5_unpack(const rs_h5_pipeline *p, uint64_t skipped, uint8_t *packed, size_t packed_bytes,
                  uint8_t *plain, size_t bytes, bool *checksum);
size_t rs_h5_room(size_t bytes, size_t packed_bytes);

#endif
