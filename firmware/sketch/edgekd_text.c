/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_text.h"

#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2") /* Arduino compiles for size */
#endif

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

/* value / 2^shift for a shift of 1 to 63, rounded to nearest, ties to even. No sum overflows below 2^63 + 2^62. */
static uint32_t shifted_right(uint64_t value, uint32_t shift) {
    const uint64_t sum = value + ((uint64_t)1 << (shift - 1u));
    const uint32_t whole = (uint32_t)(sum >> shift);
    return (sum << (64u - shift)) == 0u ? whole & ~1u : whole;
}

/* mantissa * 2^exponent / 10^(power - 8), rounded once. For -4 <= power < 9 nothing overflows. */
static uint32_t scaled_digits(uint32_t mantissa, int exponent, int power) {
    static const uint32_t powers[DIGITS] = {1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u};
    uint64_t digits = (uint64_t)mantissa * powers[power < 0 ? DIGITS - 1 : DIGITS - 1 - power];
    for (; power < 0; power++) {
        digits *= 10u;
    }
    return exponent < 0 ? shifted_right(digits, (uint32_t)-exponent) : (uint32_t)(digits << exponent);
}

/* The nine digits d of mantissa * 2^exponent = d * 10^(*power - 8), which is within [1e-4, 1e9). */
static uint32_t digits_of_common(uint32_t mantissa, int exponent, int *power) {
    const int top = exponent + 23;
    uint32_t digits;
    *power = (top < 0 ? top * 1233 - 4095 : top * 1233) / 4096; /* log10(2) = 1233 / 4096; right, or one too low */
    *power = *power < -4 ? -4 : *power;
    digits = scaled_digits(mantissa, exponent, *power);
    if (digits >= 10u * LEAST_OF_NINE) {
        (*power)++;
        digits = scaled_digits(mantissa, exponent, *power);
    }
    return digits;
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
    return shifted_right(bits, (uint32_t)-exponent);
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

/* The nine digits of a number as characters, from `to` on. */
static void put_nine(char *to, uint32_t number) {
    int at;
    for (at = DIGITS - 2; at > 0; at -= 2) {
        const uint32_t rest = number / 100u;
        const uint32_t pair = number - 100u * rest;
        const uint32_t tens = (pair * 103u) >> 10; /* pair / 10, exact below 100 */
        to[at] = (char)('0' + (int)tens);
        to[at + 1] = (char)('0' + (int)(pair - 10u * tens));
        number = rest;
    }
    to[0] = (char)('0' + (int)number);
}

/* Nine digits at to[1], without trailing zeros, with a point after the first `before`. Returns the end. */
static char *put_point(char *to, int before) {
    int i;
    char *end = to + 1 + DIGITS;
    for (i = 0; i < before; i++) {
        to[i] = to[i + 1];
    }
    to[before] = '.';
    while (end[-1] == '0') {
        end--;
    }
    return end == to + before + 1 || end < to + before ? to + before : end;
}

static char *put_exponent(char *to, int exponent) {
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent < 10) {
        *to++ = '0';
    }
    return edgekd_put_unsigned(to, (uint32_t)exponent);
}

char *edgekd_put_float(char *to, float value) {
    uint32_t bits, digits;
    int exponent;
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
    exponent = decimal(bits, &digits);
    if (exponent < -4 || exponent >= DIGITS) {
        put_nine(to + 1, digits);
        return put_exponent(put_point(to, 1), exponent);
    }
    if (exponent < 0) {
        to = edgekd_put_text(to, "0.");
        for (; exponent < -1; exponent++) {
            *to++ = '0';
        }
        put_nine(to, digits);
        to += DIGITS;
        while (to[-1] == '0') {
            to--;
        }
    } else {
        put_nine(to + 1, digits);
        to = put_point(to, exponent + 1);
    }
    *to = '\0';
    return to;
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
