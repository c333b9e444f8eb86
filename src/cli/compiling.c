#include "compiling.h"

#include "output.h"
#include "phase.h"

#include <pthread.h>
#include <stdio.h>

static struct {
    pthread_mutex_t lock; /* guards the rest */
    bool watching, begun, held;
    size_t building, built;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_build(const rescl_build_event *event, void *user)
{
    char text[64];
    (void)user;
    pthread_mutex_lock(&state.lock);
    state.building = event->done ? state.building - 1 : state.building + 1;
    state.built += event->done;
    snprintf(text, sizeof text, "compiling kernels, %zu done", state.built);
    if (!state.begun && state.watching)
        cli_phase_begin(text,
                        "compiling kernels for this device, which takes a while the first time");
    else if (state.watching)
        cli_phase_update(text, state.building > 0 || state.held);
    state.begun = true;
    pthread_mutex_unlock(&state.lock);
}

void cli_compiling_watch(rescl_device *device, bool held)
{
    if (cli_quiet())
        return;
    pthread_mutex_lock(&state.lock);
    state.watching = true;
    state.begun = false;
    state.building = state.built = 0;
    state.held = held;
    pthread_mutex_unlock(&state.lock);
    rescl_device_on_build(device, on_build, NULL);
}

void cli_compiling_end(void)
{
    pthread_mutex_lock(&state.lock);
    const bool watching = state.watching;
    state.watching = false;
    pthread_mutex_unlock(&state.lock);
    if (watching)
        cli_phase_end();
}
