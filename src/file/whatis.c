#include "whatis.h"

#include "error.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define DOWNLOAD "download the file itself again"

/* The first line that fits decides. */
static const struct {
    size_t at, bytes;
    const char *magic;
    rs_file_kind kind;
} kinds[] = {
    {0, 8, "\x89PNG\r\n\x1a\n", {RS_FILE_IMAGE, "a PNG image", NULL}},
    {0, 4, "\xff\xd8\xff\xf7", {RS_FILE_IMAGE, "a JPEG-LS image", NULL}},
    {0, 3, "\xff\xd8\xff", {RS_FILE_IMAGE, "a JPEG image", NULL}},
    {0, 4, "GIF8", {RS_FILE_IMAGE, "a GIF image", NULL}},
    {8, 4, "WEBP", {RS_FILE_IMAGE, "a WebP image", NULL}},
    {0, 4, "RIFF", {RS_FILE_OTHER, "a RIFF file (sound or film)", NULL}},
    {0, 2, "\xff\x0a", {RS_FILE_IMAGE, "a JPEG XL image", NULL}},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n", {RS_FILE_IMAGE, "a JPEG XL image", NULL}},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", {RS_FILE_IMAGE, "a JPEG 2000 image", NULL}},
    {0, 4, "\xff\x4f\xff\x51", {RS_FILE_IMAGE, "a JPEG 2000 codestream", NULL}},
    {4, 7, "ftypavi", {RS_FILE_IMAGE, "an AVIF image", NULL}},
    {4, 7, "ftyphei", {RS_FILE_IMAGE, "a HEIC (HEIF) image", NULL}},
    {4, 7, "ftyphev", {RS_FILE_IMAGE, "a HEIC (HEIF) image", NULL}},
    {4, 8, "ftypmif1", {RS_FILE_IMAGE, "a HEIF or AVIF image", NULL}},
    {4, 8, "ftypmsf1", {RS_FILE_IMAGE, "a HEIF or AVIF image", NULL}},
    {4, 7, "ftypcrx", {RS_FILE_IMAGE, "a Canon raw photo", NULL}},
    {4, 4, "ftyp", {RS_FILE_OTHER, "a film (MP4 or QuickTime)", NULL}},
    {0, 4, "II*\0", {RS_FILE_IMAGE, "a TIFF image or raw photo", NULL}},
    {0, 4, "MM\0*", {RS_FILE_IMAGE, "a TIFF image or raw photo", NULL}},
    {0, 4, "II+\0", {RS_FILE_IMAGE, "a BigTIFF image", NULL}},
    {0, 4, "MM\0+", {RS_FILE_IMAGE, "a BigTIFF image", NULL}},
    {0, 15, "FUJIFILMCCD-RAW", {RS_FILE_IMAGE, "a Fujifilm raw photo", NULL}},
    {0, 4, "8BPS", {RS_FILE_IMAGE, "a Photoshop document", NULL}},
    {0, 4, "\x76\x2f\x31\x01", {RS_FILE_IMAGE, "an OpenEXR image", NULL}},
    {0, 10, "#?RADIANCE", {RS_FILE_IMAGE, "a Radiance HDR image", NULL}},
    {0, 4, "\0\0\1\0", {RS_FILE_IMAGE, "a Windows icon", NULL}},
    {0, 4, "qoif", {RS_FILE_IMAGE, "a QOI image", NULL}},
    {0, 4, "DDS ", {RS_FILE_IMAGE, "a DDS texture", NULL}},
    {0, 4, "\x8aMNG", {RS_FILE_IMAGE, "an MNG animation", NULL}},
    {0, 4, "\x8bJNG", {RS_FILE_IMAGE, "a JNG image", NULL}},
    {128, 4, "DICM", {RS_FILE_IMAGE, "a DICOM image", NULL}},
    {0, 8, "SIMPLE  ", {RS_FILE_IMAGE, "a FITS image", NULL}},
    {0, 4, "%PDF", {RS_FILE_OTHER, "a PDF document", NULL}},
    {0, 4, "%!PS", {RS_FILE_OTHER, "a PostScript document", NULL}},
    {0, 8, "\x89HDF\r\n\x1a\n", {RS_FILE_WEIGHTS, "an HDF5 file", NULL}},
    {0, 4, "GGUF", {RS_FILE_WEIGHTS, "a GGUF file", NULL}},
    {4, 4, "TFL3", {RS_FILE_WEIGHTS, "a TensorFlow Lite model", NULL}},
    {0, 6, "\x93NUMPY", {RS_FILE_WEIGHTS, "a NumPy array (.npy)", NULL}},
    {0, 4, "PK\3\4", {RS_FILE_ARCHIVE, "a ZIP archive", "unpack it first"}},
    {0, 4, "PK\5\6", {RS_FILE_ARCHIVE, "an empty ZIP archive", DOWNLOAD}},
    {0, 2, "\x1f\x8b", {RS_FILE_ARCHIVE, "compressed by gzip", "unpack it with gunzip first"}},
    {0, 3, "BZh", {RS_FILE_ARCHIVE, "compressed by bzip2", "unpack it with bunzip2 first"}},
    {0, 6, "\xfd\x37zXZ\0", {RS_FILE_ARCHIVE, "compressed by xz", "unpack it with unxz first"}},
    {0,
     4,
     "\x28\xb5\x2f\xfd",
     {RS_FILE_ARCHIVE, "compressed by zstd", "unpack it with unzstd first"}},
    {0, 6, "7z\xbc\xaf\x27\x1c", {RS_FILE_ARCHIVE, "a 7-Zip archive", "unpack it first"}},
    {0, 4, "Rar!", {RS_FILE_ARCHIVE, "a RAR archive", "unpack it first"}},
    {257, 5, "ustar", {RS_FILE_ARCHIVE, "a tar archive", "unpack it with tar -xf first"}},
    {0,
     23,
     "version https://git-lfs",
     {RS_FILE_STANDIN, "a git-lfs pointer, not the file itself",
      "run 'git lfs pull' in its repository"}},
    {0,
     15,
     "/annex/objects/",
     {RS_FILE_STANDIN, "a git-annex pointer, not the file itself",
      "run 'git annex get' in its repository"}},
    {0,
     4,
     "\0\5\x16\7",
     {RS_FILE_STANDIN,
      "an AppleDouble file: what macOS keeps beside the file without the leading '._'",
      "delete it"}},
    {0,
     4,
     "\0\5\x16\0",
     {RS_FILE_STANDIN, "an AppleSingle file of macOS", "export the file again"}},
    {0, 8, "\0\0\0\1Bud1", {RS_FILE_OTHER, "a .DS_Store file of macOS", "delete it"}},
    {0, 8, "bplist00", {RS_FILE_STANDIN, "an Apple property list", DOWNLOAD}},
    {0,
     8,
     "L\0\0\0\1\x14\2\0",
     {RS_FILE_STANDIN, "a Windows shortcut, not the file it leads to", "copy the file itself"}},
    {0,
     8,
     "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
     {RS_FILE_OTHER, "an old Office file or Thumbs.db", NULL}},
    {0,
     4,
     "\x7f"
     "ELF",
     {RS_FILE_OTHER, "a program", NULL}},
};

/* Texts, after a byte order mark and blanks, in any case. */
static const struct {
    const char *word;
    rs_file_kind kind;
} texts[] = {
    {"<!doctype html", {RS_FILE_STANDIN, "a web page (HTML), not the file itself", DOWNLOAD}},
    {"<html", {RS_FILE_STANDIN, "a web page (HTML), not the file itself", DOWNLOAD}},
    {"<head", {RS_FILE_STANDIN, "a web page (HTML), not the file itself", DOWNLOAD}},
    {"<svg", {RS_FILE_IMAGE, "an SVG drawing", NULL}},
    {"<?xml", {RS_FILE_OTHER, "an XML text", NULL}},
};

static const rs_file_kind empty = {RS_FILE_STANDIN, "an empty file", DOWNLOAD};
static const rs_file_kind zeros = {
    RS_FILE_STANDIN, "nothing but zero bytes, as an unfinished copy leaves", DOWNLOAD};
static const rs_file_kind bmp = {RS_FILE_IMAGE, "a BMP image", NULL};
static const rs_file_kind pnm = {RS_FILE_IMAGE, "a PNM image (PBM, PGM, PPM)", NULL};
static const rs_file_kind pickle = {RS_FILE_WEIGHTS, "a Python pickle", NULL};
static const rs_file_kind safetensors = {RS_FILE_WEIGHTS, "a safetensors file", NULL};
static const rs_file_kind json = {RS_FILE_OTHER, "a JSON text", NULL};
static const rs_file_kind text = {RS_FILE_OTHER, "text", NULL};
static const rs_file_kind wide_text = {RS_FILE_OTHER, "text (UTF-16)", NULL};
static const rs_file_kind behind_text = {
    RS_FILE_STANDIN,
    "an image with a byte order mark or blanks before it, as programs for text leave",
    "copy or " DOWNLOAD ", as binary data"};
static const rs_file_kind text_mode = {RS_FILE_STANDIN,
                                       "an image that was copied as text, which damages it",
                                       "copy or " DOWNLOAD ", as binary data"};
static const rs_file_kind unknown = {RS_FILE_OTHER, "unknown data", NULL};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Printable, or UTF-8 beyond ASCII. */
static bool is_text(const uint8_t *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if ((p[i] < 0x20 && !is_blank(p[i]) && p[i] != '\f') || p[i] == 0x7f || p[i] >= 0xf8 ||
            p[i] == 0xc0 || p[i] == 0xc1)
            return false;
    }
    return true;
}

static const rs_file_kind *kind_of_text(const uint8_t *p, size_t bytes)
{
    size_t at = bytes >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < bytes && is_blank(p[at]))
        at++;
    for (size_t i = 0; i < RS_COUNT(texts); i++) {
        const size_t n = strlen(texts[i].word);
        if (bytes - at >= n && strncasecmp((const char *)p + at, texts[i].word, n) == 0)
            return &texts[i].kind;
    }
    return at < bytes && (p[at] == '{' || p[at] == '[') ? &json : &text;
}

/* What has no magic of its own but a form: sizes and types of the fields at its start. */
static const rs_file_kind *kind_of_form(const uint8_t *p, size_t bytes)
{
    if (bytes >= 18 && p[0] == 'B' && p[1] == 'M' && p[15] == 0 && p[16] == 0 && p[17] == 0)
        return &bmp; /* the size of its second header */
    if (bytes >= 3 && p[0] == 'P' && p[1] >= '1' && p[1] <= '7' && is_blank(p[2]))
        return &pnm;
    if (bytes >= 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5)
        return &pickle;
    if (bytes >= 10 && p[5] == 0 && p[6] == 0 && p[7] == 0 && p[8] == '{')
        return &safetensors; /* a small length, then its header */
    if (bytes >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff)))
        return &wide_text;
    return NULL;
}

/* What became of a PNG or JPEG in a program that took it for text. */
static const rs_file_kind *kind_of_mangled(const uint8_t *p, size_t bytes)
{
    /* without the highest bit; as UTF-8; with U+FFFD for what is no UTF-8; with other ends of lines */
    static const char *const damaged[] = {"\tPNG",
                                          "\xc2\x89PNG",
                                          "\xef\xbf\xbdPNG",
                                          "\x89PNG",
                                          "\xc3\xbf\xc3\x98\xc3\xbf",
                                          "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"};
    size_t at = bytes >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    for (size_t i = 0; i < RS_COUNT(damaged); i++)
        if (bytes >= strlen(damaged[i]) && memcmp(p, damaged[i], strlen(damaged[i])) == 0)
            return &text_mode;
    while (at < bytes && is_blank(p[at]))
        at++;
    if (bytes - at >= 4 &&
        (memcmp(p + at, "\xff\xd8\xff", 3) == 0 || memcmp(p + at, "\x89PNG", 4) == 0))
        return &behind_text;
    return NULL;
}

const rs_file_kind *rs_file_whatis(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    size_t zero = 0;
    bytes = bytes < RS_WHATIS_BYTES ? bytes : RS_WHATIS_BYTES;
    while (zero < bytes && p[zero] == 0)
        zero++;
    if (zero == bytes)
        return bytes == 0 ? &empty : &zeros;
    for (size_t i = 0; i < RS_COUNT(kinds); i++) {
        if (bytes >= kinds[i].at + kinds[i].bytes &&
            memcmp(p + kinds[i].at, kinds[i].magic, kinds[i].bytes) == 0)
            return &kinds[i].kind;
    }
    const rs_file_kind *form = kind_of_form(p, bytes);
    if (!form)
        form = kind_of_mangled(p, bytes);
    if (form)
        return form;
    return is_text(p, bytes) ? kind_of_text(p, bytes) : &unknown;
}
