#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rescl_log_fn log_fn;
static void *log_user;

static pthread_once_t topics_once = PTHREAD_ONCE_INIT;
static char *topics; /* what RESCL_VERBOSE held; NULL: nothing. Kept for the life of the process. */

void rescl_log_set(rescl_log_fn fn, void *user)
{
    log_fn = fn;
    log_user = user;
}

void rs_log(rescl_log_level level, const char *fmt, ...)
{
    if (!log_fn)
        return;
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    char *longer = NULL;
    if (len >= (int)sizeof text && (longer = malloc((size_t)len + 1)) != NULL) {
        va_start(args, fmt);
        vsnprintf(longer, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    log_fn(level, longer ? longer : text, log_user);
    free(longer);
}

static void read_topics(void)
{
    const char *value = getenv("RESCL_VERBOSE");
    if (value && *value)
        topics = strdup(value);
}

bool rs_verbose(const char *topic)
{
    pthread_once(&topics_once, read_topics);
    size_t want = strlen(topic);
    for (const char *word = topics; word;) {
        size_t len = strcspn(word, ",");
        if ((len == want && memcmp(word, topic, len) == 0) ||
            (len == 3 && memcmp(word, "all", 3) == 0))
            return true;
        word = word[len] ? word + len + 1 : NULL;
    }
    return false;
}
