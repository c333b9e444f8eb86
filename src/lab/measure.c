#include "measure.h"

#include "cldevice.h"
#include "error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS 3

static void fini_measured(rs_measured *m)
{
    free(m->stats);
    free(m->noise);
    rs_samples_fini(&m->samples);
    *m = (rs_measured){0};
}

rs_measurement rs_measurement_of(rescl_device *dev, const rescl_bench_options *o)
{
    return (rs_measurement){.dev = dev, .max_noise = o->max_noise, .wants_energy = o->energy};
}

void rs_measurement_fini(rs_measurement *m)
{
    fini_measured(&m->best);
}

static rescl_device_type type_of(const rs_measurement *m)
{
    return m->on_host ? RESCL_DEVICE_CPU : rs_device_caps(m->dev)->type;
}

/* Before an attempt, and behind it. */
static void begin(rs_measurement *m, rs_measured *out)
{
    if (m->wants_energy && m->attempts == 0)
        rs_energy_find(&m->energy, type_of(m));
    *out = (rs_measured){.load_before = rs_machine_load()};
    m->time = rs_machine_time_now();
    m->counters = rs_energy_read(&m->energy);
}

static void end(rs_measurement *m, rs_measured *out)
{
    const rs_energy_reading counters = rs_energy_read(&m->energy);
    const rs_machine_time time = rs_machine_time_now();

    m->attempts++;
    out->joules = rs_energy_between(&m->energy, &m->counters, &counters, &out->no_joules);
    out->others = rs_machine_others(&m->time, &time);
    out->load_after = rs_machine_load();
    out->clock_mhz = rs_machine_clock();
    for (size_t i = 0; i < out->contenders; i++)
        out->noise[i] = rs_noise_of(out->samples.ms + i * out->samples.count, &out->stats[i]);
}

static rescl_status make_room(size_t contenders, rs_measured *out)
{
    rescl_status st = RESCL_OK;

    out->contenders = contenders;
    RS_OOM(out->stats = calloc(contenders + 1, sizeof *out->stats));
    RS_OOM(out->noise = calloc(contenders + 1, sizeof *out->noise));
out:
    return st;
}

static rescl_status measure_once(rs_measurement *m, const rs_rounds *rounds, size_t contenders,
                                 rs_measured *out)
{
    rescl_status st = RESCL_OK;

    begin(m, out);
    RS_TRY(make_room(contenders, out));
    RS_TRY(rs_rounds_sample(rounds, contenders, out->stats, &out->samples));
    end(m, out);
out:
    return st;
}

void rs_measurement_begin(rs_measurement *m)
{
    begin(m, &m->best);
}

rescl_status rs_measurement_end(rs_measurement *m, const double *ms, size_t count)
{
    rescl_status st = RESCL_OK;
    double *copy = NULL;

    RS_TRY(make_room(1, &m->best));
    RS_OOM(m->best.samples.ms = calloc(count + 1, sizeof *m->best.samples.ms));
    RS_OOM(copy = calloc(count + 1, sizeof *copy));
    m->best.samples.count = count;
    memcpy(m->best.samples.ms, ms, count * sizeof *ms);
    memcpy(copy, ms, count * sizeof *ms);
    m->best.stats[0] = rs_stats_of(copy, count);
    end(m, &m->best);
out:
    free(copy);
    return st;
}

/* A CPU that computes for others computes less for us. */
static double disturbance(const rs_measurement *m, const rs_measured *of)
{
    return type_of(m) == RESCL_DEVICE_CPU && of->others > 0.0 ? of->others : 0.0;
}

/* The largest noise of all contenders; what is not known counts for nothing. */
static double worst(const rs_measurement *m, const rs_measured *of)
{
    double most = disturbance(m, of);
    for (size_t i = 0; i < of->contenders; i++)
        most = fmax(most, rs_noise_share(&of->noise[i])); /* fmax passes over NaN */
    return most;
}

rescl_status rs_measure(rs_measurement *m, const rs_rounds *rounds, size_t contenders)
{
    rescl_status st = RESCL_OK;
    const double now = rs_rounds_clock();
    const bool limited = rounds->deadline > 0.0 && isfinite(rounds->deadline);
    const double end = now + 0.5 * (rounds->deadline - now);
    rs_measured next = {0};

    RS_TRY(measure_once(m, rounds, contenders, &m->best));
    while (m->max_noise > 0.0 && worst(m, &m->best) > m->max_noise && m->attempts < ATTEMPTS &&
           (!limited || rs_rounds_clock() < end)) {
        RS_TRY(measure_once(m, rounds, contenders, &next));
        if (worst(m, &next) < worst(m, &m->best)) {
            fini_measured(&m->best);
            m->best = next;
        } else {
            fini_measured(&next);
        }
        next = (rs_measured){0};
    }
out:
    fini_measured(&next);
    return st;
}

/* Energy is the device's: several contenders that take turns share it. */
static void tell_energy(const rs_measurement *m, rescl_bench_row *row)
{
    if (!m->wants_energy || !row->samples)
        return;
    row->energy_by = m->energy.text;
    if (m->best.contenders > 1)
        row->energy_by = "several take turns, and share what is counted: --impl measures one alone";
    else if (isnan(m->best.joules))
        row->energy_by = m->best.no_joules;
    else
        row->energy_j = m->best.joules / (double)row->samples;
}

static void find_cure(rs_measurement *m, const rescl_bench_row *row, const rs_noise *noise)
{
    const double limit = m->max_noise, others = disturbance(m, &m->best);

    if (others > limit)
        snprintf(m->cure, sizeof m->cure,
                 "other processes took %.0f %% of the processors' time: measure when they are idle "
                 "(load %.2f)",
                 100.0 * others, m->best.load_after);
    else if (noise->interval > limit && noise->interval >= noise->quarters)
        snprintf(
            m->cure, sizeof m->cure,
            "the samples scatter: it takes about %.0f of them instead of %zu (--repeats), or a "
            "quieter machine (load %.2f)",
            ceil((double)row->samples * pow(noise->interval / limit, 2.0)), row->samples,
            m->best.load_after);
    else
        snprintf(
            m->cure, sizeof m->cure,
            "the speed changes while it is measured: it takes a longer time (--min-seconds), or "
            "a quieter machine (load %.2f)",
            m->best.load_after);
}

void rs_measurement_tell(rs_measurement *m, size_t i, rescl_bench_row *row)
{
    const rs_measured *of = &m->best;
    const rs_stats *s = &of->stats[i];

    row->samples = s->count;
    row->samples_ms = s->count ? of->samples.ms + i * of->samples.count : NULL;
    row->median_ms = s->median;
    row->min_ms = s->min;
    row->max_ms = s->max;
    row->mad_ms = s->mad;
    row->noise = rs_noise_share(&of->noise[i]);
    row->attempts = m->attempts;
    row->load_before = of->load_before;
    row->load_after = of->load_after;
    row->others = of->others;
    row->clock_mhz = type_of(m) == RESCL_DEVICE_CPU ? of->clock_mhz : NAN;
    row->noisy = s->count && m->max_noise > 0.0 &&
                 (row->noise > m->max_noise || disturbance(m, of) > m->max_noise);
    m->cure[0] = '\0';
    if (row->noisy)
        find_cure(m, row, &of->noise[i]);
    row->noise_cure = m->cure;
    tell_energy(m, row);
}

rescl_bench_row rs_row_empty(const char *kind, const char *what)
{
    return (rescl_bench_row){.kind = kind,
                             .what = what,
                             .precision = rescl_precision_name(RESCL_PRECISION_FP32),
                             .median_ms = NAN,
                             .min_ms = NAN,
                             .max_ms = NAN,
                             .mad_ms = NAN,
                             .rate = NAN,
                             .seconds = NAN,
                             .accuracy = NAN,
                             .first_ms = NAN,
                             .error = NAN,
                             .tolerance = NAN,
                             .reason = "",
                             .noise = NAN,
                             .noise_cure = "",
                             .load_before = NAN,
                             .load_after = NAN,
                             .others = NAN,
                             .clock_mhz = NAN,
                             .energy_j = NAN};
}

void rs_row_rate(rescl_bench_row *row, double amount, const char *unit)
{
    row->rate = amount / (row->median_ms * 1e-3);
    row->rate_unit = row->samples ? unit : NULL;
}
