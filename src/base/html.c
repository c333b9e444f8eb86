#include "html.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- text --------------------------------------------------------------------------------- */

/* Bytes of the character of UTF-8 at `p`; 0 for what is none. */
static size_t char_bytes(const char *p)
{
    const unsigned char first = (unsigned char)*p;
    const size_t len = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    char one[5] = {0};
    memcpy(one, p, strnlen(p, len));
    return strlen(one) == len && rs_is_utf8(one) ? len : 0;
}

static void put_char(FILE *f, const char *p, size_t len)
{
    switch (*p) {
    case '&':
        fputs("&amp;", f);
        break;
    case '<':
        fputs("&lt;", f);
        break;
    case '>':
        fputs("&gt;", f);
        break;
    case '"':
        fputs("&quot;", f);
        break;
    case '\'':
        fputs("&#39;", f);
        break;
    default:
        fwrite(p, 1, len, f);
    }
}

/* At most `most` characters, of which a last one stands for what is cut off. */
static void put_text(rs_html *h, const char *text, const char *keep, size_t most)
{
    char *shown = malloc(RS_ESCAPED(strlen(text)));
    if (!shown) {
        h->failed = true;
        return;
    }
    rs_escape(text, keep, shown);
    for (const char *p = shown; *p; most--) {
        const size_t len = char_bytes(p);
        if (most == 1 && p[len ? len : 1]) {
            fputs("\xe2\x80\xa6", h->f);
            break;
        }
        if (len)
            put_char(h->f, p, len);
        else
            fputs("\xef\xbf\xbd", h->f);
        p += len ? len : 1;
    }
    free(shown);
}

void rs_html_text(rs_html *h, const char *text)
{
    put_text(h, text, "", SIZE_MAX);
}

void rs_html_cut(rs_html *h, const char *text, size_t most)
{
    put_text(h, text, "", most);
}

static void put_format(rs_html *h, const char *fmt, va_list args)
{
    char *text = rs_vstrf(fmt, args);
    h->failed = h->failed || !text;
    rs_html_text(h, text ? text : "");
    free(text);
}

void rs_html_textf(rs_html *h, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    put_format(h, fmt, args);
    va_end(args);
}

void rs_html_name(rs_html *h, const char *name)
{
    fputs("<bdi>", h->f);
    rs_html_text(h, name);
    fputs("</bdi>", h->f);
}

/* ---- the page ----------------------------------------------------------------------------- */

/* Sizes in an SVG are those of its viewBox, 640 wide: on a phone its text is larger, so that it stays
 * legible. The colours of series are those of Okabe and Ito, which also the colour-blind tell apart. */
static const char style[] =
    ":root{--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d1d9e0;--box:#f6f8fa;"
    "--heat:#0969da;--s0:#0072b2;--s1:#c04f00;--s2:#008060;--s3:#a8558a;--s4:#946a00;--s5:#1f84b8;"
    "--s6:#5b5b5b;--s7:#7a3fb5;--good:#1a7f37;--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9aa4af;--line:#"
    "30363d;"
    "--box:#161b22;--heat:#58a6ff;--s0:#4ba8e8;--s1:#f08a4b;--s2:#2fc79a;--s3:#e08fc0;--s4:#e3b341;"
    "--s5:#8ecbf0;--s6:#b8b8b8;--s7:#b992f0;--good:#3fb950;--bad:#ff7b72}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--bg);color:var(--fg);"
    "font:1rem/1.5 system-ui,sans-serif;overflow-wrap:break-word}h1,dd,figcaption,pre,tbody "
    "th,td.t,li{overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin:2.5rem 0 .5rem;"
    "border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1.5rem 0 .5rem}\n"
    "p{max-width:44rem;margin:.5rem 0}\n"
    ".notice{border-left:.3rem solid var(--dim);background:var(--box);padding:.5rem .75rem}"
    ".good{border-color:var(--good)}.bad{border-color:var(--bad)}\n"
    "pre{background:var(--box);padding:.75rem;white-space:pre-wrap;font-size:.85rem}\n"
    "dl.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:.5rem;"
    "margin:1rem 0}"
    "dl.facts div{background:var(--box);padding:.5rem .75rem;border-radius:.4rem}"
    "dl.facts dt{color:var(--dim);font-size:.85rem}dl.facts dd{margin:0;font-size:1.2rem}\n"
    ".scroll{overflow-x:auto;margin:.5rem 0}\n"
    "table{border-collapse:collapse;font-size:.9rem}caption{text-align:left;color:var(--dim);"
    "padding:.25rem 0}th,td{padding:.25rem .6rem;border-bottom:1px solid "
    "var(--line);text-align:left;"
    "vertical-align:top}tbody th,td.t{font-weight:400;min-width:6rem}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    "td.bar{min-width:5rem;width:35%;vertical-align:middle}td.bar "
    "svg{display:block;width:100%;height:1rem}\n"
    "figure{margin:1rem 0}figcaption{font-weight:600;margin-bottom:.25rem}\n"
    "svg.chart{display:block;width:100%;max-width:45rem;height:auto;overflow:visible}\n"
    "svg text{fill:var(--fg);font-size:13px}svg .dim{fill:var(--dim)}\n"
    "svg .grid{stroke:var(--line);stroke-width:1;fill:none}svg .axis{stroke:var(--dim);fill:none}\n"
    "svg .l{fill:none;stroke-width:2;stroke-linejoin:round}"
    "svg .faint{opacity:.35;stroke-width:1}\n"
    "ul.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;margin:.25rem "
    "0;padding:0;"
    "font-size:.9rem}ul.legend svg{width:2rem;height:.8rem;margin-right:.4rem}\n"
    "details{margin:.25rem 0}summary{cursor:pointer;color:var(--dim);font-size:.9rem}\n"
    ".gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(10rem,1fr));gap:1rem}"
    ".gallery figure{margin:0}img{display:block;max-width:100%;height:auto}"
    ".gallery img{width:100%}.gallery figcaption{font-weight:400;font-size:.85rem;"
    "margin:.25rem 0}\n"
    "@media(max-width:600px){svg text{font-size:21px}svg .desk{display:none}}\n"
    "@media print{details>*{display:block}}\n";

static void put_series_style(FILE *f)
{
    static const char *const dash[] = {"none", "7 3", "2 3", "9 3 2 3",
                                       "none", "7 3", "2 3", "9 3 2 3"};
    for (size_t i = 0; i < sizeof dash / sizeof *dash; i++)
        fprintf(f, ".s%zu{stroke:var(--s%zu);stroke-dasharray:%s}.p%zu{fill:var(--s%zu)}", i, i,
                dash[i], i, i);
    for (int level = 1; level <= 10; level++)
        fprintf(f, ".h%d{fill:var(--heat);fill-opacity:%s}", level,
                level == 10 ? "1" : (const char[4]){'.', (char)('0' + level), '\0', '\0'});
    fputs("svg .on{fill:var(--bg)}.b{fill:var(--s0)}.w{stroke:var(--fg);fill:none}\n", f);
}

void rs_html_begin(rs_html *h, const char *title)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'; img-src data:\">\n<title>",
          h->f);
    rs_html_text(h, title);
    fputs("</title>\n<style>\n", h->f);
    fputs(style, h->f);
    put_series_style(h->f);
    fputs("</style>\n</head>\n<body>\n<h1>", h->f);
    rs_html_name(h, title);
    fputs("</h1>\n<main>\n", h->f);
}

void rs_html_end(rs_html *h)
{
    fputs("</main>\n</body>\n</html>\n", h->f);
}

void rs_html_section(rs_html *h, const char *heading)
{
    h->ids++;
    fprintf(h->f, "<section aria-labelledby=\"i%u\">\n<h2 id=\"i%u\">", h->ids, h->ids);
    rs_html_text(h, heading);
    fputs("</h2>\n", h->f);
}

void rs_html_section_end(rs_html *h)
{
    fputs("</section>\n", h->f);
}

void rs_html_heading(rs_html *h, const char *text)
{
    fputs("<h3>", h->f);
    rs_html_text(h, text);
    fputs("</h3>\n", h->f);
}

void rs_html_p(rs_html *h, const char *fmt, ...)
{
    va_list args;
    fputs("<p>", h->f);
    va_start(args, fmt);
    put_format(h, fmt, args);
    va_end(args);
    fputs("</p>\n", h->f);
}

void rs_html_notice(rs_html *h, rs_html_tone tone, const char *fmt, ...)
{
    va_list args;
    fprintf(h->f, "<p class=\"notice%s\">",
            tone == RS_TONE_GOOD  ? " good"
            : tone == RS_TONE_BAD ? " bad"
                                  : "");
    va_start(args, fmt);
    put_format(h, fmt, args);
    va_end(args);
    fputs("</p>\n", h->f);
}

void rs_html_code(rs_html *h, const char *text)
{
    fputs("<pre>", h->f);
    put_text(h, text, "\n\t", SIZE_MAX);
    fputs("</pre>\n", h->f);
}

void rs_html_fold(rs_html *h, const char *summary)
{
    fputs("<details><summary>", h->f);
    rs_html_text(h, summary);
    fputs("</summary>\n", h->f);
}

void rs_html_fold_end(rs_html *h)
{
    fputs("</details>\n", h->f);
}

void rs_html_facts(rs_html *h)
{
    fputs("<dl class=\"facts\">\n", h->f);
}

void rs_html_fact(rs_html *h, const char *term, const char *fmt, ...)
{
    va_list args;
    fputs("<div><dt>", h->f);
    rs_html_text(h, term);
    fputs("</dt><dd><bdi>", h->f);
    va_start(args, fmt);
    put_format(h, fmt, args);
    va_end(args);
    fputs("</bdi></dd></div>\n", h->f);
}

void rs_html_facts_end(rs_html *h)
{
    fputs("</dl>\n", h->f);
}

/* ---- tables ------------------------------------------------------------------------------- */

/* The head of a column, which is no wider for a long name. */
static void put_head(rs_html *h, const char *name)
{
    enum { CHARS = 32 };
    fputs("<th scope=\"col\"><bdi", h->f);
    if (strlen(name) > CHARS) {
        fputs(" title=\"", h->f);
        rs_html_text(h, name);
        fputc('"', h->f);
    }
    fputc('>', h->f);
    rs_html_cut(h, name, CHARS);
    fputs("</bdi></th>", h->f);
}

/* A table that is wider than the page is scrolled by itself, by the keyboard too. */
void rs_html_table(rs_html *h, const char *caption, const char *const *heads, size_t columns)
{
    fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", h->f);
    rs_html_text(h, caption);
    fputs("\">\n<table>\n<caption>", h->f);
    rs_html_text(h, caption);
    fputs("</caption>\n<thead><tr>", h->f);
    for (size_t i = 0; i < columns; i++)
        put_head(h, heads[i]);
    fputs("</tr></thead>\n<tbody>\n", h->f);
}

void rs_html_table_end(rs_html *h)
{
    fputs("</tbody>\n</table>\n</div>\n", h->f);
}

void rs_html_row_begin(rs_html *h, const char *head)
{
    fputs("<tr><th scope=\"row\">", h->f);
    rs_html_name(h, head);
    fputs("</th>", h->f);
}

void rs_html_row_end(rs_html *h)
{
    fputs("</tr>\n", h->f);
}

/* "-1.5e-05", "3.2 ms", "12 %", but no version such as "3.1-2" and no "1.2.3". */
static bool is_number(const char *text)
{
    const char *digits = text + strspn(text, "+-<>= ");
    const char *end = digits + strspn(digits, "0123456789,");
    end += *end == '.';
    end += strspn(end, "0123456789");
    if (*end == 'e')
        end += 1 + strspn(end + 1, "+-0123456789");
    return *digits >= '0' && *digits <= '9' && (!*end || *end == ' ' || *end == '%');
}

/* What is longer than a word wraps. */
static void put_cell(rs_html *h, const char *text)
{
    enum { WORD = 16 };
    if (is_number(text))
        fputs("<td class=\"n\">", h->f);
    else
        fputs(strlen(text) > WORD ? "<td class=\"t\">" : "<td>", h->f);
    if (*text)
        rs_html_name(h, text);
    else
        fputs("\xe2\x80\x93", h->f);
    fputs("</td>", h->f);
}

void rs_html_cell(rs_html *h, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = rs_vstrf(fmt, args);
    va_end(args);
    h->failed = h->failed || !text;
    put_cell(h, text ? text : "");
    free(text);
}

void rs_html_row(rs_html *h, const char *const *cells, size_t columns)
{
    rs_html_row_begin(h, columns ? cells[0] : "");
    for (size_t i = 1; i < columns; i++)
        put_cell(h, cells[i]);
    rs_html_row_end(h);
}

/* Thousandths of `full`, within it. */
static int part_of(double value, double full)
{
    return (int)lrint(fmin(fmax(value / full, 0), 1) * 1000);
}

void rs_html_bar(rs_html *h, double value, double full, double low, double high)
{
    fputs("<td class=\"bar\"><svg viewBox=\"0 0 1000 16\" preserveAspectRatio=\"none\" "
          "aria-hidden=\"true\">",
          h->f);
    if (isfinite(value))
        fprintf(h->f, "<rect class=\"b\" y=\"3\" width=\"%d\" height=\"10\"/>",
                part_of(value, full));
    if (isfinite(low) && isfinite(high)) {
        const int from = part_of(low, full), to = part_of(high, full);
        fprintf(h->f,
                "<path class=\"w\" vector-effect=\"non-scaling-stroke\" d=\"M%d 8H%dM%d 4V12M%d "
                "4V12\"/>",
                from, to, from, to);
    }
    fputs("</svg></td>", h->f);
}

/* ---- images ------------------------------------------------------------------------------- */

/* RFC 4648. */
static void put_base64(FILE *f, const uint8_t *data, size_t bytes)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t left = bytes - i;
        const uint32_t three = (uint32_t)data[i] << 16 |
                               (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                               (left > 2 ? data[i + 2] : 0);
        fputc(digit[three >> 18], f);
        fputc(digit[three >> 12 & 63], f);
        fputc(left > 1 ? digit[three >> 6 & 63] : '=', f);
        fputc(left > 2 ? digit[three & 63] : '=', f);
    }
}

void rs_html_gallery(rs_html *h)
{
    fputs("<div class=\"gallery\">\n", h->f);
}

void rs_html_gallery_end(rs_html *h)
{
    fputs("</div>\n", h->f);
}

void rs_html_png(rs_html *h, const void *png, size_t bytes, size_t width, const char *alt,
                 const char *caption)
{
    fputs("<figure><img alt=\"", h->f);
    rs_html_text(h, alt);
    fputc('"', h->f);
    if (width)
        fprintf(h->f, " width=\"%zu\"", width);
    fputs(" src=\"data:image/png;base64,", h->f);
    put_base64(h->f, png, bytes);
    fputs("\">", h->f);
    if (*caption) {
        fputs("<figcaption>", h->f);
        rs_html_name(h, caption);
        fputs("</figcaption>", h->f);
    }
    fputs("</figure>\n", h->f);
}
