#define _GNU_SOURCE /* sched_getaffinity */
#include "machine.h"

#include "text.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LEAST_TICKS 20 /* of all processors: a twentieth is 5 % of the time between */
#define MOST_CPUS   CPU_SETSIZE

bool rs_machine_path(char out[RS_MACHINE_PATH], const char *path)
{
    const char *root = getenv("RESCL_MACHINE_ROOT");
    const int n = snprintf(out, RS_MACHINE_PATH, "%s%s", root ? root : "", path);
    return n > 0 && n < RS_MACHINE_PATH;
}

static FILE *open_file(const char *path)
{
    char whole[RS_MACHINE_PATH];
    return rs_machine_path(whole, path) ? fopen(whole, "r") : NULL;
}

void rs_machine_word(char word[RS_MACHINE_WORD], const char *path)
{
    FILE *f = open_file(path);

    word[0] = '\0';
    if (!f)
        return;
    if (fscanf(f, "%63s", word) != 1)
        word[0] = '\0';
    fclose(f);
}

double rs_machine_number(const char *path)
{
    char word[RS_MACHINE_WORD];
    double number;

    rs_machine_word(word, path);
    return rs_parse_f64(word, &number) ? number : NAN;
}

double rs_machine_load(void)
{
    return rs_machine_number("/proc/loadavg");
}

static bool is_ours(const cpu_set_t *ours, unsigned cpu)
{
    return cpu < MOST_CPUS && CPU_ISSET(cpu, ours);
}

static bool find_ours(cpu_set_t *ours)
{
    CPU_ZERO(ours);
    return sched_getaffinity(0, sizeof *ours, ours) == 0;
}

/* By the governor's files; 0 processors where they are not there. */
static size_t sum_cpufreq(const cpu_set_t *ours, double *mhz)
{
    size_t count = 0;
    for (unsigned cpu = 0; cpu < MOST_CPUS; cpu++) {
        char path[96];
        if (!is_ours(ours, cpu))
            continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_cur_freq", cpu);
        const double khz = rs_machine_number(path);
        if (isnan(khz))
            return 0;
        *mhz += khz * 1e-3;
        count++;
    }
    return count;
}

/* By "processor : 0" and "cpu MHz : 2000.0" of /proc/cpuinfo. */
static size_t sum_cpuinfo(const cpu_set_t *ours, double *mhz)
{
    FILE *f = open_file("/proc/cpuinfo");
    char line[4096];
    unsigned cpu = 0;
    size_t count = 0;

    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!colon)
            continue;
        if (strncmp(line, "processor", 9) == 0)
            cpu = (unsigned)strtoul(colon + 1, NULL, 10);
        if (strncmp(line, "cpu MHz", 7) == 0 && is_ours(ours, cpu)) {
            *mhz += strtod(colon + 1, NULL);
            count++;
        }
    }
    if (f)
        fclose(f);
    return count;
}

double rs_machine_clock(void)
{
    cpu_set_t ours;
    double mhz = 0.0;

    if (!find_ours(&ours))
        return NAN;
    size_t count = sum_cpufreq(&ours, &mhz);
    if (!count) {
        mhz = 0.0;
        count = sum_cpuinfo(&ours, &mhz);
    }
    return count ? mhz / (double)count : NAN;
}

rs_machine_time rs_machine_time_now(void)
{
    rs_machine_time t = {NAN, NAN, NAN};
    FILE *f = open_file("/proc/stat");
    const double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    char line[512];
    cpu_set_t ours;
    struct rusage use;

    if (!f || !find_ours(&ours) || getrusage(RUSAGE_SELF, &use) != 0)
        goto out;
    t = (rs_machine_time){.own = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                                 1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec)};
    while (fgets(line, sizeof line, f)) {
        unsigned cpu;
        /* user nice system idle iowait irq softirq steal: what a hypervisor took is busy */
        unsigned long long n[8] = {0};
        if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &n[0], &n[1], &n[2],
                   &n[3], &n[4], &n[5], &n[6], &n[7]) < 5 ||
            !is_ours(&ours, cpu))
            continue;
        for (int i = 0; i < 8; i++) {
            t.all += tick * (double)n[i];
            t.busy += i == 3 || i == 4 ? 0.0 : tick * (double)n[i];
        }
    }
out:
    if (f)
        fclose(f);
    return t;
}

double rs_machine_others(const rs_machine_time *before, const rs_machine_time *after)
{
    const double all = after->all - before->all;
    const double others = (after->busy - before->busy) - (after->own - before->own);

    if (!(all * (double)sysconf(_SC_CLK_TCK) >= LEAST_TICKS))
        return NAN;
    return fmin(fmax(others / all, 0.0), 1.0);
}
