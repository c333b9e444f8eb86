#include "compiling.h"

#include "clock.h"
#include "output.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What takes less is not worth a line. */
#define QUIET_SECONDS 1.0

static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    pthread_t thread;
    bool watching, started, ended, held;
    bool shown;   /* the line stands there, or the plain one was printed */
    double begin; /* when the first program began to compile */
    size_t building, built;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void show(double seconds)
{
    char duration[32], text[96];
    if (!cli_terminal()) {
        if (!state.shown)
            cli_note("compiling kernels for this device, which takes a while the first time");
    } else {
        const int len = snprintf(text, sizeof text, "compiling kernels (%zu done, %s)", state.built,
                                 cli_duration(seconds, duration));
        const size_t room = cli_columns(STDERR_FILENO) - 1;
        fprintf(stderr, "\r\033[K%.*s", len > 0 && (size_t)len > room ? (int)room : len, text);
        cli_line_open(true);
    }
    state.shown = true;
}

static void hide(void)
{
    if (state.shown && cli_terminal()) {
        fputs("\r\033[K", stderr);
        cli_line_open(false);
        state.shown = false;
    }
}

static void *tick(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&state.lock);
    while (!state.ended) {
        const double seconds = rs_clock_seconds() - state.begin;
        if (state.building == 0 && !state.held)
            hide();
        else if (seconds >= QUIET_SECONDS)
            show(seconds);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 250000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&state.wake, &state.lock, &until);
    }
    hide();
    pthread_mutex_unlock(&state.lock);
    return NULL;
}

static void on_build(const rescl_build_event *event, void *user)
{
    (void)user;
    pthread_mutex_lock(&state.lock);
    state.building = event->done ? state.building - 1 : state.building + 1;
    state.built += event->done;
    if (!state.started && !state.ended) {
        state.begin = rs_clock_seconds();
        state.started = pthread_create(&state.thread, NULL, tick, NULL) == 0;
    }
    pthread_mutex_unlock(&state.lock);
}

void cli_compiling_watch(rescl_device *device, bool held)
{
    if (cli_quiet())
        return;
    state.watching = true;
    state.started = state.ended = state.shown = false;
    state.building = state.built = 0;
    state.held = held;
    rescl_device_on_build(device, on_build, NULL);
}

void cli_compiling_end(void)
{
    if (!state.watching)
        return;
    state.watching = false;
    pthread_mutex_lock(&state.lock);
    state.ended = true;
    const bool started = state.started;
    pthread_cond_signal(&state.wake);
    pthread_mutex_unlock(&state.lock);
    if (started)
        pthread_join(state.thread, NULL);
}
