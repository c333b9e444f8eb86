#include "progress.h"

#include "clock.h"
#include "compiling.h"
#include "output.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 256, BAR = 30, NARROW_BAR = 10 };
#define REDRAW_SECONDS 0.08
#define PLAIN_SECONDS  30.0 /* without a line, where there is no bar */

void cli_progress_init(cli_progress *p, size_t print_freq, bool cached)
{
    *p = (cli_progress){.quiet = cli_quiet(),
                        .bar = cli_terminal(),
                        .print_freq = print_freq,
                        .epoch = SIZE_MAX,
                        .cached = cached,
                        .drawn = rs_clock_seconds()};
}

/* What a line shows, of which it leaves out what the terminal has no room for. */
typedef struct line {
    const char *head; /* "evaluating " or "" */
    size_t done, all; /* steps */
    const char *time; /* "ETA: 12s", "12s" */
    double img_s;
    const char *numbers; /* "loss: 1.2345 - accuracy: 0.4667" */
} line;

/* "17/34 [=====>....]"; no bar of width 0. */
static size_t draw_bar(char *text, size_t room, const line *l, size_t width)
{
    char bar[BAR + 1], total[24];
    const int digits = snprintf(total, sizeof total, "%zu", l->all);
    const size_t full = l->all ? l->done * width / l->all : width;
    memset(bar, '.', width);
    memset(bar, '=', full);
    if (full < width)
        bar[full] = '>';
    bar[width] = '\0';
    return (size_t)snprintf(text, room, width ? "%s%*zu/%zu [%s]" : "%s%*zu/%zu", l->head, digits,
                            l->done, l->all, bar);
}

/* The fullest form of the line that leaves the last column free. */
static void fit(char text[LINE], const line *l, size_t columns)
{
    static const struct form {
        size_t bar;
        bool time, speed, numbers;
    } forms[] = {
        {BAR, true, true, true}, {NARROW_BAR, true, true, true}, {0, true, true, true},
        {0, true, false, true},  {0, false, false, true},        {NARROW_BAR, true, false, false},
        {0, true, false, false}, {0, false, false, false},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct form *f = &forms[i];
        char speed[32] = "";
        size_t used = draw_bar(text, LINE, l, f->bar);
        if (f->speed)
            snprintf(speed, sizeof speed, " - %.0f img/s", l->img_s);
        snprintf(text + used, LINE - used, "%s%s%s%s%s", f->time ? " - " : "",
                 f->time ? l->time : "", speed, f->numbers ? " - " : "",
                 f->numbers ? l->numbers : "");
        if (strlen(text) < columns)
            return;
    }
    text[columns > 0 ? columns - 1 : 0] = '\0';
}

/* Prints a tail on lines of its own, cut at " - " where there is no room. */
static void print_below(const char *tail, size_t columns)
{
    static const char mark[] = " - ";
    const char *cut = strstr(tail, mark);
    if (strlen(tail) + 2 < columns || !cut)
        fprintf(stderr, "\n  %s", tail);
    else
        fprintf(stderr, "\n  %.*s\n  %s", (int)(cut - tail), tail, cut + strlen(mark));
}

/* Redraws the line. A last one ends with its `tail`, on a line of its own where there is no room. */
static void draw(cli_progress *p, const line *l, const char *tail, bool last)
{
    const size_t columns = cli_columns(STDERR_FILENO), extra = strlen(tail);
    char text[LINE];
    bool apart = false;
    if (!last || !extra) {
        fit(text, l, columns);
    } else {
        /* Without its bar the line may still have room for the tail. */
        fit(text, l, columns > extra + 3 ? columns - extra - 3 : 1);
        apart = !strstr(text, l->numbers) || !strstr(text, l->time);
        if (apart)
            fit(text, l, columns);
    }
    fprintf(stderr, "\r\033[K%s", text);
    if (apart)
        print_below(tail, columns);
    else
        fprintf(stderr, "%s%s", extra ? " - " : "", tail);
    fputs(last ? "\n" : "", stderr);
    p->open = !last;
    cli_line_open(!last);
    p->drawn = rs_clock_seconds();
}

/* "loss: 1.2345 - accuracy: 0.4667", or with "val_" before the names; of several labels with their mean average
 * precision, where it is known. */
static void numbers_text(const char *prefix, const rescl_metrics *m, char buffer[96])
{
    char text[32], map[40] = "";
    if (m->multi_label && !isnan(m->map))
        snprintf(map, sizeof map, " - %smap: %.4f", prefix, m->map);
    snprintf(buffer, 96, "%sloss: %s - %saccuracy: %.4f%s", prefix, cli_loss(m->loss, text), prefix,
             m->top1, map);
}

/* What is left, or after the last step what it took. */
static void eta_text(const cli_progress *p, const rescl_step_event *e, char buffer[48])
{
    char duration[32];
    if (e->batch >= e->batches) {
        snprintf(buffer, 48, "%s", cli_duration(p->seconds, duration));
        return;
    }
    double each = p->seen ? p->seconds / (double)p->seen : 0;
    snprintf(buffer, 48, "ETA: %s", cli_duration(each * (double)(e->batches - e->batch), duration));
}

/* " waits 12 %", behind `dash`; "" for one device. */
static const char *waits_text(const cli_progress *p, const char *dash, char buffer[32])
{
    buffer[0] = '\0';
    if (p->training && p->waits > 0)
        snprintf(buffer, 32, "%s waits %.0f %%", dash, 100 * p->waits);
    return buffer;
}

static void step_line(cli_progress *p, const rescl_step_event *e)
{
    char eta[48], loss[32], waits[32];
    eta_text(p, e, eta);
    p->drawn = rs_clock_seconds();
    if (!e->training) {
        cli_note("evaluating, step %zu/%zu: loss %s accuracy %.4f %.1f img/s %s", e->batch,
                 e->batches, cli_loss(e->metrics.loss, loss), e->metrics.top1, e->metrics.img_s,
                 eta);
        return;
    }
    cli_note("epoch %zu/%zu step %zu/%zu: loss %s accuracy %.4f lr %g %.1f img/s%s %s",
             e->epoch + 1, e->epochs, e->batch, e->batches, cli_loss(e->metrics.loss, loss),
             e->metrics.top1, e->lr, e->metrics.img_s, waits_text(p, "", waits), eta);
}

/* "Epoch 3/25", with what is left of all epochs where that is a minute or more. */
static void epoch_heading(cli_progress *p, const rescl_step_event *e)
{
    char duration[32], left[48] = "";
    const double now = rs_clock_seconds();
    if (p->epoch == SIZE_MAX) {
        p->began = now;
        p->first = e->epoch;
    } else {
        const double each = (now - p->began) / (double)(e->epoch - p->first);
        const double rest = each * (double)(e->epochs - e->epoch);
        if (rest >= 60)
            snprintf(left, sizeof left, " - %s left", cli_duration(rest, duration));
    }
    cli_note("Epoch %zu/%zu%s", e->epoch + 1, e->epochs, left);
}

void cli_progress_step(const rescl_step_event *event, void *user)
{
    cli_progress *p = user;
    cli_compiling_end();
    if (p->quiet)
        return;
    if (event->training && p->epoch != event->epoch) {
        if (p->bar)
            epoch_heading(p, event);
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
        if ((event->training && event->batch % p->print_freq == 0) ||
            rs_clock_seconds() - p->drawn >= PLAIN_SECONDS)
            step_line(p, event);
        return;
    }
    if (p->open && !done && rs_clock_seconds() - p->drawn < REDRAW_SECONDS)
        return;
    char eta[48], numbers[128], waits[32];
    const bool between = !event->training && p->epoch != SIZE_MAX; /* between epochs */
    eta_text(p, event, eta);
    numbers_text(between ? "val_" : "", &event->metrics, numbers);
    const size_t used = strlen(numbers);
    snprintf(numbers + used, sizeof numbers - used, "%s", waits_text(p, " -", waits));
    const line l = {.head = between ? "evaluating " : "",
                    .done = event->batch,
                    .all = event->batches,
                    .time = eta,
                    .img_s = event->metrics.img_s,
                    .numbers = numbers};
    draw(p, &l, "", false);
}

#define LONG_EPOCH 5.0 /* seconds: in shorter ones waiting says little */
#define MUCH_WAIT  0.2 /* of an epoch */

/* Where an epoch of some length waited for images a good part of it: once. With a cache the first
 * epoch, which fills it, says nothing of the others. */
static void tell_wait(cli_progress *p, const rescl_metrics *m)
{
    if (p->told_wait || m->seconds < LONG_EPOCH || m->data_wait < MUCH_WAIT * m->seconds ||
        (p->cached && p->ended == 0))
        return;
    p->told_wait = true;
    cli_note("waiting for data took %.0f %% of the epoch: more --workers%s or smaller image files "
             "make it faster",
             100 * m->data_wait / m->seconds, p->cached ? "" : ", --cache ram");
}

static void print_epoch(cli_progress *p, const rescl_epoch_event *e)
{
    char extra[160] = "", duration[32], numbers[96], loss[32], map[32] = "";
    if (p->bar) {
        if (e->eval.samples) {
            numbers_text("val_", &e->eval, numbers);
            snprintf(extra, sizeof extra, "%s%s", numbers, e->best ? " (best)" : "");
        }
        numbers_text("", &e->train, numbers);
        const line l = {.head = "",
                        .done = p->step.batch,
                        .all = p->step.batches,
                        .time = cli_duration(
                            e->train.seconds + (e->eval.samples ? e->eval.seconds : 0), duration),
                        .img_s = e->train.img_s,
                        .numbers = numbers};
        draw(p, &l, extra, true);
        return;
    }
    if (e->eval.samples && e->eval.multi_label)
        snprintf(map, sizeof map, " val_map %.4f", e->eval.map);
    if (e->eval.samples)
        snprintf(extra, sizeof extra, " val_loss %s val_accuracy %.4f%s%s",
                 cli_loss(e->eval.loss, loss), e->eval.top1, map, e->best ? " (best)" : "");
    cli_note("epoch %zu/%zu done: loss %s accuracy %.4f%s lr %g %.1f img/s %.1f s", e->epoch + 1,
             e->epochs, cli_loss(e->train.loss, loss), e->train.top1, extra, e->lr, e->train.img_s,
             e->train.seconds);
}

void cli_progress_epoch(const rescl_epoch_event *e, void *user)
{
    cli_progress *p = user;
    if (p->quiet)
        return;
    print_epoch(p, e);
    tell_wait(p, &e->train);
    p->ended++;
}

void cli_progress_end(cli_progress *p)
{
    cli_compiling_end();
    if (p->open)
        fputc('\n', stderr);
    p->open = false;
    cli_line_open(false);
}
