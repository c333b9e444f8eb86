/* The disk cache of compiled programs.
 *
 * Where: <cache folder>/programs/<32 hex digits of the key>.bin, one file for each program. Any
 * number of processes share the folder: a file appears whole under its name or not at all (written
 * beside it and renamed), and is never changed afterwards. One process at a time builds or loads a
 * program, under a lock on a file of <cache folder>/locks: the others then find it in the cache.
 * That also keeps drivers' own caches whole: PoCL 3.1 fails, or reads half a file, when two
 * processes compile one program at a time.
 *
 * Key: a hash of everything that the binary depends on: expanded source, options, device (name,
 * vendor, version), driver version, platform (name, version), rescl's version, and what the host's
 * processor says of itself, since different machines may share a folder.
 *
 * File, integers little-endian:
 *      0  8  magic "RSCLPRG1"
 *      8  8  bytes of the payload
 *     16 16  the key
 *     32 16  hash of the payload
 *     48  .  payload: what clGetProgramInfo(CL_PROGRAM_BINARIES) gave; a sentence where the driver keeps
 *            programs itself (RS_QUIRK_OWN_CACHE)
 *
 * Whatever is wrong with a file (short, long, any byte changed, another key, a binary that the
 * driver refuses) means that the program is built from source and the file replaced. Failing to
 * write is never an error. RESCL_VERBOSE=cache says what happens.
 *
 * Size: RESCL_CACHE_LIMIT bytes (256 MiB unless set; 0: no disk cache). After a write the files
 * longest unused go until three quarters of that are left; a hit renews a file's time. */
#ifndef RS_CACHE_H
#define RS_CACHE_H

#include "hash.h"

#include <stdbool.h>
#include <stddef.h>

struct rs_hw;

typedef struct rs_cache_key {
    rs_hash hash;
} rs_cache_key;

void rs_cache_key_make(const struct rs_hw *hw, const char *source, const char *options,
                       rs_cache_key *out);

/* Waits until no other thread or process holds the key's lock, at most a minute (a holder may be
 * stopped): what a lock saves is work, never a result. For rs_cache_unlock; -1 without a lock. */
int rs_cache_try_lock(const rs_cache_key *key);
void rs_cache_unlock(int lock);

/* The same for what needs doing once on a machine: -1, too, where rs_cache_mark was called for the
 * key, at once or while this one waited. Two keys may share a mark: that, too, costs only work. */
int rs_cache_try_lock_unmarked(const rs_cache_key *key);
void rs_cache_mark(int lock, const rs_cache_key *key);

/* The payload on the heap, or false. */
bool rs_cache_try_load(const rs_cache_key *key, char **payload, size_t *bytes);
void rs_cache_try_store(const rs_cache_key *key, const void *payload, size_t bytes);

#endif
