/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_text.h"

#include <string.h>

#define DIGITS 9
#define LEAST_OF_NINE 100000000u
#define LEAST_COMMON 0x38D1B718u /* the least float that is not below 1e-4 */
#define LEAST_LARGE 0x4E6E6B28u  /* 1e9 */
#define TOP_BIT ((uint64_t)1 << 59)
#define NAN_BITS 0x7FC00000u
#define MAX_EXACT_POWER 22 /* 10^22 is the largest power of ten that is a double */

char *edgekd_put_text(char *to, const char *text) {
    while (*text != '\0') {
        *to++ = *text++;
    }
    *to = '\0';
    return to;
}

char *edgekd_put_unsigned(char *to, uint32_t value) {
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + (int)(value % 10u));
        value /= 10u;
    } while (value > 0u);
    while (count > 0) {
        *to++ = digits[--count];
    }
    *to = '\0';
    return to;
}

char *edgekd_put_integer(char *to, int32_t value) {
    if (value < 0) {
        *to++ = '-';
        return edgekd_put_unsigned(to, 0u - (uint32_t)value);
    }
    return edgekd_put_unsigned(to, (uint32_t)value);
}

char *edgekd_put_pair(char *to, const char *name, uint32_t value) {
    return edgekd_put_unsigned(edgekd_put_text(to, name), value);
}

char *edgekd_put_hex(char *to, uint32_t value) {
    int shift;
    for (shift = 28; shift >= 0; shift -= 4) {
        *to++ = "0123456789ABCDEF"[(value >> shift) & 15u];
    }
    *to = '\0';
    return to;
}

/* value / 2^shift, rounded to nearest, ties to even. */
static uint64_t shifted_right(uint64_t value, uint32_t shift) {
    const uint64_t half = shift > 0u ? (uint64_t)1 << (shift - 1u) : 0u;
    uint64_t whole = value >> shift;
    const uint64_t rest = value - (whole << shift);
    if (rest > half || (rest == half && half > 0u && (whole & 1u) != 0u)) {
        whole++;
    }
    return whole;
}

/* mantissa * 2^exponent / 10^(power - 8), rounded once. For -4 <= power < 9 nothing overflows. */
static uint64_t scaled_digits(uint32_t mantissa, int exponent, int power) {
    uint64_t digits = mantissa;
    int i;
    for (i = power; i < DIGITS - 1; i++) {
        digits *= 10u;
    }
    return exponent < 0 ? shifted_right(digits, (uint32_t)-exponent) : digits << exponent;
}

/* The nine digits d of mantissa * 2^exponent = d * 10^(*power - 8), which is within [1e-4, 1e9). */
static uint32_t digits_of_common(uint32_t mantissa, int exponent, int *power) {
    uint64_t digits;
    *power = (exponent + 23) * 1233 / 4096; /* log10(2) = 1233 / 4096; right, or one off */
    digits = scaled_digits(mantissa, exponent, *power);
    if (digits < LEAST_OF_NINE) {
        (*power)--;
        digits = scaled_digits(mantissa, exponent, *power);
    } else if (digits >= 10u * LEAST_OF_NINE) {
        (*power)++;
        digits = scaled_digits(mantissa, exponent, *power);
    }
    return (uint32_t)digits;
}

/* The same for any number: 60 bits, rounded with each power of ten. */
static uint32_t digits_of_any(uint32_t mantissa, int exponent, int *power) {
    uint64_t bits = mantissa;
    *power = DIGITS - 1;
    for (; bits < TOP_BIT; exponent--) {
        bits <<= 1;
    }
    while (exponent > -30 || (exponent == -30 && (bits >> 30) >= 10u * LEAST_OF_NINE)) {
        bits = (bits << 3) / 10u;
        exponent -= 3;
        (*power)++;
        for (; bits < TOP_BIT; exponent--) {
            bits <<= 1;
        }
    }
    while (exponent < -59 || (bits >> -exponent) < LEAST_OF_NINE) {
        bits *= 10u;
        (*power)--;
        for (; bits >= 2u * TOP_BIT; exponent++) {
            bits = (bits + 1u) >> 1;
        }
    }
    return (uint32_t)shifted_right(bits, (uint32_t)-exponent);
}

/* value > 0 as its bits -> the nine digits d of d * 10^(result - 8). */
static int decimal(uint32_t bits, uint32_t *digits) {
    const int stored = (int)(bits >> 23);
    const uint32_t mantissa = (bits & 0x7FFFFFu) | (stored > 0 ? 0x800000u : 0u);
    const int exponent = (stored > 0 ? stored : 1) - 150;
    int result = 0;
    const int common = bits >= LEAST_COMMON && bits < LEAST_LARGE;
    *digits = common ? digits_of_common(mantissa, exponent, &result) : digits_of_any(mantissa, exponent, &result);
    if (*digits >= 10u * LEAST_OF_NINE) {
        *digits /= 10u;
        result++;
    }
    return result;
}

/* `count` of the nine digits, with the point after the first `before` of them (which may be 0 or less). */
static char *put_point(char *to, const char *digits, int count, int before) {
    int i;
    if (before <= 0) {
        to = edgekd_put_text(to, "0.");
    }
    for (i = before; i < 0; i++) {
        *to++ = '0';
    }
    for (i = 0; i < count || i < before; i++) {
        if (i == before && i > 0) {
            *to++ = '.';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return to;
}

char *edgekd_put_float(char *to, float value) {
    char digits[DIGITS + 1];
    uint32_t bits, number;
    int exponent;
    int count = DIGITS;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
        return edgekd_put_text(to, "nan");
    }
    if ((bits >> 31) != 0u) {
        *to++ = '-';
        bits &= 0x7FFFFFFFu;
    }
    if (bits == 0x7F800000u) {
        return edgekd_put_text(to, "inf");
    }
    if (bits == 0u) {
        return edgekd_put_text(to, "0");
    }
    exponent = decimal(bits, &number);
    (void)edgekd_put_unsigned(digits, number);
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    if (exponent >= -4 && exponent < DIGITS) {
        return put_point(to, digits, count, exponent + 1);
    }
    to = put_point(to, digits, count, 1);
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent < 10) {
        *to++ = '0';
    }
    return edgekd_put_unsigned(to, (uint32_t)exponent);
}

static double scaled(double value, int exponent) {
    double power = 1.0;
    int left = exponent < 0 ? -exponent : exponent;
    for (; left > 0; left--) {
        power *= 10.0;
        if (left % MAX_EXACT_POWER == 1) {
            value = exponent < 0 ? value / power : value * power;
            power = 1.0;
        }
    }
    return value;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* The exponent after an 'e', where there is one. Held below 1000, far beyond every float. */
static const char *read_exponent(const char *text, int *exponent) {
    const char *at = text + 1;
    int negative = *at == '-';
    int value = 0;
    if (*text != 'e' && *text != 'E') {
        return text;
    }
    if (*at == '+' || *at == '-') {
        at++;
    }
    if (!is_digit(*at)) {
        return text;
    }
    for (; is_digit(*at); at++) {
        value = value < 1000 ? 10 * value + (*at - '0') : value;
    }
    *exponent += negative ? -value : value;
    return at;
}

static const char *read_number(const char *text, float *value) {
    uint64_t digits = 0;
    int exponent = 0;
    int seen = 0;
    int point = 0;
    int negative = *text == '-';
    const char *at = text;
    double real;
    if (*at == '-' || *at == '+') {
        at++;
    }
    for (; is_digit(*at) || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = 1;
            continue;
        }
        seen = 1;
        if (digits < 100000000000000000u) {
            digits = 10u * digits + (uint64_t)(*at - '0');
            exponent -= point;
        } else {
            exponent += 1 - point;
        }
    }
    if (!seen) {
        return text;
    }
    at = read_exponent(at, &exponent);
    real = scaled((double)digits, exponent > 400 ? 400 : exponent < -400 ? -400 : exponent);
    *value = (float)(negative ? -real : real);
    return at;
}

static const char *after_spaces(const char *text) {
    while (*text == ' ' || *text == '\t' || *text == '\r') {
        text++;
    }
    return text;
}

const char *edgekd_read_float(const char *text, float *value) {
    const uint32_t nan = NAN_BITS;
    text = after_spaces(text);
    memcpy(value, &nan, sizeof nan);
    if (text[0] == 'n' && text[1] == 'a' && text[2] == 'n') {
        return after_spaces(text + 3);
    }
    return after_spaces(read_number(text, value));
}
