#include "interrupt.h"

#include "cli.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static bool (*volatile ask_to_stop)(void);
static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    (void)sig;
    if (interrupted || (ask_to_stop && !ask_to_stop()))
        _exit(CLI_INTERRUPTED);
    interrupted = 1;
}

static void set_handler(void (*handler)(int))
{
    struct sigaction action = {.sa_flags = SA_RESTART};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void cli_interrupt_catch(bool (*ask)(void))
{
    interrupted = 0;
    ask_to_stop = ask;
    set_handler(on_signal);
}

bool cli_interrupted(void)
{
    return interrupted;
}

void cli_interrupt_release(void)
{
    set_handler(SIG_DFL);
}
