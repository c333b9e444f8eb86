/* What each device of several did: the part of a run's page that is made of team.csv. */
#include "reportpart.h"

#include "error.h"
#include "team.h"
#include "text.h"

#include <math.h>
#include <string.h>

/* One device, over the epochs; `share` in the last of them, in which one that had left by then has none. */
typedef struct device {
    char name[24];
    double share, images, busy, waited;
} device;

/* The number of a field, whose place is counted from 0. False where there is none. */
static bool field_of(const char *line, size_t place, double *out)
{
    char text[64];

    for (; place > 0; place--) {
        line = line + strcspn(line, ",\n");
        if (*line++ != ',')
            return false;
    }
    const size_t bytes = strcspn(line, ",\n");
    if (bytes >= sizeof text)
        return false;
    memcpy(text, line, bytes);
    text[bytes] = '\0';
    return rs_parse_f64(text, out);
}

static device *find_device(device *all, size_t *count, const char *name, size_t bytes)
{
    for (size_t i = 0; i < *count; i++)
        if (strlen(all[i].name) == bytes && memcmp(all[i].name, name, bytes) == 0)
            return &all[i];
    if (*count == RS_TEAM_MOST || bytes >= sizeof all->name)
        return NULL;
    memcpy(all[*count].name, name, bytes);
    return &all[(*count)++];
}

/* Rows epoch,device,share,img_s,busy,waited below a head; a last one without a newline was cut by a crash. */
static size_t read_devices(const char *text, device *all)
{
    size_t count = 0;
    double last = 0;
    const char *line = strchr(text, '\n');

    for (; line && strchr(line + 1, '\n'); line = strchr(line + 1, '\n')) {
        const char *name = line + 1 + strcspn(line + 1, ",\n");
        double epoch, share, speed, busy, waited;
        if (*name++ != ',' || !field_of(line + 1, 0, &epoch) || !field_of(line + 1, 2, &share) ||
            !field_of(line + 1, 3, &speed) || !field_of(line + 1, 4, &busy) ||
            !field_of(line + 1, 5, &waited))
            continue;
        device *d = find_device(all, &count, name, strcspn(name, ",\n"));
        if (!d)
            continue;
        for (size_t i = 0; epoch > last && i < count; i++)
            all[i].share = 0;
        last = epoch;
        d->share = share;
        d->images += speed * busy;
        d->busy += busy;
        d->waited += waited;
    }
    return count;
}

void rs_report_team(rs_html *h, const rs_history *run)
{
    static const char *const heads[] = {"device",          "share",     "share [%]",
                                        "images a second", "waits [%]", ""};
    device all[RS_TEAM_MOST] = {{.share = 0}};
    const size_t count = run->team ? read_devices(run->team, all) : 0;
    double whole = 0;

    for (size_t i = 0; i < count; i++)
        whole += all[i].share;
    if (!(whole > 0))
        return;
    rs_html_section(h, "Devices");
    rs_html_p(h,
              "Devices by their numbers in rescl devices. The speed is a device's own, without the "
              "time that it waits for the others: who waits much has too small a share.");
    rs_html_table(h, "Devices of each batch", heads, RS_COUNT(heads));
    for (size_t i = 0; i < count; i++) {
        const double spent = all[i].busy + all[i].waited;
        rs_html_row_begin(h, all[i].name);
        rs_report_cell(h, all[i].share);
        rs_html_cell(h, "%.1f", 100 * all[i].share / whole);
        rs_html_cell(h, "%.1f", all[i].busy > 0 ? all[i].images / all[i].busy : 0);
        rs_html_cell(h, "%.1f", spent > 0 ? 100 * all[i].waited / spent : 0);
        rs_html_bar(h, all[i].share, whole, (double)NAN, (double)NAN);
        rs_html_row_end(h);
    }
    rs_html_table_end(h);
    rs_html_section_end(h);
}
