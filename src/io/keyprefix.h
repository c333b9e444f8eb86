/* What programs put before the names of a network's tensors: "module." (PyTorch's DataParallel),
 * "_orig_mod." (torch.compile), "model." (Lightning), "backbone.", "encoder.", or several of them. */
#ifndef RS_KEYPREFIX_H
#define RS_KEYPREFIX_H

#include "format.h"

/* The prefix after which the most names are those of layers that `layers` has, for at least a quarter
 * of all; *out is a heap copy, or NULL where names begin with a layer's. RESCL_ERR_FORMAT when two
 * prefixes explain as many, so that the file holds two networks. */
rescl_status rs_key_prefix(const char *path, const rs_wfile_list *list, const rs_name_index *layers,
                           char **out) RESCL_CHECK;

#endif
