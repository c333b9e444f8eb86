/* From random numbers to a scene: the skeleton of a right hand in its own units (1024 from the
 * wrist to the tip of the middle finger; x to the right, y up, z out of the palm), its place before
 * the camera, skin, light and background.
 *
 * Each random number is drawn by a statement of its own: C leaves the order of evaluation within an
 * expression to the compiler. */
#include "error.h"
#include "fixed.h"
#include "handsigns.h"
#include "rng.h"

#include <string.h>

enum { THUMB, INDEX, MIDDLE, RING, PINKY, FINGERS };

typedef struct pose {
    rs_scene *scene;
    rs_rng rng;
    int raised[FINGERS];
    int back_view;
    int32_t curl; /* how far folded fingers stand out of the palm, so that the thumb clears them */
    size_t hand_parts; /* parts before the arm: what must lie within the image */
} pose;

typedef struct matrix {
    int32_t at[3][3]; /* in 1 / RS_ONE14 */
} matrix;

/* [lo, hi] */
static int32_t draw(pose *p, int32_t lo, int32_t hi)
{
    return lo + (int32_t)rs_rng_below(&p->rng, (uint32_t)(hi - lo + 1));
}

/* [-range, range], small values more often. */
static int32_t jitter(pose *p, int32_t range)
{
    const int32_t a = draw(p, -range, range);
    const int32_t b = draw(p, -range, range);
    return (a + b) / 2;
}

static int chance(pose *p, int percent)
{
    return draw(p, 0, 99) < percent;
}

static int32_t degrees(int32_t d)
{
    return d * RS_TURN / 360;
}

static const struct {
    const char *name;
    int fingers, percent; /* how many are raised; how often these are */
    int raised[FINGERS];
} ways[RS_HAND_WAYS] = {
    {"fist", 0, 100, {0, 0, 0, 0, 0}},
    {"index", 1, 90, {0, 1, 0, 0, 0}},
    {"thumb", 1, 10, {1, 0, 0, 0, 0}},
    {"index-middle", 2, 75, {0, 1, 1, 0, 0}},
    {"thumb-index", 2, 25, {1, 1, 0, 0, 0}},
    {"index-middle-ring", 3, 45, {0, 1, 1, 1, 0}},
    {"thumb-index-middle", 3, 35, {1, 1, 1, 0, 0}},
    {"middle-ring-little", 3, 20, {0, 0, 1, 1, 1}},
    {"four", 4, 100, {0, 1, 1, 1, 1}},
    {"five", 5, 100, {1, 1, 1, 1, 1}},
};

const char *rs_handsigns_way(int way)
{
    return ways[way].name;
}

static int choose_way(pose *p, int fingers)
{
    int ticket = draw(p, 0, 99);
    for (int i = 0; i < RS_HAND_WAYS; i++) {
        if (ways[i].fingers != fingers)
            continue;
        if (ticket < ways[i].percent)
            return i;
        ticket -= ways[i].percent;
    }
    return 0;
}

static rs_part *add_part(pose *p, rs_part_kind kind, rs_point3 a, int32_t ra, rs_point3 b,
                         int32_t rb)
{
    rs_part *part = &p->scene->part[p->scene->parts++];
    *part = (rs_part){.kind = kind, .a = a, .b = b, .ra = ra, .rb = rb, .flat = 256, .blend = 26};
    return part;
}

static void add_palm(pose *p)
{
    static const struct {
        rs_point3 a;
        int32_t ra;
        rs_point3 b;
        int32_t rb;
    } bulk[] = {
        {{-66, -290, 0}, 92, {-160, 118, 0}, 64},    {{-25, -300, 0}, 96, {-54, 145, 0}, 66},
        {{28, -300, 0}, 96, {56, 128, 0}, 64},       {{70, -290, 0}, 88, {152, 74, 0}, 58},
        {{112, -200, 8}, 88, {146, -20, 4}, 78},     {{-120, -40, 0}, 110, {90, -40, 0}, 110},
        {{-90, -215, 24}, 108, {-178, -70, 26}, 74},
    };
    for (size_t i = 0; i < RS_COUNT(bulk); i++) {
        rs_part *part = add_part(p, RS_PART_PALM, bulk[i].a, bulk[i].ra, bulk[i].b, bulk[i].rb);
        part->flat = 150;
        part->blend = 90;
    }
}

/* A finger from its knuckle through three phalanges. `side` tilts it within the palm's plane,
 * `bend` are the angles of the phalanges out of it: 0 straight on, 180 degrees folded back. */
static void add_finger(pose *p, rs_point3 base, const int32_t length[3], const int32_t radius[4],
                       const int32_t side[3], const int32_t bend[3], int raised)
{
    rs_point3 at = base;
    for (int i = 0; i < 3; i++) {
        const int32_t along = rs_fix_mul(length[i], rs_fix_cos(bend[i]), 14);
        const rs_point3 next = {at.x + rs_fix_mul(along, rs_fix_sin(side[i]), 14),
                                at.y + rs_fix_mul(along, rs_fix_cos(side[i]), 14),
                                at.z + rs_fix_mul(length[i], rs_fix_sin(bend[i]), 14)};
        rs_part *part = add_part(p, RS_PART_FINGER, at, radius[i], next, radius[i + 1]);
        part->crease_a = p->back_view ? 0 : 100;
        part->nail = i == 2 && p->back_view && raised;
        part->blend = raised ? 30 : 12;
        at = next;
    }
}

static void add_four_fingers(pose *p)
{
    static const rs_point3 knuckle[FINGERS] = {
        {0, 0, 0}, {-160, 124, 0}, {-54, 152, 0}, {56, 134, 0}, {154, 76, 0}};
    static const int32_t bone[FINGERS][3] = {
        {0}, {205, 125, 100}, {228, 145, 106}, {210, 136, 102}, {162, 100, 88}};
    static const int32_t thick[FINGERS][4] = {
        {0}, {56, 51, 46, 37}, {57, 53, 47, 38}, {55, 50, 45, 36}, {49, 44, 39, 32}};
    static const int32_t fan[FINGERS] = {0, -9, -1, 7, 17};
    const int32_t spread = draw(p, 80, 190); /* percent */
    const int32_t slim = draw(p, 86, 112), tall = 100 + jitter(p, 9);
    const int32_t sway = jitter(p, 6);
    p->curl = draw(p, 72, 96);
    for (int f = INDEX; f <= PINKY; f++) {
        int32_t length[3], radius[4], side[3], bend[3] = {0};
        const int32_t tilt = sway + fan[f] * spread / 100 + jitter(p, 4);
        const int32_t lift = p->raised[f] ? draw(p, -2, 16) : p->curl + jitter(p, 8);
        for (int i = 0; i < 3; i++) {
            length[i] = bone[f][i] * tall / 100;
            const int32_t more = p->raised[f] ? draw(p, 0, 9) : draw(p, 78, 96);
            const int32_t lean = jitter(p, 3);
            bend[i] = i == 0 ? lift : bend[i - 1] + (i == 2 ? more * 3 / 5 : more);
            side[i] = p->raised[f] ? tilt + lean * i : tilt / 4 + lean;
        }
        for (int i = 0; i < 3; i++) {
            bend[i] = degrees(p->back_view ? -bend[i] : bend[i]);
            side[i] = degrees(side[i]);
        }
        for (int i = 0; i < 4; i++)
            radius[i] = thick[f][i] * slim / 100;
        add_finger(p, knuckle[f], length, radius, side, bend, p->raised[f]);
    }
}

static void add_thumb(pose *p)
{
    const int fist = !p->raised[INDEX] || !p->raised[MIDDLE];
    rs_point3 joint[3];
    joint[0] = (rs_point3){-172, -100, 24};
    if (p->raised[THUMB]) {
        const int32_t a = degrees(draw(p, -78, -34));
        const int32_t b = a + degrees(draw(p, -6, 26));
        const int32_t rise = draw(p, 0, 60);
        joint[1] = (rs_point3){joint[0].x + rs_fix_mul(180, rs_fix_sin(a), 14),
                               joint[0].y + rs_fix_mul(180, rs_fix_cos(a), 14), 24 + rise};
        joint[2] = (rs_point3){joint[1].x + rs_fix_mul(130, rs_fix_sin(b), 14),
                               joint[1].y + rs_fix_mul(130, rs_fix_cos(b), 14), 24 + rise};
    } else {
        const int32_t over = fist ? 282 : p->raised[RING] ? 96 : 150;
        const int32_t low = fist ? 34 : 0;
        joint[1].x = -128 + jitter(p, 26);
        joint[1].y = 10 + low + jitter(p, 26);
        joint[1].z = over * 3 / 4;
        joint[2].x = -10 + jitter(p, 44);
        joint[2].y = 8 + low + jitter(p, 40);
        joint[2].z = over;
    }
    if (p->back_view) {
        for (int i = 1; i < 3; i++)
            joint[i].z = p->raised[THUMB] ? -joint[i].z / 2 : -joint[i].z;
    }
    const int32_t thick = draw(p, 90, 112);
    for (int i = 0; i < 2; i++) {
        rs_part *part = add_part(p, RS_PART_FINGER, joint[i], (i ? 56 : 72) * thick / 100,
                                 joint[i + 1], (i ? 44 : 56) * thick / 100);
        part->crease_a = i == 1 && !p->back_view ? 100 : 0;
        part->nail = i == 1 && (p->back_view ? p->raised[THUMB] : !p->raised[THUMB]);
        part->blend = i ? 16 : 40;
    }
}

static void add_arm(pose *p)
{
    const int32_t bend = degrees(180 + jitter(p, 34));
    const int32_t sx = rs_fix_sin(bend), cy = rs_fix_cos(bend);
    const int32_t thick = draw(p, 92, 112);
    const rs_point3 wrist = {0, -310, 0};
    const rs_point3 mid = {rs_fix_mul(260, sx, 14), -310 + rs_fix_mul(260, cy, 14), 0};
    const rs_point3 far = {rs_fix_mul(2600, sx, 14), -310 + rs_fix_mul(2600, cy, 14), 0};
    const rs_part_kind kinds[2] = {RS_PART_ARM, RS_PART_ARM};
    const rs_point3 from[2] = {wrist, mid}, to[2] = {mid, far};
    const int32_t ra[2] = {112, 112}, rb[2] = {112, 300};
    for (int i = 0; i < 2; i++) {
        rs_part *part =
            add_part(p, kinds[i], from[i], ra[i] * thick / 100, to[i], rb[i] * thick / 100);
        part->flat = 170;
        part->blend = 90;
    }
    if (chance(p, 30)) {
        const int32_t start = draw(p, 230, 800);
        const rs_point3 cuff = {rs_fix_mul(start, sx, 14), -310 + rs_fix_mul(start, cy, 14), 6};
        const int32_t width = 118 + 188 * start / 2340;
        rs_part *part =
            add_part(p, RS_PART_SLEEVE, cuff, (width + 34) * thick / 100, far, 350 * thick / 100);
        part->flat = 180;
        part->blend = 0;
    }
}

/* Turns and scales the skeleton into the image, y downwards. */
static rs_point3 place(const matrix *m, rs_point3 v)
{
    const int32_t in[3] = {v.x, v.y, v.z};
    int32_t out[3];
    for (int i = 0; i < 3; i++) {
        int64_t sum = 0;
        for (int k = 0; k < 3; k++)
            sum += (int64_t)m->at[i][k] * in[k];
        out[i] = (int32_t)(sum >> 14);
    }
    return (rs_point3){out[0], -out[1], out[2]};
}

/* The rotation Rz(roll) Rx(pitch) Ry(yaw), the mirror image of it, times `unit` / 16. */
static void make_matrix(pose *p, int32_t unit, matrix *out)
{
    const int32_t roll = jitter(p, 36);
    const int32_t yaw = degrees(jitter(p, 28)), pitch = degrees(jitter(p, 18));
    const int32_t sr = rs_fix_sin(degrees(roll)), cr = rs_fix_cos(degrees(roll));
    const int32_t sy = rs_fix_sin(yaw), cy = rs_fix_cos(yaw);
    const int32_t sp = rs_fix_sin(pitch), cp = rs_fix_cos(pitch);
    const int32_t tilt[3][3] = {
        {cy, 0, sy},
        {rs_fix_mul(sp, sy, 14), cp, -rs_fix_mul(sp, cy, 14)},
        {-rs_fix_mul(cp, sy, 14), sp, rs_fix_mul(cp, cy, 14)},
    };
    const int left = chance(p, 50);
    int32_t(*m)[3] = out->at;
    for (int k = 0; k < 3; k++) {
        const int32_t sign = left && k == 0 ? -1 : 1;
        m[0][k] = sign * (rs_fix_mul(cr, tilt[0][k], 14) - rs_fix_mul(sr, tilt[1][k], 14));
        m[1][k] = sign * (rs_fix_mul(sr, tilt[0][k], 14) + rs_fix_mul(cr, tilt[1][k], 14));
        m[2][k] = sign * tilt[2][k];
        for (int i = 0; i < 3; i++)
            m[i][k] = m[i][k] * (unit / 16);
    }
}

static void place_hand(pose *p)
{
    rs_scene *s = p->scene;
    matrix m;
    int32_t lo[2] = {INT32_MAX, INT32_MAX}, hi[2] = {INT32_MIN, INT32_MIN};
    make_matrix(p, 16 * 16, &m);
    for (size_t i = 0; i < s->parts; i++) {
        rs_part *part = &s->part[i];
        part->a = place(&m, part->a);
        part->b = place(&m, part->b);
    }
    for (size_t i = 0; i < p->hand_parts; i++) {
        const rs_part *part = &s->part[i];
        lo[0] = rs_fix_min(lo[0], rs_fix_min(part->a.x, part->b.x) - 16 * part->rb);
        lo[1] = rs_fix_min(lo[1], rs_fix_min(part->a.y, part->b.y) - 16 * part->rb);
        hi[0] = rs_fix_max(hi[0], rs_fix_max(part->a.x, part->b.x) + 16 * part->rb);
        hi[1] = rs_fix_max(hi[1], rs_fix_max(part->a.y, part->b.y) + 16 * part->rb);
    }
    /* The skeleton is in 1/16 of its units now; `scale` takes it to the image's. */
    const int32_t extent = rs_fix_max(hi[0] - lo[0], hi[1] - lo[1]);
    const int32_t wanted = RS_HAND_SIDE / 100 * draw(p, 74, 108); /* of a hand with fingers out */
    const int32_t most = (int32_t)((int64_t)RS_HAND_SIDE * 95 / 100 * 16384 / extent);
    const int32_t scale = rs_fix_min(wanted, most);
    int32_t offset[2];
    for (int k = 0; k < 2; k++) {
        const int32_t from = rs_fix_mul(lo[k], scale, 14), to = rs_fix_mul(hi[k], scale, 14);
        const int32_t slack = RS_HAND_SIDE - (to - from);
        const int32_t at = draw(p, slack / 12, rs_fix_max(slack - slack / 12, slack / 12 + 1));
        offset[k] = at - from;
    }
    for (size_t i = 0; i < s->parts; i++) {
        rs_part *part = &s->part[i];
        rs_point3 *end[2] = {&part->a, &part->b};
        for (int e = 0; e < 2; e++) {
            end[e]->x = rs_fix_mul(end[e]->x, scale, 14) + offset[0];
            end[e]->y = rs_fix_mul(end[e]->y, scale, 14) + offset[1];
            end[e]->z = rs_fix_mul(end[e]->z, scale, 14);
        }
        part->ra = rs_fix_mul(part->ra, scale, 10);
        part->rb = rs_fix_mul(part->rb, scale, 10);
        part->blend = rs_fix_mul(part->blend, scale, 10);
    }
    s->unit = scale / 64; /* scale / 1024 of a unit, in 1/16 */
    if (p->back_view)
        return;
    static const rs_point3 lines[RS_HAND_LINES][3] = {
        {{-150, 20, 0}, {-86, -60, 0}, {-92, -250, 0}},
        {{-150, 24, 0}, {-20, -10, 0}, {110, -90, 0}},
        {{-70, 96, 0}, {10, 50, 0}, {160, 40, 0}},
    };
    s->lines = RS_HAND_LINES;
    for (size_t i = 0; i < RS_HAND_LINES; i++) {
        for (int k = 0; k < 3; k++) {
            rs_point3 v = place(&m, lines[i][k]);
            s->line[i][k] = (rs_point3){rs_fix_mul(v.x, scale, 14) + offset[0],
                                        rs_fix_mul(v.y, scale, 14) + offset[1], 0};
        }
    }
}

static void color_between(const uint8_t a[3], const uint8_t b[3], int32_t t256, int32_t out[3])
{
    for (int c = 0; c < 3; c++)
        out[c] = rs_fix_mix(a[c], b[c], t256, 8);
}

static void choose_skin(pose *p)
{
    static const uint8_t tones[][3] = {{246, 212, 186}, {236, 190, 155}, {214, 162, 124},
                                       {186, 132, 96},  {146, 98, 68},   {104, 68, 50},
                                       {78, 52, 42}};
    static const uint8_t cloth[][3] = {{40, 48, 70},   {200, 200, 205}, {30, 30, 34},
                                       {120, 40, 44},  {70, 100, 80},   {150, 140, 120},
                                       {60, 110, 160}, {190, 150, 60}};
    rs_scene *s = p->scene;
    const int32_t place256 = draw(p, 0, 256 * (int32_t)(RS_COUNT(tones) - 1) - 1);
    color_between(tones[place256 / 256], tones[place256 / 256 + 1], place256 % 256, s->skin);
    for (int c = 0; c < 3; c++) {
        s->skin[c] += jitter(p, 8);
        s->nail[c] = rs_fix_min(s->skin[c] * 9 / 8 + (c == 0 ? 10 : 12), 255);
    }
    const size_t first = (size_t)draw(p, 0, (int32_t)RS_COUNT(cloth) - 1);
    const size_t second = (size_t)draw(p, 0, (int32_t)RS_COUNT(cloth) - 1);
    color_between(cloth[first], cloth[second], draw(p, 0, 128), s->sleeve);
    s->mottle = draw(p, 10, 50);
}

static void choose_light(pose *p)
{
    rs_scene *s = p->scene;
    const int32_t around = draw(p, 0, RS_TURN - 1);
    const int32_t height = degrees(draw(p, 28, 72));
    const int32_t flat = rs_fix_cos(height);
    s->light[0] = rs_fix_mul(flat, rs_fix_cos(around), 14) / 64;
    s->light[1] = -rs_fix_mul(flat, rs_fix_sin(around), 14) / 64;
    if (s->light[1] > 60) /* light rarely comes from below */
        s->light[1] = -s->light[1];
    s->light[2] = rs_fix_sin(height) / 64;
    s->ambient = draw(p, 90, 170);
    s->shadow = draw(p, 20, 110);
    const int32_t exposure = 246 + jitter(p, 60);
    const int32_t warm = jitter(p, 22), green = jitter(p, 8);
    s->gain[0] = exposure + warm;
    s->gain[1] = exposure + green;
    s->gain[2] = exposure - warm;
    s->blur = chance(p, 40);
    s->noise = draw(p, 0, 7);
}

static void choose_shapes(pose *p)
{
    rs_scene *s = p->scene;
    s->shapes = chance(p, 50) ? 0 : (size_t)draw(p, 1, RS_HAND_SHAPES);
    const int32_t loud = draw(p, 15, 60); /* percent of how far colours lie from the wall's */
    for (size_t i = 0; i < s->shapes; i++) {
        rs_shape2d *h = &s->shape[i];
        const int32_t turn = draw(p, 0, RS_TURN - 1);
        h->box = chance(p, 50);
        h->x = draw(p, -RS_HAND_SIDE / 8, RS_HAND_SIDE * 9 / 8);
        h->y = draw(p, -RS_HAND_SIDE / 8, RS_HAND_SIDE * 9 / 8);
        h->rx = draw(p, RS_HAND_SIDE / 24, RS_HAND_SIDE / 2);
        h->ry = draw(p, RS_HAND_SIDE / 24, RS_HAND_SIDE / 4);
        h->cos14 = rs_fix_cos(turn);
        h->sin14 = rs_fix_sin(turn);
        h->soft = draw(p, RS_HAND_SIDE / 64, RS_HAND_SIDE / 8);
        h->alpha = draw(p, 60, 256);
        for (int c = 0; c < 3; c++) {
            const int32_t wall = (s->back[0][c] + s->back[1][c]) / 2;
            h->color[c] = rs_fix_clamp(wall + (draw(p, 0, 255) - 128) * loud / 100, 0, 255);
        }
    }
}

static void choose_background(pose *p)
{
    rs_scene *s = p->scene;
    const int plain = chance(p, 65);
    const int32_t grey = plain ? draw(p, 130, 235) : draw(p, 40, 225);
    const int32_t colorful = plain ? 12 : 60;
    const int32_t change = plain ? 30 : 70;
    const int32_t turn = draw(p, 0, RS_TURN - 1);
    const int32_t fall = jitter(p, change);
    for (int c = 0; c < 3; c++) {
        s->back[0][c] = rs_fix_clamp(grey + jitter(p, colorful), 0, 255);
        s->back[1][c] = rs_fix_clamp(s->back[0][c] + fall + jitter(p, change / 3), 0, 255);
    }
    s->back_cos14 = rs_fix_cos(turn);
    s->back_sin14 = rs_fix_sin(turn);
    s->texture = draw(p, 0, plain ? 8 : 20);
    choose_shapes(p);
}

static void begin(pose *p, rs_scene *scene, uint64_t seed, uint64_t stream)
{
    *p = (pose){.scene = scene};
    memset(scene, 0, sizeof *scene);
    scene->seed = seed;
    scene->stream = stream;
    rs_rng_init(&p->rng, seed, stream);
}

static void fill(pose *p, int way)
{
    memcpy(p->raised, ways[way].raised, sizeof p->raised);
    p->back_view = chance(p, 30);
    add_palm(p);
    add_four_fingers(p);
    add_thumb(p);
    p->hand_parts = p->scene->parts;
    add_arm(p);
    place_hand(p);
    choose_skin(p);
    choose_light(p);
    choose_background(p);
}

void rs_handsigns_pose(rs_scene *scene, uint64_t seed, uint64_t stream, int fingers)
{
    pose p;
    begin(&p, scene, seed, stream);
    fill(&p, choose_way(&p, fingers));
}

void rs_handsigns_pose_way(rs_scene *scene, uint64_t seed, uint64_t stream, int way)
{
    pose p;
    begin(&p, scene, seed, stream);
    fill(&p, way);
}
