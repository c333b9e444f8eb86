#include "progress.h"

#include "clock.h"
#include "output.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 512, BAR = 30, NARROW_BAR = 10 };
#define REDRAW_SECONDS 0.08

void cli_progress_init(cli_progress *p, size_t print_freq)
{
    *p = (cli_progress){
        .quiet = cli_quiet(), .bar = cli_terminal(), .print_freq = print_freq, .epoch = SIZE_MAX};
}

/* "17/34 [=====>....]" */
static size_t draw_bar(char *text, size_t room, size_t done, size_t all, size_t width)
{
    char bar[BAR + 1];
    size_t full = all ? done * width / all : width;
    memset(bar, '.', width);
    memset(bar, '=', full);
    if (full < width)
        bar[full] = '>';
    bar[width] = '\0';
    char total[24];
    int digits = snprintf(total, sizeof total, "%zu", all);
    return (size_t)snprintf(text, room, "%*zu/%zu [%s]", digits, done, all, bar);
}

/* Redraws the line. `tail` says what a finished epoch adds and is never cut. */
static void draw(cli_progress *p, const rescl_step_event *e, const char *time_text,
                 const char *extra, bool last)
{
    size_t columns = cli_columns();
    char text[LINE];
    for (size_t width = BAR;; width = NARROW_BAR) {
        size_t used = draw_bar(text, sizeof text, e->batch, e->batches, width);
        snprintf(text + used, sizeof text - used,
                 " - %s - %.0f img/s - loss: %.4f - accuracy: %.4f%s", time_text, e->metrics.img_s,
                 e->metrics.loss, e->metrics.top1, extra);
        if (strlen(text) < columns || width == NARROW_BAR)
            break;
    }
    if (!last && strlen(text) >= columns)
        text[columns > 0 ? columns - 1 : 0] = '\0';
    fprintf(stderr, "\r\033[K%s%s", text, last ? "\n" : "");
    p->open = !last;
    cli_line_open(!last);
    p->drawn = rs_clock_seconds();
}

static void eta_text(const cli_progress *p, const rescl_step_event *e, char buffer[48])
{
    char duration[32];
    double each = p->seen ? p->seconds / (double)p->seen : 0;
    snprintf(buffer, 48, "ETA: %s", cli_duration(each * (double)(e->batches - e->batch), duration));
}

static void step_line(const cli_progress *p, const rescl_step_event *e)
{
    char eta[48];
    eta_text(p, e, eta);
    cli_note("epoch %zu/%zu step %zu/%zu: loss %.4f accuracy %.4f lr %g %.1f img/s %s",
             e->epoch + 1, e->epochs, e->batch, e->batches, e->metrics.loss, e->metrics.top1, e->lr,
             e->metrics.img_s, eta);
}

void cli_progress_step(const rescl_step_event *event, void *user)
{
    cli_progress *p = user;
    if (p->quiet)
        return;
    if (event->training && p->epoch != event->epoch) {
        if (p->bar)
            cli_note("Epoch %zu/%zu", event->epoch + 1, event->epochs);
        p->epoch = event->epoch;
        p->seen = 0;
    }
    if (p->training != event->training)
        p->seen = 0;
    if (p->seen == 0)
        p->seconds = 0;
    p->seen++;
    p->seconds += event->step_seconds;
    p->training = event->training;
    if (event->training)
        p->step = *event;

    bool done = event->batch >= event->batches;
    if (!p->bar) {
        if (event->training && event->step % p->print_freq == 0)
            step_line(p, event);
        return;
    }
    if (p->open && !done && rs_clock_seconds() - p->drawn < REDRAW_SECONDS)
        return;
    char time_text[48], extra[64] = "";
    eta_text(p, event, time_text);
    bool within = !event->training && p->epoch != SIZE_MAX; /* an evaluation between epochs */
    if (within)
        snprintf(extra, sizeof extra, " - evaluating %zu/%zu", event->batch, event->batches);
    draw(p, within ? &p->step : event, time_text, extra, false);
}

void cli_progress_epoch(const rescl_epoch_event *e, void *user)
{
    cli_progress *p = user;
    if (p->quiet)
        return;
    char extra[128] = "", duration[32];
    if (p->bar) {
        if (e->eval.samples)
            snprintf(extra, sizeof extra, " - val_loss: %.4f - val_accuracy: %.4f%s", e->eval.loss,
                     e->eval.top1, e->best ? " (best)" : "");
        rescl_step_event step = p->step;
        step.metrics = e->train;
        draw(p, &step,
             cli_duration(e->train.seconds + (e->eval.samples ? e->eval.seconds : 0), duration),
             extra, true);
        return;
    }
    if (e->eval.samples)
        snprintf(extra, sizeof extra, " val_loss %.4f val_accuracy %.4f%s", e->eval.loss,
                 e->eval.top1, e->best ? " (best)" : "");
    cli_note("epoch %zu/%zu done: loss %.4f accuracy %.4f%s lr %g %.1f img/s %.1f s", e->epoch + 1,
             e->epochs, e->train.loss, e->train.top1, extra, e->lr, e->train.img_s,
             e->train.seconds);
}

void cli_progress_end(cli_progress *p)
{
    if (p->open)
        fputc('\n', stderr);
    p->open = false;
    cli_line_open(false);
}
