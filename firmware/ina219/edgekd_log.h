/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log of numbers in flash that outlives resets and loss of power at any moment. Plain C over three functions.
 *
 * Pages are filled one after the other, in a circle, with records of 12 bytes: number of the record from 0 on, value,
 * CRC-32 of both, little-endian. A page is erased when the first record goes into it and at no other time, so the pages
 * wear evenly: two pages of 4,096 bytes take 682 records between two erasures of one page. A record that power cut off,
 * or that worn cells did not keep, has a wrong checksum: it is passed over, and its number is used again. All pages but
 * the one that is being filled stay, so the last (pages - 1) * (page_bytes / 12) values are there, less one for each
 * place that was spoilt so.
 */
#ifndef EDGEKD_LOG_H
#define EDGEKD_LOG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGEKD_LOG_RECORD_BYTES 12u

/* Flash as the log sees it: addresses from 0 on. The functions return 1, or 0 when it cannot be done. */
typedef struct {
    uint32_t pages; /* at least 2 */
    uint32_t page_bytes;
    int (*read)(uint32_t at, void *to, uint32_t bytes);
    int (*write)(uint32_t at, const void *from, uint32_t bytes); /* whole words, onto erased ones */
    int (*erase)(uint32_t page);                                 /* to ones */
} edgekd_flash;

typedef struct {
    const edgekd_flash *flash;
    uint32_t next; /* number of the next record: how many there have been */
    uint32_t at;   /* where it will go */
} edgekd_log;

/** Find out what is there. Reads every record once, writes nothing. */
void edgekd_log_open(edgekd_log *log, const edgekd_flash *flash);

/** Append a value. Returns 0 when the flash does not keep it. */
int edgekd_log_append(edgekd_log *log, float value);

/** Find the value of a record. Returns 0 when it is not there any more, or not readable. Reads every record once. */
int edgekd_log_find(const edgekd_log *log, uint32_t number, float *value);

#ifdef __cplusplus
}
#endif

#endif
