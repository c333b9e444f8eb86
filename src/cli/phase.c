#include "phase.h"

#include "clock.h"
#include "output.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What takes less is not worth a line. */
#define QUIET_SECONDS 1.0
/* Between the lines of a long one, where there is no terminal. */
#define LINE_SECONDS 30.0

static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    pthread_t thread;
    bool started, ended, visible;
    bool shown;   /* the line stands there, or the plain one was printed */
    double begin; /* when the phase began */
    double next;  /* seconds after which a line is due where there is no terminal */
    char text[128], plain[192];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void show(double seconds)
{
    char duration[32], text[192];
    if (!cli_terminal()) {
        if (!state.shown)
            cli_note("%s", state.plain);
        else if (seconds >= state.next)
            cli_note("%s (%s)", state.text, cli_duration(seconds, duration));
        if (seconds >= state.next)
            state.next = seconds + LINE_SECONDS;
    } else {
        const int len =
            snprintf(text, sizeof text, "%s (%s)", state.text, cli_duration(seconds, duration));
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
        if (!state.visible)
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

void cli_phase_begin(const char *text, const char *plain)
{
    if (cli_quiet())
        return;
    cli_phase_end();
    pthread_mutex_lock(&state.lock);
    snprintf(state.text, sizeof state.text, "%s", text);
    snprintf(state.plain, sizeof state.plain, "%s", plain);
    state.ended = state.shown = false;
    state.visible = true;
    state.begin = rs_clock_seconds();
    state.next = LINE_SECONDS;
    state.started = pthread_create(&state.thread, NULL, tick, NULL) == 0;
    pthread_mutex_unlock(&state.lock);
}

void cli_phase_update(const char *text, bool visible)
{
    pthread_mutex_lock(&state.lock);
    snprintf(state.text, sizeof state.text, "%s", text);
    state.visible = visible;
    pthread_mutex_unlock(&state.lock);
}

void cli_phase_end(void)
{
    pthread_mutex_lock(&state.lock);
    const bool started = state.started;
    state.ended = true;
    state.started = false;
    pthread_cond_signal(&state.wake);
    pthread_mutex_unlock(&state.lock);
    if (started)
        pthread_join(state.thread, NULL);
}
