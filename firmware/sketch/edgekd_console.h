/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sketch's serial line: the protocol of edgekd_protocol.h on Arduino's Serial, at 115200 baud. Needs Arduino.h.
 */
#ifndef EDGEKD_CONSOLE_H
#define EDGEKD_CONSOLE_H

#include <stdint.h>

#include "edgekd_protocol.h"

/** Open the line, and switch on the nRF52840's instruction cache (off at reset). */
void edgekd_console_begin(void);

/**
 * Run the self-test; what this is and how that went is said to the first who listens, now or later. Memory as in
 * edgekd_session_begin.
 */
void edgekd_console_model(const edgekd_model *model, float *sample, float *forecast, int32_t *integers);

/** Take what has come in, up to the end of a line, and answer it. Does not wait. */
void edgekd_console_serve(void);

/** Sleep until something happens, a millisecond at most, unless characters wait. For the end of loop(). */
void edgekd_console_idle(void);

/** The session that the line talks to. */
edgekd_session *edgekd_console_session(void);

/** Say what failed, again and again, so that whoever connects later reads it too. Does not return. */
[[noreturn]] void edgekd_console_fail(const char *what);

#endif
