/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_log.h"

#include <string.h>

#include "edgekd_crc32.h"

typedef struct {
    uint32_t number;
    float value;
    uint32_t checksum;
} record;

static uint32_t checksum_of(const record *r) {
    return edgekd_crc32(edgekd_crc32(0, &r->number, sizeof r->number), &r->value, sizeof r->value);
}

static uint32_t per_page(const edgekd_flash *flash) { return flash->page_bytes / EDGEKD_LOG_RECORD_BYTES; }

/* Address of a slot, counted over all pages. */
static uint32_t address(const edgekd_flash *flash, uint32_t slot) {
    return slot / per_page(flash) * flash->page_bytes + slot % per_page(flash) * EDGEKD_LOG_RECORD_BYTES;
}

/* Returns 1 when the slot holds a whole record. */
static int read_slot(const edgekd_flash *flash, uint32_t slot, record *r) {
    return flash->read(address(flash, slot), r, sizeof *r) && r->checksum == checksum_of(r);
}

static int is_erased(const record *r) {
    static const uint8_t ones[sizeof(record)] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    return memcmp(r, ones, sizeof ones) == 0;
}

void edgekd_log_open(edgekd_log *log, const edgekd_flash *flash) {
    const uint32_t slots = flash->pages * per_page(flash);
    uint32_t newest = 0;
    uint32_t slot;
    record r;
    log->flash = flash;
    log->next = 0;
    log->at = 0;
    for (slot = 0; slot < slots; slot++) {
        if (read_slot(flash, slot, &r) && r.number >= log->next) {
            log->next = r.number + 1u;
            newest = slot;
        }
    }
    if (log->next == 0) {
        return;
    }
    /* After the newest one, and after what is no record: power was lost while it was written. */
    log->at = newest + 1u;
    for (slot = log->at; slot % per_page(flash) != 0; slot++) {
        if (!flash->read(address(flash, slot), &r, sizeof r) || !is_erased(&r)) {
            log->at = slot + 1u;
        }
    }
    log->at %= slots;
}

/* Put a record where `at` is, and go on to the next slot. */
static int put(edgekd_log *log, const record *r) {
    const edgekd_flash *flash = log->flash;
    const uint32_t slot = log->at;
    record back;
    if (slot % per_page(flash) == 0 && !flash->erase(slot / per_page(flash))) {
        return 0;
    }
    log->at = (slot + 1u) % (flash->pages * per_page(flash));
    return flash->write(address(flash, slot), r, sizeof *r) && read_slot(flash, slot, &back) &&
           memcmp(&back, r, sizeof back) == 0;
}

int edgekd_log_append(edgekd_log *log, float value) {
    uint32_t tries;
    record r;
    r.number = log->next;
    r.value = value;
    r.checksum = checksum_of(&r);
    for (tries = per_page(log->flash); tries > 0; tries--) {
        if (put(log, &r)) {
            log->next++;
            return 1;
        }
    }
    return 0;
}

int edgekd_log_find(const edgekd_log *log, uint32_t number, float *value) {
    uint32_t slot;
    record r;
    for (slot = 0; slot < log->flash->pages * per_page(log->flash); slot++) {
        if (read_slot(log->flash, slot, &r) && r.number == number) {
            *value = r.value;
            return 1;
        }
    }
    return 0;
}
