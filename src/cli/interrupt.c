#include "interrupt.h"

#include "cli.h"
#include "output.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static bool (*volatile ask_to_stop)(void);
static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t asked; /* by another signal than SIGHUP */

/* A terminal that closes sends SIGHUP more than once, and services are ended by SIGTERM with SIGHUP
 * behind it: a SIGHUP hurries nothing. */
static void on_signal(int sig)
{
    if (asked && sig != SIGHUP)
        _exit(CLI_INTERRUPTED);
    if (!interrupted && ask_to_stop && !ask_to_stop())
        _exit(CLI_INTERRUPTED);
    interrupted = 1;
    if (sig != SIGHUP)
        asked = 1;
}

static const char *volatile last_words;

static void on_end(int sig)
{
    (void)!write(STDERR_FILENO, last_words, strlen(last_words));
    if (sig != SIGINT)
        _exit(CLI_INTERRUPTED);
    signal(sig, SIG_DFL);
    raise(sig); /* which comes when this returns */
}

static void set_handler(void (*handler)(int), bool keep_ignored)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    static bool ignored[3]; /* at first: what drivers put in front does not show it */
    struct sigaction action = {.sa_flags = SA_RESTART}, old;
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&action.sa_mask, signals[i]);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        /* Under nohup a hang-up stays ignored. */
        if ((keep_ignored || signals[i] == SIGHUP) && sigaction(signals[i], NULL, &old) == 0 &&
            old.sa_handler == SIG_IGN)
            ignored[i] = true;
        if (!ignored[i])
            sigaction(signals[i], &action, NULL);
    }
}

void cli_interrupt_catch(bool (*ask)(void))
{
    interrupted = asked = 0;
    ask_to_stop = ask;
    set_handler(on_signal, false);
}

void cli_interrupt_end(void)
{
    last_words = cli_terminal() ? "\r\033[Kinterrupted\n" : "interrupted\n";
    set_handler(on_end, true);
}

void cli_interrupt_retake(void)
{
    set_handler(on_signal, false);
}

bool cli_interrupted(void)
{
    return interrupted;
}

void cli_interrupt_release(void)
{
    set_handler(SIG_DFL, false);
}
