#include "energy.h"

#include "rounds.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POWERCAP   "/sys/class/powercap"
#define HWMON      "/sys/class/hwmon"
#define MOST_HWMON 64
#define MOST_UJ    0x1p64 /* counters are integers of 64 bits at most */

static void append(rs_energy *e, const char *text)
{
    const size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof e->text - used, "%s", text);
}

/* Takes a counter, or keeps in the text why it cannot be read. False: there is none of that path. */
static bool take_zone(rs_energy *e, const char *path, double range, const char *name)
{
    char word[RS_MACHINE_WORD];

    errno = 0;
    rs_machine_word(word, path);
    if (!word[0] && errno == ENOENT)
        return false;
    if (!word[0]) {
        e->zones = 0; /* a part of them is not what the device takes */
        e->text[0] = '\0';
        append(e, path);
        append(e, ": ");
        append(e, errno ? strerror(errno) : "it is empty");
        if (errno == EACCES || errno == EPERM)
            append(e,
                   "; since Linux 5.10 only root may read it: run as root, or allow it until the "
                   "next start: sudo chmod a+r " POWERCAP "/intel-rapl:*/energy_uj");
        return true;
    }
    if (e->zones == RS_ENERGY_ZONES)
        return true;
    rs_energy_zone *zone = &e->zone[e->zones];
    snprintf(zone->path, sizeof zone->path, "%s", path);
    zone->range = range > 0.0 ? range : 0.0;
    append(e, e->zones++ ? ", " : "");
    append(e, name);
    return true;
}

/* Whole packages: memory and cores below them are parts. AMD's processors tell theirs by the same name. */
static void find_packages(rs_energy *e)
{
    bool any = false;
    for (int i = 0; i < RS_ENERGY_ZONES; i++) {
        char path[128], name[RS_MACHINE_WORD];
        snprintf(path, sizeof path, POWERCAP "/intel-rapl:%d/name", i);
        rs_machine_word(name, path);
        if (strncmp(name, "package", 7) != 0)
            continue;
        snprintf(path, sizeof path, POWERCAP "/intel-rapl:%d/max_energy_range_uj", i);
        const double range = rs_machine_number(path);
        snprintf(path, sizeof path, POWERCAP "/intel-rapl:%d/energy_uj", i);
        if (!take_zone(e, path, range, name))
            continue;
        if (!e->zones)
            return;
        any = true;
    }
    if (e->zones)
        append(e, " (RAPL)");
    else if (!any)
        append(e,
               "the system has no " POWERCAP "/intel-rapl:*: virtual machines often lack it, else "
               "load the module intel_rapl_msr");
}

/* Counters of energy first, then of power; one of all the cards that there are. */
static void find_cards(rs_energy *e)
{
    static const char *const files[] = {"energy1_input", "power1_average", "power1_input"};
    char found[64] = "";
    size_t cards = 0;

    for (int i = 0; i < MOST_HWMON; i++) {
        char path[128], name[RS_MACHINE_WORD];
        snprintf(path, sizeof path, HWMON "/hwmon%d/name", i);
        rs_machine_word(name, path);
        if (strcmp(name, "amdgpu") != 0 && strcmp(name, "i915") != 0 && strcmp(name, "xe") != 0)
            continue;
        cards++;
        snprintf(found, sizeof found, "%.40s of hwmon%d", name, i);
        for (size_t k = 0; k < sizeof files / sizeof *files && cards == 1; k++) {
            snprintf(path, sizeof path, HWMON "/hwmon%d/%s", i, files[k]);
            if (!take_zone(e, path, 0.0, found))
                continue;
            e->power = k > 0;
            append(e, e->zones && e->power ? " (power before and after)" : "");
            break;
        }
    }
    if (cards > 1) {
        e->zones = 0;
        snprintf(e->text, sizeof e->text,
                 "there are %zu cards in " HWMON ", and OpenCL does not say which is which", cards);
    } else if (!cards || !e->text[0]) {
        snprintf(e->text, sizeof e->text,
                 "no driver of a card tells its energy in " HWMON " (amdgpu, i915 and xe do)");
    }
}

void rs_energy_find(rs_energy *e, rescl_device_type type)
{
    *e = (rs_energy){0};
    if (type == RESCL_DEVICE_CPU)
        find_packages(e);
    else
        find_cards(e);
}

rs_energy_reading rs_energy_read(const rs_energy *e)
{
    rs_energy_reading r = {.seconds = rs_rounds_clock()};
    for (size_t i = 0; i < e->zones; i++)
        r.value[i] = rs_machine_number(e->zone[i].path);
    return r;
}

/* What one zone took, in joules; NaN, and why, where its numbers make no sense. */
static double zone_between(const rs_energy *e, size_t i, double first, double last, double seconds,
                           const char **why)
{
    const double range = e->zone[i].range;
    if (!(first >= 0.0 && last >= 0.0 && fmax(first, last) <= MOST_UJ)) {
        *why = e->power ? "the power that the system tells is no number of microwatts"
                        : "the counter is no number of microjoules";
        return NAN;
    }
    if (e->power)
        return 0.5e-6 * (first + last) * seconds;
    if (first == last)
        *why = "the counter did not move";
    else if (last < first && !(last + range > first))
        *why = "the counter went backwards";
    else
        return 1e-6 * (last < first ? last + range - first : last - first);
    return NAN;
}

double rs_energy_between(const rs_energy *e, const rs_energy_reading *before,
                         const rs_energy_reading *after, const char **why)
{
    const double seconds = after->seconds - before->seconds;
    double joules = e->zones ? 0.0 : NAN;

    *why = e->text;
    for (size_t i = 0; i < e->zones && !isnan(joules); i++)
        joules += zone_between(e, i, before->value[i], after->value[i], seconds, why);
    return joules;
}
