/* SPDX-License-Identifier: Apache-2.0 */
/* What a function of the generated C interface returns. */
#ifndef EDGEKD_STATUS_H
#define EDGEKD_STATUS_H

typedef enum {
    EDGEKD_OK = 0,
    EDGEKD_NOT_READY = 1 /* fewer samples than one window so far; nothing was written */
} edgekd_status;

#endif
