/*
 * A sketch's side of the serial line: one sample per line in, its columns separated by commas; one forecast per line
 * out, which Arduino's Serial Plotter draws. Needs Arduino.h.
 */
#ifndef EDGEKD_CONSOLE_H
#define EDGEKD_CONSOLE_H

#include <stdint.h>

#define EDGEKD_LINE_CHARS 256 /* the longest line, in or out of a sketch but for forecasts */

/** Open the line, wait a few seconds for a listener, and switch on the nRF52840's instruction cache (off at reset). */
void edgekd_console_begin(void);

void edgekd_console_say(const char *text);

/**
 * Take what has come in. Returns true when a line with `count` numbers is complete: they are in `sample`, an empty
 * column or `nan` as NaN. Any other line is answered with what is wrong with it.
 */
bool edgekd_console_read(float *sample, uint32_t count);

/** Print numbers separated by commas, with nine significant digits. */
void edgekd_console_row(const float *values, uint32_t count);

/** Say what failed, again and again, so that whoever connects later reads it too. Does not return. */
[[noreturn]] void edgekd_console_fail(const char *what);

#endif
