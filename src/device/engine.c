/* Which matrix engines (engines.def) a device has: what its gate lets pass is tried in a process of its own,
 * for a compiler may not survive an instruction that it does not know, and a processor may refuse it. What
 * came of that is kept with the compiled programs, under the same key. */
#include "alloc.h"
#include "clinternal.h"
#include "command.h"
#include "log.h"
#include "source.h"
#include "str.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined __x86_64__ && defined __linux__
#include <cpuid.h>
#include <sys/syscall.h>
#elif defined __aarch64__ && defined __linux__
#include <sys/auxv.h>
#endif

/* The variable by which the process that tries an engine is told which. */
#define TRIES "RESCL_PROBE_ENGINE"

/* Seconds until such a process is killed: a driver may start slowly, and other work slow it down. */
enum { PATIENCE = 60 };

enum { SIDE = 16, WORDS = 8 }; /* of the product in cl/engine.cl */

typedef struct facts {
    const rs_hw *hw;
    rs_asking asking;
} facts;

/* ---- gates: NULL, or why not ----------------------------------------------------------------- */

static bool is_architecture(const facts *f, const char *prefix)
{
    return strncmp(f->hw->info.architecture, prefix, strlen(prefix)) == 0;
}

static bool is_gpu(const facts *f)
{
    return f->hw->info.type != RESCL_DEVICE_CPU;
}

static const char *gate_nvidia(facts *f)
{
    if (!is_gpu(f) || !rs_ask_extension(&f->asking, "cl_nv_device_attribute_query"))
        return "needs a GPU of NVIDIA's with its driver";
    return f->hw->info.engine_lanes ? NULL : "needs compute capability 8.0";
}

static const char *gate_wmma(facts *f)
{
    if (!is_gpu(f) || !rs_ask_extension(&f->asking, "cl_amd_device_attribute_query") ||
        !is_architecture(f, "gfx11"))
        return "needs a GPU of AMD's of gfx11 with its driver";
    return f->hw->info.subgroup == 32 ? NULL : "needs wavefronts of 32";
}

static const char *gate_mfma(facts *f)
{
    if (is_gpu(f) && rs_ask_extension(&f->asking, "cl_amd_device_attribute_query") &&
        (is_architecture(f, "gfx90a") || is_architecture(f, "gfx94") ||
         is_architecture(f, "gfx95")))
        return NULL;
    return "needs a GPU of AMD's of gfx90a, gfx94 or gfx95 with its driver";
}

static const char *gate_dpas(facts *f)
{
    if (!is_gpu(f) || !rs_ask_extension(&f->asking, "cl_intel_subgroup_matrix_multiply_accumulate"))
        return "needs cl_intel_subgroup_matrix_multiply_accumulate";
    if (!rs_ask_extension(&f->asking, "cl_intel_required_subgroup_size"))
        return "needs cl_intel_required_subgroup_size";
    return f->hw->info.subgroup == 8 || f->hw->info.subgroup == 16 ? NULL
                                                                   : "needs sub-groups of 8 or 16";
}

#if defined __x86_64__ && defined __linux__
/* Registers of leaf 7 of the processor's features, all 0 where the system does not keep `registers`, bits of
 * XCR0, for a process. */
typedef struct features {
    unsigned b, d, more_a; /* of subleaf 0; of subleaf 1 */
} features;

static features host_features(unsigned registers)
{
    enum { XSAVE = 1 << 27 };
    features is = {0};
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & XSAVE))
        return is;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    if ((a & registers) != registers || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return is;
    is = (features){.b = b, .d = d};
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
        is.more_a = a;
    return is;
}

static bool host_has_bf16(void)
{
    enum { VECTORS = 0xe6, FOUNDATION = 1 << 16, BF16 = 1 << 5 };
    const features is = host_features(VECTORS);
    return (is.b & FOUNDATION) && (is.more_a & BF16);
}

static bool host_has_amx(void)
{
    enum { VECTORS_AND_TILES = 0x600e6, BF16 = 1 << 22, TILES = 1 << 24 };
    const features is = host_features(VECTORS_AND_TILES);
    return (is.d & BF16) && (is.d & TILES);
}

/* Linux gives a process the registers of tiles when it asks, from 5.16 on
 * (Documentation/arch/x86/xstate.rst). */
static bool host_gives_tiles(void)
{
    enum { ASK_FOR_REGISTERS = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ASK_FOR_REGISTERS, TILE_DATA) == 0;
}
#else
static bool host_has_bf16(void)
{
    return false;
}

static bool host_has_amx(void)
{
    return false;
}

static bool host_gives_tiles(void)
{
    return false;
}
#endif

/* A compiler that assembles what it does not know the processor to have. */
static const char *gate_assembly(const facts *f)
{
    return is_gpu(f) || !(f->hw->quirks & RS_QUIRK_ASSEMBLY)
               ? "needs a CPU whose driver takes inline assembly, such as PoCL"
               : NULL;
}

static const char *gate_x86(const facts *f)
{
    const char *why = gate_assembly(f);
    return why ? why : f->hw->info.float_width < 16 ? "needs vectors of 16 floats" : NULL;
}

static const char *gate_x86_bf16(facts *f)
{
    const char *why = gate_x86(f);
    if (why)
        return why;
    if (!host_has_bf16())
        return "needs a processor with AVX512_BF16";
    return f->hw->quirks & RS_QUIRK_SLOW_PAIRS
               ? "needs a processor whose AVX512_BF16 is faster than its products of floats"
               : NULL;
}

static const char *gate_x86_amx(facts *f)
{
    const char *why = gate_x86(f);
    if (why)
        return why;
    if (!host_has_amx() || !host_has_bf16())
        return "needs a processor with AMX for bf16 and AVX512_BF16";
    if (f->hw->info.local_bytes < RS_TILES_LOCAL)
        return "needs 256 KiB of local memory";
    return host_gives_tiles() ? NULL : "needs the system's leave to use tiles, from Linux 5.16 on";
}

static bool host_has_bfmmla(void)
{
#if defined __aarch64__ && defined __linux__
    enum { BF16 = 1 << 14 }; /* Documentation/arch/arm64/elf_hwcaps.rst */
    return (getauxval(AT_HWCAP2) & BF16) != 0;
#else
    return false;
#endif
}

static const char *gate_arm_bf16(facts *f)
{
    const char *why = gate_assembly(f);
    if (why)
        return why;
    if (!host_has_bfmmla())
        return "needs an Arm processor with FEAT_BF16";
    return f->hw->info.float_width > 4 ? "needs vectors of 4 floats" : NULL;
}

/* ---- the list -------------------------------------------------------------------------------- */

typedef struct engine {
    const char *name;
    const char *(*gate)(facts *f);
    const char *options[2];
} engine;

static const engine engines[] = {
#define RS_ENGINE(name, gate, options, more) {#name, gate_##gate, {options, more}},
#include "engines.def"
#undef RS_ENGINE
};

static rescl_status find_name(const char *variable, const char *name, size_t len, rs_engine *out)
{
    rescl_status st = RESCL_OK;
    rs_str names = {0};
    for (size_t i = 0; i < RS_ENGINE_COUNT; i++) {
        if (strlen(engines[i].name) == len && memcmp(engines[i].name, name, len) == 0) {
            *out = (rs_engine)i;
            goto out;
        }
        RS_TRY(rs_str_appendf(&names, "%s%s", i ? ", " : "", engines[i].name));
    }
    RS_FAIL(RESCL_ERR_ARG, "%s: there is no engine '%.*s'; there are: %s%s", variable, (int)len,
            name, names.text,
            strcmp(variable, TRIES) == 0 ? ""
                                         : "; or none, alone; or emulate, alone or before them");
out:
    rs_str_fini(&names);
    return st;
}

/* ---- trying, in the process made for it ------------------------------------------------------ */

/* +-1 to +-2 in steps of 1/128, exact in all types, so that no product or sum of them is rounded. */
static int number(size_t i, size_t salt)
{
    const size_t scattered = (i * 167 + salt * 59 + i * i * 13) % 251;
    return (scattered & 1 ? -1 : 1) * (int)(128 + scattered / 2);
}

/* The bits of number / 128, in 16 or in 32 bits. */
static uint32_t bits_of(int n, const char *options)
{
    const uint32_t sign = n < 0, fraction = (uint32_t)(n < 0 ? -n : n) - 128;
    if (strstr(options, "MMA_TF32"))
        return sign << 31 | 127u << 23 | fraction << 16;
    return strstr(options, "MMA_F16") ? sign << 15 | 15u << 10 | fraction << 3
                                      : sign << 15 | 127u << 7 | fraction;
}

typedef struct trial {
    uint32_t a[SIDE * WORDS], b[WORDS * SIDE];
    float want[SIDE * SIDE], got[SIDE * SIDE];
} trial;

static void fill(trial *t, const char *options)
{
    const size_t per = strstr(options, "MMA_TF32") ? 1 : 2;
    for (size_t i = 0; i < SIDE * SIDE; i++)
        t->want[i] = 0.0f;
    for (size_t w = 0; w < WORDS; w++)
        for (size_t half = 0; half < per; half++)
            for (size_t i = 0; i < SIDE; i++) {
                const size_t k = w * per + half;
                const int a = number(k * SIDE + i, 1);
                t->a[i * WORDS + w] |= bits_of(a, options) << (16 * half);
                t->b[w * SIDE + i] |= bits_of(number(k * SIDE + i, 2), options) << (16 * half);
                for (size_t n = 0; n < SIDE; n++)
                    t->want[i * SIDE + n] +=
                        2.0f * (float)(a * number(k * SIDE + n, 2)) / (128.0f * 128.0f);
            }
}

static rescl_status multiply(rescl_device *dev, const engine *e, const char *more, trial *t)
{
    rescl_status st = RESCL_OK;
    rs_buffer *a = NULL, *b = NULL, *d = NULL;
    rs_kernel *kernel = NULL;
    char options[128], width[32] = "";
    const rs_grid grid = {.items = {1, 1, 1}};
    if (dev->caps.sets_subgroup)
        snprintf(width, sizeof width, " -DSUBGROUP=%u", dev->caps.subgroup);
    snprintf(options, sizeof options, "%s%s", more, width);
    RS_TRY(rs_buffer_create(dev, sizeof t->a, &a));
    RS_TRY(rs_buffer_create(dev, sizeof t->b, &b));
    RS_TRY(rs_buffer_create(dev, sizeof t->got, &d));
    RS_TRY(rs_write(dev, a, 0, t->a, sizeof t->a));
    RS_TRY(rs_write(dev, b, 0, t->b, sizeof t->b));
    RS_TRY(rs_kernel_get(dev, "engine", options, "engine_probe", &kernel));
    RS_TRY(RS_LAUNCH(dev, kernel, grid, RS_BUF(a), RS_BUF(b), RS_BUF(d)));
    RS_TRY(rs_read(dev, d, 0, t->got, sizeof t->got));
    for (size_t i = 0; i < RS_COUNT(t->want); i++)
        RS_FAIL_IF(t->got[i] != t->want[i], RESCL_ERR_UNSUPPORTED,
                   "%s gives wrong numbers (%s): %.9g instead of %.9g", e->name, options,
                   (double)t->got[i], (double)t->want[i]);
out:
    rs_buffer_release(a);
    rs_buffer_release(b);
    rs_buffer_release(d);
    return st;
}

void rs_engine_limit_trial(void)
{
    const struct rlimit none = {0, 0};
    if (!getenv(TRIES))
        return;
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)alarm(PATIENCE);
}

static rescl_status try_here(rescl_runtime *runtime, size_t index, const char *name)
{
    rescl_status st = RESCL_OK;
    rescl_device *dev = NULL;
    char selector[48];
    rs_engine which = (rs_engine)0;
    RS_TRY(find_name(TRIES, name, strlen(name), &which));
    const engine *e = &engines[which];
    const rescl_device_info *info = &runtime->devices[index].info;
    if (which == RS_ENGINE_x86_amx && host_has_amx())
        (void)host_gives_tiles();
    snprintf(selector, sizeof selector, "%zu:%zu", info->platform, info->device);
    RS_TRY(rescl_device_open(runtime, selector, 0, &dev));
    for (size_t i = 0; i < RS_COUNT(e->options) && (i == 0 || e->options[i][0]); i++) {
        trial t = {.a = {0}};
        fill(&t, e->options[i]);
        st = multiply(dev, e, e->options[i], &t);
        RS_FAIL_IF(st == RESCL_ERR_BUILD, RESCL_ERR_UNSUPPORTED,
                   "the driver does not compile it (%s)", e->options[i]);
        RS_TRY(st);
    }
out:
    rescl_device_close(dev);
    return st;
}

/* ---- trying, from outside -------------------------------------------------------------------- */

/* What a message has to say, without the name of the program that says it. */
static const char *without_program(const char *message)
{
    static const char before[] = "error: ";
    const char *at = strstr(message, before);
    return at ? at + sizeof before - 1 : message;
}

/* Not want of memory, a file that is missing or a signal from outside, which pass. */
static bool would_end_so_again(int ended)
{
    enum {
        DEVICE = 3,
        SIGNAL = 128
    }; /* the first is the program's where a device cannot or fails */
    return ended == 0 || ended == DEVICE || ended == SIGNAL + SIGILL || ended == SIGNAL + SIGSEGV ||
           ended == SIGNAL + SIGABRT;
}

rescl_status rs_engine_try(const rs_hw *hw, rs_engine e, unsigned patience, char reason[256],
                           bool *lasts)
{
    rescl_status st = RESCL_OK;
    char *program = NULL, *variable = NULL, selector[48];
    snprintf(selector, sizeof selector, "%zu:%zu", hw->info.platform, hw->info.device);
    *lasts = false;
    RS_TRY(rs_command_find("rescl", &program));
    if (!program) {
        snprintf(reason, 256, "not tried: the program rescl, which does, is not near the library");
        goto out;
    }
    RS_OOM(variable = rs_strf("%s=%s", TRIES, engines[e].name));
    const char *const argv[] = {program, "devices", "--probe", "--device", selector, NULL};
    const rs_command command = {.argv = argv, .variable = variable, .patience = patience};
    int ended = -1;
    const rescl_status how = rs_command_run(&command, &ended);
    if (how == RESCL_ERR_MEMORY) {
        st = how;
        goto out;
    }
    *lasts = would_end_so_again(ended);
    snprintf(reason, 256, "%s%s",
             how == RESCL_ERR_DEVICE || how == RESCL_ERR_INTERRUPTED
                 ? "tried in a process of its own: "
                 : "",
             how == RESCL_OK ? "" : without_program(rescl_last_error()->message));
out:
    free(program);
    free(variable);
    return st;
}

rescl_status rs_engine_key(const rs_hw *hw, rs_engine e, rs_cache_key *out)
{
    rescl_status st = RESCL_OK;
    const rescl_device_info *is = &hw->info;
    rs_source source = {0};
    char *options = NULL;
    RS_TRY(rs_source_load(&source, "engine"));
    RS_OOM(options =
               rs_strf("probe of %s, sub-groups of %u, vectors of %u, groups of %zu, local %llu",
                       engines[e].name, is->subgroup, is->float_width, is->max_group,
                       (unsigned long long)is->local_bytes));
    rs_cache_key_make(hw, source.text.text, options, out);
out:
    rs_source_fini(&source);
    free(options);
    return st;
}

/* rs_engine_try, unless the cache knows what would come of it: "" or why not. */
static rescl_status try_once(const rs_hw *hw, rs_engine e, char reason[256])
{
    rescl_status st = RESCL_OK;
    rs_cache_key key;
    char *known = NULL;
    size_t bytes = 0;
    bool lasts = false;
    RS_TRY(rs_engine_key(hw, e, &key));
    if (rs_cache_try_load(&key, &known, &bytes) && bytes > 0 && bytes <= 256 &&
        known[bytes - 1] == '\0') {
        snprintf(reason, 256, "%s", known);
        goto out;
    }
    RS_TRY(rs_engine_try(hw, e, PATIENCE, reason, &lasts));
    if (lasts)
        rs_cache_try_store(&key, reason, strlen(reason) + 1);
    rs_log(RESCL_LOG_DEBUG, "engine %s on %s: %s", engines[e].name, hw->info.name,
           reason[0] ? reason : "usable");
out:
    free(known);
    return st;
}

/* ---- what a device has ----------------------------------------------------------------------- */

/* Those that stand for a device which is emulated: of its architecture, else NVIDIA's. */
static bool stands_in(const facts *f, rs_engine e)
{
    const char *family = !is_gpu(f)                    ? "x86_bf16"
                         : is_architecture(f, "gfx11") ? "amd_wmma"
                         : is_architecture(f, "gfx9")  ? "amd_mfma"
                         : is_architecture(f, "xe_")   ? "intel_"
                                                       : "nv_";
    return strncmp(engines[e].name, family, strlen(family)) == 0;
}

/* Bits of those that RESCL_ENGINES lists. */
static rescl_status read_list(const char *list, unsigned *bits)
{
    rescl_status st = RESCL_OK;
    *bits = 0;
    while (*list) {
        const size_t len = strcspn(list, ",");
        rs_engine e = (rs_engine)0;
        RS_TRY(find_name("RESCL_ENGINES", list, len, &e));
        *bits |= 1u << e;
        list += len + (list[len] == ',');
    }
out:
    return st;
}

rescl_status rs_engines_find(const rs_hw *hw, rs_caps *caps, rescl_engine *told)
{
    rescl_status st = RESCL_OK;
    facts f = {.hw = hw, .asking = {.id = hw->id}};
    const char *list = getenv("RESCL_ENGINES");
    const bool given = list && list[0];
    const bool none = getenv(TRIES) || (given && strcmp(list, "none") == 0);
    const bool emulate =
        given && (strcmp(list, "emulate") == 0 || strncmp(list, "emulate,", 8) == 0);
    unsigned listed = 0;
    caps->engines = 0;
    caps->emulates = emulate && !none;
    if (given && !none && strcmp(list, "emulate") != 0)
        RS_TRY(read_list(emulate ? strchr(list, ',') + 1 : list, &listed));
    if ((listed & 1u << RS_ENGINE_x86_amx) && !emulate && host_has_amx())
        (void)host_gives_tiles();
    for (size_t i = 0; i < RS_ENGINE_COUNT; i++) {
        char reason[256] = "";
        bool usable = false;
        if (given || none) {
            usable = !none &&
                     (emulate && !listed ? stands_in(&f, (rs_engine)i) : (listed & 1u << i) != 0);
            snprintf(reason, sizeof reason, "%s by RESCL_ENGINES",
                     !usable   ? "left out"
                     : emulate ? "emulated"
                               : "taken without a trial");
        } else {
            const char *why = engines[i].gate(&f);
            if (why)
                snprintf(reason, sizeof reason, "%s", why);
            else
                RS_TRY(try_once(hw, (rs_engine)i, reason));
            usable = !reason[0];
        }
        caps->engines |= usable ? 1u << i : 0;
        if (told) {
            told[i] = (rescl_engine){.name = engines[i].name, .usable = usable};
            memcpy(told[i].reason, reason, sizeof reason);
        }
    }
    RS_FAIL_IF(f.asking.out_of_memory, RESCL_ERR_MEMORY, "out of host memory");
    RS_CL_CODE(f.asking.code, f.asking.call);
out:
    return st;
}

rescl_status rescl_runtime_probe(rescl_runtime *runtime, size_t index, rescl_engine *out,
                                 size_t most, size_t *count)
{
    rescl_status st = RESCL_OK;
    rescl_engine told[RS_ENGINE_COUNT];
    rs_caps caps = {0};
    const char *tries = getenv(TRIES);
    *count = 0;
    RS_FAIL_IF(index >= runtime->count, RESCL_ERR_ARG, "there is no device %zu, but %zu", index,
               runtime->count);
    if (tries)
        RS_TRY(try_here(runtime, index, tries));
    RS_TRY(rs_engines_find(&runtime->devices[index], &caps, told));
    *count = RS_ENGINE_COUNT;
    for (size_t i = 0; i < RS_ENGINE_COUNT && i < most; i++)
        out[i] = told[i];
out:
    return st;
}
