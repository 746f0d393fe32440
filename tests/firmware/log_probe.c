/*
 * The log on a simulated flash: power is lost at any step, at each one in turn or again and again, bits wear out.
 *
 *     probe cuts SEED       40 appends, power lost once at every step of them: after each, what was kept is there
 *     probe again SEED N    N appends, power lost at random steps all the time
 *     probe wear N          N appends on two pages of 4,096 bytes: erases of each page
 *     probe worn SEED       cells that no longer keep a one
 *
 * A step is a word that is written or a page that is erased. Where power is lost, a word is written in part, and a page
 * is erased in part. Words that are written twice between erases, or onto ones that are not there, end the program.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgekd_log.h"

#define MOST_PAGES 3u
#define MOST_BYTES 4096u

static uint8_t memory[MOST_PAGES * MOST_BYTES];
static uint8_t stuck[MOST_PAGES * MOST_BYTES]; /* bits that cannot be ones any more */
static uint8_t written[MOST_PAGES * MOST_BYTES / 4u];
static uint32_t erases[MOST_PAGES];
static uint32_t pages, page_bytes;
static long steps, cut_at = -1;
static jmp_buf power_lost;
static uint32_t state = 1;

static uint32_t draw(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

static void stop(const char *why, uint32_t number) {
    printf("%s: %u\n", why, (unsigned)number);
    exit(1);
}

static int read_flash(uint32_t at, void *to, uint32_t bytes) {
    if (at + bytes > pages * page_bytes) {
        stop("read outside", at);
    }
    memcpy(to, memory + at, bytes);
    return 1;
}

static int write_flash(uint32_t at, const void *from, uint32_t bytes) {
    const uint8_t *byte = (const uint8_t *)from;
    uint32_t i, b;
    if (at % 4u != 0 || bytes % 4u != 0 || at + bytes > pages * page_bytes) {
        stop("write of no whole words", at);
    }
    for (i = 0; i < bytes; i += 4u) {
        const int lost = steps++ == cut_at;
        if (written[(at + i) / 4u]++ > 0) {
            stop("a word is written twice", at + i);
        }
        for (b = i; b < i + 4u; b++) {
            if ((memory[at + b] | stuck[at + b]) != 0xFFu) {
                stop("written onto what is not erased", at + b);
            }
            memory[at + b] = (uint8_t)(memory[at + b] & (lost ? byte[b] | draw(256) : byte[b]));
        }
        if (lost) {
            longjmp(power_lost, 1);
        }
    }
    return 1;
}

static int erase_flash(uint32_t page) {
    const int lost = steps++ == cut_at;
    uint32_t i;
    erases[page]++;
    for (i = page * page_bytes; i < (page + 1u) * page_bytes; i++) {
        const uint32_t raised = lost ? (draw(2) ? draw(256) : 0xFFu) : 0xFFu;
        memory[i] = (uint8_t)((memory[i] | raised) & ~stuck[i]);
    }
    if (lost) {
        longjmp(power_lost, 1);
    }
    memset(written + page * page_bytes / 4u, 0, page_bytes / 4u);
    return 1;
}

static edgekd_flash flash = {0, 0, read_flash, write_flash, erase_flash};

static float value_of(uint32_t number) { return 1.1f - 0.0001f * (float)number; }

static void fresh(uint32_t count, uint32_t bytes) {
    uint32_t i;
    flash.pages = pages = count;
    flash.page_bytes = page_bytes = bytes;
    for (i = 0; i < sizeof memory; i++) {
        memory[i] = (uint8_t)draw(256); /* what was there before */
    }
    memset(written, 1, sizeof written);
    memset(stuck, 0, sizeof stuck);
    memset(erases, 0, sizeof erases);
    steps = 0;
    cut_at = -1;
}

/* `kept` values were kept for certain; one more may have been. At most `spoilt` slots of a page hold none. */
static void check(const edgekd_log *log, uint32_t kept, uint32_t spoilt) {
    const uint32_t always = (pages - 1u) * (page_bytes / EDGEKD_LOG_RECORD_BYTES - spoilt);
    uint32_t number;
    float value;
    if (log->next != kept && log->next != kept + 1u) {
        stop("another number of records", log->next);
    }
    for (number = log->next > always ? log->next - always : 0; number < log->next; number++) {
        if (!edgekd_log_find(log, number, &value) || value != value_of(number)) {
            stop("a value is lost or wrong", number);
        }
    }
}

/* Append up to `count` values in all. Returns how many there are when power is lost, or count. */
static uint32_t fill(uint32_t count) {
    static edgekd_log log;
    static uint32_t kept;
    edgekd_log_open(&log, &flash);
    kept = log.next;
    if (setjmp(power_lost)) {
        return kept;
    }
    while (kept < count) {
        if (!edgekd_log_append(&log, value_of(kept))) {
            stop("an append fails", kept);
        }
        kept = log.next;
    }
    return kept;
}

static void cuts(uint32_t seed) {
    edgekd_log log;
    long cut, total;
    fresh(3, 64);
    state = seed * 2654435761u + 1u;
    (void)fill(40);
    total = steps;
    for (cut = 0; cut < total; cut++) {
        uint32_t kept;
        fresh(2u + draw(2), 64);
        cut_at = cut;
        kept = fill(40);
        cut_at = -1;
        edgekd_log_open(&log, &flash);
        check(&log, kept, 1);
        kept = fill(log.next + 12u);
        edgekd_log_open(&log, &flash);
        check(&log, kept, 1);
        if (log.next != kept) {
            stop("an append is lost", kept);
        }
    }
    printf("%ld steps\n", total);
}

static void again(uint32_t seed, uint32_t count) {
    edgekd_log log;
    uint32_t losses = 0;
    uint32_t kept = 0;
    fresh(2, 480); /* 40 records a page */
    state = seed * 2654435761u + 1u;
    while (kept < count) {
        cut_at = steps + (long)draw(60);
        kept = fill(count);
        losses += kept < count;
        cut_at = -1;
        edgekd_log_open(&log, &flash);
        check(&log, kept, 20);
        kept = log.next;
    }
    printf("%u losses of power\n", (unsigned)losses);
}

static void wear(uint32_t count) {
    edgekd_log log;
    fresh(2, 4096);
    (void)fill(count);
    edgekd_log_open(&log, &flash);
    check(&log, count, 0);
    printf("%u %u\n", (unsigned)erases[0], (unsigned)erases[1]);
}

static void worn(uint32_t seed) {
    edgekd_log log;
    uint32_t n, kept = 0;
    fresh(2, 960); /* 80 records a page */
    state = seed * 2654435761u + 1u;
    edgekd_log_open(&log, &flash);
    for (n = 0; n < 12; n++) {
        const uint32_t at = draw(pages * page_bytes);
        stuck[at] = (uint8_t)(1u << draw(8));
    }
    for (n = 0; n < 400; n++) {
        kept += (uint32_t)edgekd_log_append(&log, value_of(kept));
    }
    if (kept != 400) {
        stop("worn cells are not passed over", kept);
    }
    edgekd_log_open(&log, &flash);
    for (n = kept - 60u; n < kept; n++) { /* of 80, some slots are of no use */
        float value;
        if (!edgekd_log_find(&log, n, &value) || value != value_of(n)) {
            stop("a value is lost or wrong", n);
        }
    }
    printf("%u kept\n", (unsigned)kept);
}

int main(int argc, char **argv) {
    const uint32_t number = argc > 2 ? (uint32_t)atol(argv[2]) : 1;
    if (argc > 2 && strcmp(argv[1], "cuts") == 0) {
        cuts(number);
    } else if (argc > 3 && strcmp(argv[1], "again") == 0) {
        again(number, (uint32_t)atol(argv[3]));
    } else if (argc > 2 && strcmp(argv[1], "wear") == 0) {
        wear(number);
    } else if (argc > 2 && strcmp(argv[1], "worn") == 0) {
        worn(number);
    } else {
        return 2;
    }
    return 0;
}
