#include "jsonload.h"

#include "error.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

/* What jansson allocates for values, with what the allocator adds; their text comes on top. */
enum { OF_OBJECT = 300, OF_ARRAY = 130, OF_MEMBER = 60 };

/* Of text that is JSON; of any other it is a number. */
static size_t estimate(const char *text, size_t bytes)
{
    size_t memory = bytes;
    for (size_t i = 0; i < bytes; i++) {
        switch (text[i]) {
        case '"':
            for (i++; i < bytes && text[i] != '"'; i++)
                i += text[i] == '\\';
            break;
        case '{':
            memory += OF_OBJECT;
            break;
        case '[':
            memory += OF_ARRAY;
            break;
        case ',':
        case ':':
            memory += OF_MEMBER;
            break;
        default:
            break;
        }
    }
    return memory;
}

/* jansson's parser goes on where it has no memory for a part of a text: it finds then that this is no
 * JSON, or another, or reads and writes beyond its buffers. Its allocator, which stays the one that it
 * has, is watched for that, and leaves the parser at once; the parts read so far stay allocated. */
static _Thread_local jmp_buf *without_memory; /* NULL: this thread parses nothing */
static json_malloc_t next_malloc;
static json_free_t next_free;

static void *watch_malloc(size_t bytes)
{
    void *ptr = next_malloc(bytes);
    if (!ptr && without_memory)
        longjmp(*without_memory, 1);
    return ptr;
}

static void begin_watching(void)
{
    json_get_alloc_funcs(&next_malloc, &next_free);
    json_set_alloc_funcs(watch_malloc, next_free);
}

/* Where the library is unloaded before jansson is. */
__attribute__((destructor)) static void end_watching(void)
{
    json_malloc_t now;
    json_free_t ignored;
    json_get_alloc_funcs(&now, &ignored);
    if (now == watch_malloc)
        json_set_alloc_funcs(next_malloc, next_free);
}

static json_t *load(const char *text, size_t bytes, size_t flags, json_error_t *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    jmp_buf here;
    pthread_once(&once, begin_watching);
    if (setjmp(here) == 0) {
        without_memory = &here;
        json_t *value = json_loadb(text, bytes, flags, why);
        without_memory = NULL;
        return value;
    }
    without_memory = NULL;
    *why = (json_error_t){.line = 1, .column = 1};
    snprintf(why->text, sizeof why->text, "out of host memory");
    why->text[sizeof why->text - 1] = json_error_out_of_memory; /* as json_error_code reads it */
    return NULL;
}

json_t *rs_json_load(const char *text, size_t bytes, size_t flags, json_error_t *why)
{
    const size_t memory = estimate(text, bytes);
    if (memory <= RS_JSON_MEMORY)
        return load(text, bytes, flags, why);
    *why = (json_error_t){.line = 1, .column = 1};
    snprintf(why->text, sizeof why->text,
             "it lists so much that it takes %zu MiB of memory; at most %zu are spent on it",
             memory >> 20, RS_JSON_MEMORY >> 20);
    return NULL;
}

rescl_status rs_json_why(const json_error_t *why)
{
    return json_error_code(why) == json_error_out_of_memory ? RESCL_ERR_MEMORY : RESCL_ERR_FORMAT;
}

rescl_status rs_json_dump(const json_t *value, size_t flags, char **out)
{
    rescl_status st = RESCL_OK;
    char *text;

    errno = 0; /* jansson leaves out what it has no memory for */
    text = json_dumps(value, flags);
    RS_OOM(text && errno != ENOMEM ? text : NULL);
    *out = text, text = NULL;
out:
    free(text);
    return st;
}
