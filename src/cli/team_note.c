#include "team_note.h"

#include "cli.h"
#include "output.h"
#include "session.h"

void cli_device_note(rescl_device *device)
{
    const rescl_device_info *info = rescl_device_get_info(device);
    char name[320], units[64], memory[32];
    cli_note("device  %s, %s, %s", cli_device_text(info, name),
             cli_count(info->compute_units, "unit", units), cli_bytes(info->global_bytes, memory));
}

double cli_team_waits(rescl_trainer *trainer)
{
    const size_t members = rescl_trainer_members(trainer);
    double most = 0;
    for (size_t i = 0; i < members; i++) {
        rescl_team_member m;
        if (rescl_trainer_get_member(trainer, i, &m) == RESCL_OK && m.waits > most)
            most = m.waits;
    }
    return most;
}

void cli_team_note(rescl_trainer *trainer)
{
    const size_t members = rescl_trainer_members(trainer);
    for (size_t i = 0; members > 1 && i < members; i++) {
        rescl_team_member m;
        if (rescl_trainer_get_member(trainer, i, &m) != RESCL_OK)
            return; /* a step failed: the run ends with why */
        cli_note("  %zu:%zu  %zu of %zu, %.0f img/s, waits %.0f %%: %s", m.device->platform,
                 m.device->device, m.share, m.whole, m.img_s, 100.0 * m.waits, m.device->name);
    }
}
