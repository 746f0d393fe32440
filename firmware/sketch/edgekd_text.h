/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text, without printf and scanf, whose float support Arduino cores leave out.
 * Every edgekd_put_... writes at `to`, ends with a NUL, and returns where that is, so that calls can follow each other.
 */
#ifndef EDGEKD_TEXT_H
#define EDGEKD_TEXT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGEKD_FLOAT_CHARS 16 /* the longest float, with its NUL: -1.23456789e-38 */

char *edgekd_put_text(char *to, const char *text);

char *edgekd_put_integer(char *to, int32_t value);

char *edgekd_put_unsigned(char *to, uint32_t value);

/** Text and a number after it. */
char *edgekd_put_pair(char *to, const char *name, uint32_t value);

/** Eight hexadecimal digits, in capitals. */
char *edgekd_put_hex(char *to, uint32_t value);

/** Nine significant digits, trailing zeros left out: reading them back gives the same float. Also nan, inf and -inf. */
char *edgekd_put_float(char *to, float value);

/**
 * Read the number at `text`, spaces around it skipped: digits with point and exponent, or nothing or `nan` for a
 * missing value, NaN. Correctly rounded to double for up to 15 digits and exponents of up to 22, then to float.
 * Returns the character after it: ',' or NUL, anything else when it is no number.
 */
const char *edgekd_read_float(const char *text, float *value);

#ifdef __cplusplus
}
#endif

#endif
